"""Small mammography exams and what a model says of them, for the evidence tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dicomnode.dicom.codes import BREAST, LEFT, RIGHT
from dicomnode.findings import (
    Attention,
    ClassScore,
    Code,
    Finding,
    HeatMap,
    Polygon,
    Presence,
    Result,
    SideAnswer,
)
from dicomnode.study import SourceReference
from tests.evidence_cases import answer, finding, positive, references, square
from tests.factories import make_instance, ramp, write_instance

MALIGNANT = Code("86049000", "SCT", "Malignant neoplasm, primary")
BENIGN = Code("3898006", "SCT", "Neoplasm, benign")
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
VIEWS = ("L-CC", "R-CC", "L-MLO", "R-MLO")
_ORIENTATION = {"L-CC": ["A", "R"], "R-CC": ["P", "L"], "L-MLO": ["A", "FR"], "R-MLO": ["P", "FL"]}
_MLO = (24, 20)
_CC = (20, 16)


def make_exam(folder: Path, views: Sequence[str] = VIEWS, **attributes: Any) -> list[Path]:
    """Write one small mammogram for each view: 20 x 16 pixels of CC views, 24 x 20 of MLO."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder, view, number, attributes) for number, view in enumerate(views, 1)]


def _write(folder: Path, view: str, number: int, attributes: dict[str, Any]) -> Path:
    side, _, position = view.partition("-")
    stated = {
        "modality": "MG",
        "InstanceNumber": number,
        "ImageType": ["DERIVED", "PRIMARY"],
        "ImageLaterality": side,
        "ViewPosition": position,
        "PatientOrientation": _ORIENTATION[view],
        "PresentationIntentType": "FOR PRESENTATION",
        "PresentationLUTShape": "IDENTITY",
        "ImagerPixelSpacing": [0.1, 0.1],
        "BurnedInAnnotation": "NO",
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
        "RescaleType": "US",
        "WindowCenter": 100,
        "WindowWidth": 200,
        "BodyPartExamined": "BREAST",
        "pixels": ramp(*(_MLO if position == "MLO" else _CC)),
    }
    made = make_instance(
        name=view,
        position=None,
        orientation=None,
        pixel_spacing=None,
        **stated | attributes,
    )
    return write_instance(made, folder)


def side(references: Sequence[SourceReference], laterality: Code, score: float) -> SideAnswer:
    """What a model says of one breast, by the images of it."""
    presence = Presence.PRESENT if score >= 0.5 else Presence.ABSENT
    classes = (ClassScore(MALIGNANT, score), ClassScore(BENIGN, 0.3))
    return SideAnswer(laterality, presence, score, classes, tuple(references))


def screened(paths: Sequence[Path], **changes: Any) -> Result:
    """A result on an exam of four views: one mass in the left breast, seen on both views, and where it looked."""
    images = dict(zip(VIEWS, references(paths), strict=False))
    left = [image for view, image in images.items() if view.startswith("L")]
    right = [image for view, image in images.items() if view.startswith("R")]
    said = answer(
        left[:1],
        concept=MALIGNANT,
        classes=(ClassScore(MALIGNANT, 0.87), ClassScore(BENIGN, 0.3)),
        site=BREAST,
        sides=(side(left, LEFT, 0.87), side(right, RIGHT, 0.04)),
        method="Each breast is scored from its views; the study's score is the higher one",
    )
    made = {
        "answer": said,
        "findings": tuple(_mass(number, image) for number, image in enumerate(left, 1)),
        "heat_maps": tuple(_map(image) for image in images.values()),
        "attention": tuple(_attention(image, 0.25) for image in images.values()),
    }
    return positive(paths, **(made | changes))


def _mass(number: int, image: SourceReference) -> Finding:
    mask = square([image], _CC if number == 1 else _MLO)
    return finding(f"Lesion {number}", [image], site=BREAST, laterality=LEFT, mask=mask, measurements=())


def _map(image: SourceReference) -> HeatMap:
    scores = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
    return HeatMap(replace(image, frame_number=None), scores, (2.0, 1.0), (4.0, 4.5))


def _attention(image: SourceReference, weight: float) -> Attention:
    corners = np.array([[2.0, 3.0], [10.0, 3.0], [10.0, 12.0], [2.0, 12.0]])
    return Attention(Polygon(image, corners, is_box=True), weight)
