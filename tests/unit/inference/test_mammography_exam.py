"""Exams from series: which images are taken, which are refused, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicomnode.dicom.mammography import STANDARD_VIEWS
from dicomnode.dicom.turn import Turn
from dicomnode.errors import IdentityError, ImageError, ScopeError
from dicomnode.inference.mammography.exam import read_exam
from tests.mammograms import DrawnExam, Mammogram, make_exam, make_mammogram, write_exam

SIZE = (256, 208)


def _write(folder: Path, *mammograms: Mammogram) -> DrawnExam:
    return write_exam(folder, mammograms)


def _make(side: str, position: str, **options: Any) -> Mammogram:
    return make_mammogram(side, position, size=SIZE, **options)


@pytest.mark.parametrize("one_series", [True, False])
def test_four_views(tmp_path: Path, one_series: bool) -> None:
    drawn = make_exam(tmp_path, size=SIZE, one_series=one_series)
    exam = read_exam(drawn.series)
    assert tuple(exam.views) == STANDARD_VIEWS
    assert (exam.notes, exam.left_out, exam.missing) == ((), (), ())
    for name, (mammogram,) in exam.views.items():
        planted = drawn.views[name]
        assert mammogram.view.name == name
        assert mammogram.acquired == "20260102101500"
        assert mammogram.image.slices[0].sop_instance_uid == planted.dataset.SOPInstanceUID
        pixels = mammogram.image.slice_array(0)[0]
        assert np.array_equal(pixels, planted.dataset.pixel_array.astype(np.float32))


@pytest.mark.parametrize(
    "options",
    [
        {"monochrome1": True},
        {"for_processing": True},
        {"turn": Turn(columns_reversed=True)},
        {"turn": Turn(rows_reversed=True)},
        {"turn": Turn(transposed=True, columns_reversed=True)},
        {"orientation": None},
        {"bits_stored": 16},
        {"lesions": ()},
    ],
)
@pytest.mark.parametrize("view", ["L-CC", "R-MLO"])
def test_as_modalities_send_them(tmp_path: Path, view: str, options: dict[str, Any]) -> None:
    drawn = _write(tmp_path, _make(*view.split("-"), **options))
    (mammogram,) = read_exam(drawn.series).views[view]
    mask = drawn.views[view].lesions[0].mask if drawn.views[view].lesions else None
    pixels = mammogram.image.slice_array(0)[0]
    assert np.median(pixels) < pixels.mean() < pixels.max()
    if mask is not None:
        assert pixels[mask].mean() > pixels[~mask].mean() + 500


def test_missing_view(tmp_path: Path) -> None:
    exam = read_exam(make_exam(tmp_path, size=SIZE, views=("L-CC", "R-CC", "L-MLO")).series)
    assert exam.missing == ("R-MLO",)
    assert exam.notes == ("R-MLO is missing",)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"inverted": True}, "the background is bright"),
        ({"tagged_side": "R"}, r"Patient Orientation A\\R is that of a left breast"),
        ({"tagged_side": "R", "orientation": "tagged"}, "R-CC with the chest wall at the right edge"),
        ({"tagged_side": "R", "orientation": None}, "the breast comes from the opposite edge"),
        ({"over_range": True}, "1 pixel value does not fit the 12 bits stored"),
        ({"over_range": True, "monochrome1": True}, "1 pixel value does not fit the 12 bits stored"),
        ({"Laterality": "R"}, "Image Laterality says left, Laterality says right"),
        ({"PhotometricInterpretation": "RGB"}, "contradicts itself"),
        ({"WindowCenter": None, "Rows": 4000}, "cannot be decoded"),
    ],
)
def test_refused(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    good, bad = _make("L", "MLO"), _make("L", "CC", **options)
    exam = read_exam(_write(tmp_path, good, bad).series)
    assert set(exam.views) == {"L-MLO"}
    (left_out,) = exam.left_out
    assert left_out.refused
    assert left_out.image.sop_instance_uid == bad.dataset.SOPInstanceUID
    assert bad.dataset.SOPInstanceUID in left_out.reason
    assert left_out.reason.count("instance ") == 1
    assert left_out.reason in exam.notes
    assert reason.replace("\\\\", "\\") in left_out.reason


def test_nothing_to_see(tmp_path: Path) -> None:
    blank = _make("L", "CC", lesions=(), PixelData=bytes(2 * SIZE[0] * SIZE[1]))
    with pytest.raises(ImageError, match="all pixels are alike"):
        read_exam(_write(tmp_path, blank).series)
    with pytest.raises(ScopeError, match="L-CC is missing"):
        read_exam(())


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({}, {"for_processing": True}, "For Presentation is preferred to For Processing"),
        ({}, {"SeriesDescription": "C-View"}, "a full-field image is there"),
        ({"SeriesDescription": "C-View"}, {"ImageType": ["DERIVED", "SECONDARY"]}, "a synthesized image is there"),
        ({}, {"modifier": "implant displaced"}, "an image without displaced implant is there"),
        ({}, {"modifier": "spot compression"}, "it shows a part of the breast only (spot compression)"),
        ({}, {"modifier": "magnification"}, "it shows a part of the breast only (magnification)"),
        ({}, {"PartialView": "YES"}, "an image of the whole breast is there"),
        ({"AcquisitionTime": "101600"}, {}, "a later image is there"),
        ({"AcquisitionTime": None, "ContentDate": "20260102", "ContentTime": "101600"}, {}, "a later image is there"),
        ({}, {"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"]}, "it is a contrast image"),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_repeated(tmp_path: Path, first: dict[str, Any], second: dict[str, Any], reason: str, reverse: bool) -> None:
    one, other = _make("L", "CC", seed=1, **first), _make("L", "CC", seed=2, **second)
    exam = read_exam(_write(tmp_path, *((other, one) if reverse else (one, other))).series)
    assert [item.image.slices[0].sop_instance_uid for item in exam.views["L-CC"]] == [one.dataset.SOPInstanceUID]
    (left_out,) = exam.left_out
    assert (left_out.image.sop_instance_uid, left_out.refused) == (other.dataset.SOPInstanceUID, False)
    assert left_out.reason == f"instance {other.dataset.SOPInstanceUID} (L-CC) left out: {reason}"


def test_raw_pixels_on_request(tmp_path: Path) -> None:
    shown, raw = _make("L", "CC"), _make("L", "CC", for_processing=True)
    exam = read_exam(_write(tmp_path, shown, raw).series, raw=True)
    assert exam.views["L-CC"][0].image.slices[0].sop_instance_uid == raw.dataset.SOPInstanceUID
    assert "For Processing is preferred to For Presentation" in exam.left_out[0].reason


def test_the_next_best_stands_in_for_a_refused_image(tmp_path: Path) -> None:
    earlier, later = _make("L", "CC", seed=1), _make("L", "CC", seed=2, AcquisitionTime="111111", inverted=True)
    exam = read_exam(_write(tmp_path, earlier, later).series)
    assert exam.views["L-CC"][0].image.slices[0].sop_instance_uid == earlier.dataset.SOPInstanceUID
    assert exam.left_out[0].refused


def test_partial_views_are_kept_together(tmp_path: Path) -> None:
    parts = [_make("L", "CC", seed=seed, PartialView="YES") for seed in (1, 2)]
    exam = read_exam(_write(tmp_path, *parts).series)
    assert len(exam.views["L-CC"]) == 2
    assert "L-CC is 2 partial views" in exam.notes


def test_what_is_not_as_usual_is_noted(tmp_path: Path) -> None:
    drawn = _write(tmp_path, _make("L", "CC", for_processing=True), _make("R", "CC", modifier="implant displaced"))
    notes = read_exam(drawn.series).notes
    assert "L-CC is there For Processing only" in notes
    assert "R-CC is modified: implant displaced" in notes


def test_two_patients(tmp_path: Path) -> None:
    drawn = _write(tmp_path, _make("L", "CC"), _make("R", "CC", PatientID="another"))
    with pytest.raises(IdentityError, match="2 Patient IDs"):
        read_exam(drawn.series)
