from __future__ import annotations

import os
import warnings
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from dicomnode.dicom.digest import content_digest, large_file_digest, parsed_digest
from dicomnode.dicom.digest_scan import digest_parts
from dicomnode.dicom.head_scan import UnusualError
from dicomnode.dicom.part10 import part10_preamble
from tests.data_sets import data_sets
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


def _scanned_digest(content: bytes) -> str | None:
    try:
        return sha256(b"".join(digest_parts(content))).hexdigest()
    except UnusualError:
        return None


@settings(deadline=None, max_examples=80)
@given(data_sets(), st.data())
def test_the_walk_digests_as_pydicom_does(given_set: tuple[bytes, str], data: st.DataObject) -> None:
    content, syntax = bytearray(given_set[0]), given_set[1]
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=2)):
        content[place] = data.draw(st.integers(0, 255))
    whole = part10_preamble("1.2", "1.2.3", syntax, "") + content
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert _scanned_digest(whole) in (None, parsed_digest(whole))


@pytest.mark.parametrize(
    "dataset", [make_instance(), make_enhanced(), make_instance(transfer_syntax=ImplicitVRLittleEndian)]
)
def test_usual_files_are_walked(tmp_path: Path, dataset: FileDataset) -> None:
    content = write_instance(dataset, tmp_path / "one.dcm").read_bytes()
    assert _scanned_digest(content) == parsed_digest(content)


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_real_files_are_digested_as_by_pydicom() -> None:
    walked = 0
    for path in sorted((Path(os.environ["DICOMNODE_TEST_DATA"]) / "dicom_samples").rglob("*")):
        if path.is_file() and path.stat().st_size < 4_000_000:
            found = _scanned_digest(path.read_bytes())
            if found is not None:
                walked += 1
                assert found == parsed_digest(path.read_bytes()), path
    assert walked > 150
