"""The real files of many makers: every one is read, or refused with a sentence."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from pydicom import dcmread

from dicomnode.dicom.digest import content_digest
from dicomnode.dicom.header import read_header
from dicomnode.dicom.pixels import read_frames
from dicomnode.errors import InputError, NotDicomError, PixelError

pytestmark = [pytest.mark.data, pytest.mark.filterwarnings("ignore::UserWarning")]

# No integer pixels: a parametric map, which is a derived document and no image here.
FLOAT_PIXELS = "pydicom_data/parametric_map_float.dcm"
# Files without preamble, UIDs or sound encoding that identifies nothing: palettes, fragments, broken DICOMDIRs.
NO_INSTANCES = 27


def _samples() -> Path:
    return Path(os.environ["DICOMNODE_TEST_DATA"]) / "dicom_samples"


def _manifest() -> list[dict[str, str]]:
    with (_samples() / "manifest.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_pixels_are_read_wherever_they_are_readable() -> None:
    refused = {}
    for row in _manifest():
        if row["pixels"] == "none":
            continue
        try:
            frames = list(read_frames(dcmread(_samples() / row["path"], force=True)))
        except PixelError as error:
            refused[row["path"]] = str(error)
            continue
        assert {frame.values.shape[1:] for frame in frames} == {(int(row["rows"]), int(row["cols"]))}
    readable = {row["path"] for row in _manifest() if row["pixels"].startswith("ok")}
    assert set(refused) & readable == {FLOAT_PIXELS}
    endings = ("damaged", "syntax", "interpreted", "number", "image")
    assert all(message.endswith(endings) for message in refused.values())


def test_every_transfer_syntax_with_readable_pixels_is_covered() -> None:
    syntaxes = {row["transfer_syntax"] for row in _manifest() if row["pixels"].startswith("ok")}
    assert len(syntaxes) == 14


def test_twelve_bit_jpeg_equals_the_reference() -> None:
    (frame,) = read_frames(dcmread(_samples() / "pydicom" / "JPGExtended.dcm"))
    # Values of libjpeg, as pydicom's own tests hold them.
    assert (frame.values[0, 420, 140], frame.values[0, 230, 120]) == (244, 95)


def test_headers_are_read_or_refused() -> None:
    refused = 0
    for row in _manifest():
        try:
            header = read_header(_samples() / row["path"])
        except NotDicomError:
            refused += 1
            continue
        assert header.patient_id == row["patient"].strip()
        if row["transfer_syntax"]:
            assert header.transfer_syntax_uid == row["transfer_syntax"]
    assert refused == NO_INSTANCES


def test_names_are_decoded_as_pydicom_decodes_them() -> None:
    for path in sorted((_samples() / "pydicom_charset").glob("chr*.dcm")):
        try:
            header = read_header(path)
        except InputError:
            continue
        assert header.patient_name.rstrip("=") == str(dcmread(path).PatientName).rstrip("=")


def test_only_the_same_content_in_another_encoding_has_the_same_digest() -> None:
    files: dict[str, list[str]] = {}
    for row in _manifest():
        files.setdefault(content_digest(_samples() / row["path"]), []).append(row["path"])
    assert [paths for paths in files.values() if len(paths) > 1] == [
        ["pydicom/ExplVR_BigEndNoMeta.dcm", "pydicom/ExplVR_LitEndNoMeta.dcm"],
        ["pydicom/MR_small_bigendian.dcm", "pydicom/MR_small_implicit.dcm"],
        ["pydicom/liver_1frame.dcm", "pydicom/liver_expb_1frame.dcm"],
        ["pydicom/meta_missing_tsyntax.dcm", "pydicom/nested_priv_SQ.dcm"],
        ["pydicom_data/emri_small.dcm", "pydicom_data/emri_small_big_endian.dcm"],
    ]
