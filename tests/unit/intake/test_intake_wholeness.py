"""Truncated files are told from whole ones in every encoding."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from dicomnode.errors import NotDicomError
from dicomnode.intake.wholeness import require_whole


def encoded(syntax: str, undefined: bool) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "1.2.3"
    item, inner = Dataset(), Dataset()
    inner.CodeValue = "111"
    item.PurposeOfReferenceCodeSequence = [inner]
    item.ReferencedSOPInstanceUID = "1.2.4"
    dataset.SourceImageSequence = [item, item]
    if undefined:
        dataset["SourceImageSequence"].is_undefined_length = True
        for each in (item, inner):
            each.is_undefined_length_sequence_item = True
    if syntax == JPEGBaseline8Bit:
        dataset.PixelData = encapsulate([b"abcd", b"efghij"])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    else:
        dataset.PixelData = b"\1\2" * 40
        dataset["PixelData"].VR = "OW"
    dataset.file_meta = Dataset()  # type: ignore[assignment]
    dataset.ensure_file_meta()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        JPEGBaseline8Bit,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_every_cut_inside_the_pixels_is_found(tmp_path: Path, syntax: str, undefined: bool) -> None:
    whole = encoded(syntax, undefined)
    path = tmp_path / "file"
    path.write_bytes(whole)
    require_whole(path, syntax)
    padding = syntax == DeflatedExplicitVRLittleEndian  # the last byte may be one, PS3.5 A.5
    for missing in range(1 + padding, 18):
        path.write_bytes(whole[:-missing])
        with pytest.raises(NotDicomError, match="truncated"):
            require_whole(path, syntax)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_cut_inside_a_sequence_of_undefined_length_is_found(tmp_path: Path, syntax: str) -> None:
    whole = encoded(syntax, True)
    end_of_sequence = whole.rindex(b"\xfe\xff\xdd\xe0")
    path = tmp_path / "file"
    for missing in range(1, 60):
        path.write_bytes(whole[: end_of_sequence + 8 - missing])
        with pytest.raises(NotDicomError, match="truncated"):
            require_whole(path, syntax)


@pytest.mark.parametrize("zeros", [1, 7, 8, 300])
def test_zeros_at_the_end_are_padding(tmp_path: Path, zeros: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(encoded(ExplicitVRLittleEndian, False) + b"\0" * zeros)
    require_whole(path, ExplicitVRLittleEndian)


def test_what_cannot_be_followed_counts_as_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (b"", b"x" * 200, encoded(ExplicitVRLittleEndian, False)[:300] + b"\0" * 50):
        path.write_bytes(data)
        require_whole(path, ExplicitVRLittleEndian)
