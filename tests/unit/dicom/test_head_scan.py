from __future__ import annotations

import csv
import os
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.head_scan import UnusualError, scan_head
from dicomnode.dicom.raw_head import raw_value
from tests.factories import make_instance

WANTED = (0x00080018, 0x0020000D, 0x00100010, 0x00280010, 0x00280011)


def _nested(undefined: bool) -> list[Dataset]:
    inner, outer = Dataset(), Dataset()
    inner.SOPInstanceUID = "1.2.3.1"
    outer.SOPInstanceUID, outer.ReferencedSeriesSequence = "1.2.3.2", [inner]
    for item in (inner, outer):
        item.is_undefined_length_sequence_item = undefined
    outer["ReferencedSeriesSequence"].is_undefined_length = undefined
    return [outer, Dataset()]


def _content(dataset: FileDataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [False, True])
def test_values_before_and_behind_sequences(syntax: str, undefined: bool) -> None:
    dataset = make_instance(transfer_syntax=syntax, ReferencedStudySequence=_nested(undefined))
    dataset["ReferencedStudySequence"].is_undefined_length = undefined
    named, values = scan_head(_content(dataset), WANTED)
    assert named == syntax
    assert values[0x00080018].rstrip(b"\0").decode() == dataset.SOPInstanceUID
    assert values[0x00280011] == b"\x10\0"
    assert set(values) == set(WANTED)


def test_a_sequence_that_is_wanted_is_told() -> None:
    dataset = make_instance(ReferencedStudySequence=_nested(True))
    dataset["ReferencedStudySequence"].is_undefined_length = True
    assert 0x00081110 in scan_head(_content(dataset), (0x00081110, 0x00280011))[1]


def test_unknown_sequences_are_implicit_inside() -> None:
    content = _content(make_instance())
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + b"\x09\x00\x02\x10\x04\x00\x00\x00ABCD" + b"\xfe\xff\x0d\xe0\0\0\0\0"
    unknown = b"\x09\x00\x01\x10UN\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    behind = content.index(b"\x10\x00\x10\x00PN")
    _, values = scan_head(content[:behind] + unknown + content[behind:], WANTED)
    assert values[0x00100010].startswith(b"Generated^Test")


@pytest.mark.parametrize("length", [0, 100, 140, 200, 400, 600])
def test_bytes_that_end_too_early_are_left_to_others(length: int) -> None:
    with pytest.raises(UnusualError):
        scan_head(_content(make_instance())[:length], WANTED)


def test_what_is_unusual_is_left_to_others() -> None:
    content = _content(make_instance())
    for changed in (
        content.replace(b"DICM", b"NONE"),
        content.replace(ExplicitVRLittleEndian.encode(), ExplicitVRBigEndian.encode()),
        content.replace(b"\x08\x00\x60\x00CS", b"\x08\x00\x60\x00??"),
        content.replace(b"\x08\x00\x60\x00CS\x02\x00", b"\x08\x00\x60\x00CS\xff\xff"),
        content.replace(b"\x10\x00\x20\x00LO", b"\x08\x00\x05\x00LO"),
    ):
        assert changed != content
        with pytest.raises(UnusualError):
            scan_head(changed, WANTED)


def test_a_whole_file_may_end_before_the_last_tag() -> None:
    content = _content(make_instance())
    content = content[: content.index(b"\x28\x00\x02\x00US")]
    assert 0x0020000D in scan_head(content, WANTED, whole=True)[1]
    with pytest.raises(UnusualError):
        scan_head(content, WANTED)
    with pytest.raises(UnusualError):
        scan_head(content[:-1], WANTED, whole=True)


def test_deep_nesting_is_left_to_others() -> None:
    content = _content(make_instance())
    opening = b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    behind = content.index(b"\x10\x00\x10\x00PN")
    with pytest.raises(UnusualError):
        scan_head(content[:behind] + opening * 5000, WANTED)


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_real_files_give_what_pydicom_gives() -> None:
    samples = Path(os.environ["DICOMNODE_TEST_DATA"]) / "dicom_samples"
    with (samples / "manifest.csv").open(encoding="utf-8") as file:
        paths = [samples / row["path"] for row in csv.DictReader(file)]
    scanned = 0
    for path in paths:
        try:
            syntax, values = scan_head(path.read_bytes(), WANTED, whole=True)
        except UnusualError:
            continue
        scanned += 1
        dataset = dcmread(path, stop_before_pixels=True)
        assert dataset.file_meta.TransferSyntaxUID == syntax
        expected = {tag: raw_value(dataset, tag) for tag in WANTED if tag in dataset}
        assert values == expected
    assert scanned > 0.8 * len(paths)
