from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from dicomnode.dicom.digest import content_digest, large_file_digest
from tests.factories import make_enhanced, make_instance, write_instance


def _digest(dataset: FileDataset, path: Path) -> str:
    return content_digest(write_instance(dataset, path))


def _with_lengths(dataset: FileDataset, undefined: bool) -> FileDataset:
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = undefined
    return dataset


def test_sequence_lengths_do_not_count(tmp_path: Path) -> None:
    explicit = write_instance(_with_lengths(make_enhanced(), False), tmp_path / "explicit.dcm")
    undefined = write_instance(_with_lengths(make_enhanced(), True), tmp_path / "undefined.dcm")
    assert explicit.read_bytes() != undefined.read_bytes()
    assert content_digest(explicit) == content_digest(undefined)


def test_file_meta_and_group_lengths_and_trailing_padding_do_not_count(tmp_path: Path) -> None:
    plain = _digest(make_instance(), tmp_path / "plain.dcm")
    dataset = make_instance()
    dataset.file_meta.SourceApplicationEntityTitle = "ELSEWHERE"
    dataset.add_new(0x00080000, "UL", 12345)
    dataset.add_new(0xFFFCFFFC, "OB", bytes(64))
    assert _digest(dataset, tmp_path / "changed.dcm") == plain


def test_implicit_vr_does_not_count(tmp_path: Path) -> None:
    explicit = _digest(make_enhanced(), tmp_path / "explicit.dcm")
    assert _digest(make_enhanced(transfer_syntax=ImplicitVRLittleEndian), tmp_path / "implicit.dcm") == explicit


def test_meta_information_may_be_missing(tmp_path: Path) -> None:
    buffer = BytesIO()
    dcmwrite(buffer, Dataset(make_instance()), implicit_vr=False, little_endian=True)
    (tmp_path / "bare.dcm").write_bytes(buffer.getvalue())
    assert content_digest(tmp_path / "bare.dcm") == _digest(make_instance(), tmp_path / "whole.dcm")


def _encapsulated(with_offsets: bool, content: bytes = b"frame two") -> FileDataset:
    dataset = make_instance()
    dataset.PixelData = encapsulate([b"frame one!", content], has_bot=with_offsets)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.NumberOfFrames = 2
    return dataset


def test_the_offset_table_does_not_count_and_the_fragments_do(tmp_path: Path) -> None:
    with_offsets = _digest(_encapsulated(True), tmp_path / "a.dcm")
    assert _digest(_encapsulated(False), tmp_path / "b.dcm") == with_offsets
    assert _digest(_encapsulated(False, b"frame 2.."), tmp_path / "c.dcm") != with_offsets


@pytest.mark.parametrize(
    "changed",
    [
        {"PatientID": "TEST-2"},
        {"SeriesDescription": None},
        {"WindowCenter": 40.0},
        {"pixels": np.zeros((16, 16), np.uint16)},
        {"SmallestImagePixelValue": 8192},
    ],
)
def test_any_changed_value_counts(tmp_path: Path, changed: dict[str, object]) -> None:
    plain = _digest(make_instance(SmallestImagePixelValue=0), tmp_path / "plain.dcm")
    assert _digest(make_instance(**({"SmallestImagePixelValue": 0} | changed)), tmp_path / "changed.dcm") != plain


def test_a_value_in_a_nested_item_counts(tmp_path: Path) -> None:
    plain = _digest(make_enhanced(), tmp_path / "plain.dcm")
    assert _digest(make_enhanced(origin=(0.0, 0.0, 1.0)), tmp_path / "moved.dcm") != plain


def test_bytes_that_are_no_data_set_are_digested_whole(tmp_path: Path) -> None:
    (tmp_path / "cut.dcm").write_bytes(bytes(128) + b"DICM" + bytes(3))
    assert content_digest(tmp_path / "cut.dcm") == sha256((tmp_path / "cut.dcm").read_bytes()).hexdigest()


@pytest.mark.filterwarnings("ignore:End of file reached:UserWarning")
def test_a_truncated_file_differs_from_the_whole_one(tmp_path: Path) -> None:
    file = write_instance(_encapsulated(False), tmp_path / "cut.dcm")
    whole = content_digest(file)
    file.write_bytes(file.read_bytes()[:-20])
    assert content_digest(file) != whole


@pytest.mark.parametrize("kind", ["explicit", "implicit", "bytes", "rle", "frames"])
def test_large_files_are_digested_where_they_lie(tmp_path: Path, kind: str) -> None:
    dataset = {
        "explicit": make_instance,
        "implicit": lambda: make_instance(transfer_syntax=ImplicitVRLittleEndian),
        "bytes": lambda: make_instance(pixels=np.arange(15, dtype=np.uint8).reshape(3, 5)),
        "rle": make_instance,
        "frames": make_enhanced,
    }[kind]()
    if kind in ("rle", "frames"):
        dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    path = write_instance(dataset, tmp_path / "one.dcm")
    assert large_file_digest(path) == content_digest(path)
