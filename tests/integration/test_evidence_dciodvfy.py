"""Every kind of document, before dicom3tools' dciodvfy, DCMTK's dsrdump and dcmpschk, and highdicom's reader."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage

from dicomnode.evidence import PreviousEvidence, build_evidence, check, to_bytes
from dicomnode.evidence.identity import role_of
from dicomnode.evidence.ladder import forms_of, substitute_kind
from dicomnode.evidence.substitutes import Original, build_substitute
from dicomnode.findings import Outcome, Result
from tests.evidence_cases import NODE, counted, documents, negative, positive, tiled, unanswered
from tests.exam_cases import FOR_PROCESSING, make_exam, screened
from tests.factories import ENHANCED_CT, SAGITTAL, make_enhanced, make_instance, make_series, write_instance
from tests.slides import make_cells, make_pictures, make_slide, make_slide_coordinates

pytestmark = [pytest.mark.dciodvfy, pytest.mark.dcmtk]

_DATA = Path(os.environ.get("DICOMNODE_TEST_DATA", "/nonexistent")) / "dicom_samples"

RESULTS: dict[Outcome, Callable[[Sequence[Path]], Result]] = {
    Outcome.FINDINGS: positive,
    Outcome.NO_FINDINGS: negative,
    Outcome.OUT_OF_SCOPE: lambda paths: unanswered(paths, Outcome.OUT_OF_SCOPE),
    Outcome.REFUSED: lambda paths: unanswered(paths, Outcome.REFUSED),
    Outcome.FAILED: lambda paths: unanswered(paths, Outcome.FAILED),
}


OPTIONAL = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "SliceThickness", "SeriesNumber", "InstanceNumber",
    "Manufacturer", "SpecificCharacterSet", "StudyDescription", "SeriesDescription",
)  # fmt: skip
_BARE: dict[str, None] = dict.fromkeys(OPTIONAL)
_HEAT_MAP = {"heat-map"}


def _series(modality: str) -> Callable[[Path], list[Path]]:
    return lambda folder: make_series(folder, 5, modality=modality)


def _single(modality: str) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        return [write_instance(make_instance(modality=modality, position=None, orientation=None), folder)]

    return make


SOURCES: dict[str, Callable[[Path], list[Path]]] = {
    "CT": _series("CT"),
    "MR": _series("MR"),
    "PT": _series("PT"),
    "sagittal MR": lambda folder: make_series(folder, 5, orientation=SAGITTAL, spacing=(0.9375, 0.9375, 3.3)),
    "bare MR": lambda folder: make_series(folder, 5, **dict.fromkeys(OPTIONAL)),
    "enhanced MR": lambda folder: [write_instance(make_enhanced(), folder)],
    "enhanced CT": lambda folder: [write_instance(make_enhanced(SOPClassUID=ENHANCED_CT, modality="CT"), folder)],
    **{modality: _single(modality) for modality in ("MG", "DX", "CR", "OT", "XC", "GM", "SM", "US")},
}


def judge(made: dict[str, Dataset], paths: Sequence[Path], folder: Path) -> None:
    """Fail unless every judge is content."""
    headers = [dcmread(path, stop_before_pixels=True) for path in paths]
    for role, dataset in made.items():
        file = folder / f"{role}.evidence"
        file.write_bytes(to_bytes(dataset))
        verdict = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False)
        errors = [line for line in (verdict.stdout + verdict.stderr).splitlines() if line.startswith("Error")]
        assert errors == [], f"{role}: {errors}"
        assert check(dcmread(file), headers, companions=list(made.values())) == ()
        if dataset.Modality == "SEG":
            hd.seg.segread(file)
        elif dataset.Modality == "PR":
            verdict = subprocess.run(["dcmpschk", file], capture_output=True, text=True, check=False)
            words = verdict.stdout + verdict.stderr
            # A name is Type 2, but this judge insists on one.
            assert "Test passed" in words or not dataset.PatientName, words
        elif dataset.Modality == "SR":
            dump = subprocess.run(["dsrdump", file], capture_output=True, text=True, check=False)
            assert dump.returncode == 0, dump.stderr
            assert "UNVERIFIED" in dump.stdout
            if dataset.SOPClassUID != BasicTextSRStorage:  # which this reader does not know
                hd.sr.srread(file)


@pytest.mark.parametrize("outcome", list(RESULTS))
@pytest.mark.parametrize("source", list(SOURCES))
def test_judges_accept_every_document(tmp_path: Path, source: str, outcome: Outcome) -> None:
    paths = SOURCES[source](tmp_path)
    judge(dict(documents(RESULTS[outcome](paths), paths)), paths, tmp_path)


MICROSCOPY: dict[str, tuple[Callable[[Path], list[Path]], Callable[[Sequence[Path]], Result], set[str]]] = {
    "whole slide": (lambda folder: [make_slide(folder)], tiled, _HEAT_MAP),
    "bare whole slide": (lambda folder: [make_slide(folder, **_BARE)], tiled, _HEAT_MAP),
    "pictures": (lambda folder: make_pictures(folder, 3, pixel_spacing=(0.004, 0.004)), tiled, _HEAT_MAP),
    "bare picture": (lambda folder: make_pictures(folder, **_BARE), tiled, _HEAT_MAP),
    "slide coordinates": (lambda folder: [make_slide_coordinates(folder)], tiled, _HEAT_MAP),
    "pictures of cells": (lambda folder: make_pictures(folder, 6), counted, set()),
    "photographs of cells": (lambda folder: [make_cells(folder)], counted, set()),
}


@pytest.mark.parametrize("source", list(MICROSCOPY))
def test_judges_accept_documents_on_microscopy(tmp_path: Path, source: str) -> None:
    make, result, besides = MICROSCOPY[source]
    paths = make(tmp_path)
    made = dict(documents(result(paths), paths))
    assert set(made) == {"answer", "text"} | besides
    judge(made, paths, tmp_path)


EXAMS: dict[str, dict[str, Any]] = {
    "exam": {},
    "exam for processing": {
        "SOPClassUID": FOR_PROCESSING,
        "PresentationIntentType": "FOR PROCESSING",
        "WindowCenter": None,
        "WindowWidth": None,
        "PresentationLUTShape": None,
    },
    "exam in black on white": {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    "exam with a frame of reference": {"FrameOfReferenceUID": "1.2.3", "PixelSpacing": [0.1, 0.1]},
    "bare exam": _BARE | {"PatientOrientation": None, "ImageLaterality": None},
    "radiographs": {"modality": "DX", "BodyPartExamined": "HAND"},
    "plates": {"modality": "CR", "BodyPartExamined": "CHEST", "ImageLaterality": None},
}


@pytest.mark.parametrize("source", list(EXAMS))
def test_judges_accept_documents_on_projections(tmp_path: Path, source: str) -> None:
    paths = make_exam(tmp_path, **EXAMS[source])
    made = dict(documents(screened(paths), paths))
    assert set(made) == {
        *("answer", "text", "attention", "presentation"),
        *(f"heat-map{part}" for part in ("", "-2", "-3", "-4")),
        *(f"{role}{part}" for role in ("lesions", "segmentation", "picture") for part in ("", "-3")),
    }
    judge(made, paths, tmp_path)


def test_judges_accept_reports_that_lesions_are_gone(tmp_path: Path) -> None:
    paths = make_exam(tmp_path)
    result = screened(paths)
    before = {
        one.kind: PreviousEvidence(one.sop_instance_uid, str(one.dataset.SOPClassUID), one.instance_number)
        for one in build_evidence(result, paths, {}, NODE)
    }
    newer = replace(result, input_digest="f" * 64, findings=result.findings[1:])
    made = {one.kind: one.dataset for one in build_evidence(newer, paths, before, NODE)}
    original = Original(dcmread(BytesIO(to_bytes(made["lesions"]))), result.model.name, "lesions")
    for form in forms_of("lesions"):
        made[substitute_kind("lesions", form)] = build_substitute(original, form, {})
    judge(made, paths, tmp_path)


@pytest.mark.data
@pytest.mark.parametrize("name", ["sm_image", "sm_image_grayscale", "sm_image_jpegls"])
def test_judges_accept_heat_maps_on_real_slides(tmp_path: Path, name: str) -> None:
    paths = [_DATA / "highdicom" / f"{name}.dcm"]
    made = dict(documents(tiled(paths), paths))
    assert set(made) == {"answer", "text", "heat-map"}
    judge(made, paths, tmp_path)


@pytest.mark.data
@pytest.mark.parametrize("outcome", [Outcome.FINDINGS, Outcome.NO_FINDINGS, Outcome.REFUSED])
@pytest.mark.parametrize("name", ["ct_chest_Lung_Dx-A0002_B40f", "mr_head_t1w_every32nd"])
def test_judges_accept_documents_on_real_series(tmp_path: Path, name: str, outcome: Outcome) -> None:
    paths = sorted(path for path in (_DATA / "series" / name).rglob("*") if _is_dicom(path))
    assert len(paths) >= 12
    judge(dict(documents(RESULTS[outcome](paths), paths)), paths, tmp_path)


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name",
    [
        "chrArab", "chrFren", "chrFrenMulti", "chrGerm", "chrGreek", "chrH31", "chrH32", "chrHbrw", "chrI2",
        "chrJapMulti", "chrKoreanMulti", "chrRuss", "chrX1", "chrX2",
    ],
)  # fmt: skip
def test_real_names_stay_intact(tmp_path: Path, name: str) -> None:
    source = dcmread(_DATA / "pydicom_charset" / f"{name}.dcm")
    expected = str(source.PatientName)
    path = tmp_path / f"{name}.dcm"
    source.SOPClassUID = source.get("SOPClassUID") or "1.2.840.10008.5.1.4.1.1.7"
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(source, keyword, source.get(keyword) or "1.2.3")
    source.save_as(path, enforce_file_format=True)
    for dataset in documents(unanswered([path], Outcome.REFUSED), [path]).values():
        assert str(dcmread(BytesIO(to_bytes(dataset))).PatientName) == expected


def _is_dicom(path: Path) -> bool:
    return path.is_file() and path.read_bytes()[128:132] == b"DICM"


DRAWN = ("CT", "PT", "bare MR", "enhanced MR", "exam")


@pytest.mark.parametrize("source", DRAWN)
def test_judges_accept_every_substitute(tmp_path: Path, source: str) -> None:
    paths = make_exam(tmp_path) if source == "exam" else SOURCES[source](tmp_path)
    result = screened(paths) if source == "exam" else positive(paths)
    uids = {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in paths}
    made = {}
    for kind, dataset in documents(result, paths).items():
        original = Original(dcmread(BytesIO(to_bytes(dataset))), result.model.name, kind)
        for form in forms_of(role_of(kind) or "picture"):
            if not (form == "presentation" and source == "enhanced MR"):
                made[substitute_kind(kind, form)] = build_substitute(original, form, uids)
    assert {"answer-as-comprehensive", "text-as-basic-text", "segmentation-as-picture"} <= set(made)
    judge(made, paths, tmp_path)
