"""Results and sources that the evidence tests are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import EvidenceObject, NodeIdentity, build_evidence, to_bytes
from dicomnode.evidence.gate.subject import concept, descendants
from dicomnode.findings import (
    ClassScore,
    Code,
    Finding,
    HeatMap,
    Mask,
    Measurement,
    ModelIdentity,
    Outcome,
    Polygon,
    Presence,
    Result,
    StudyAnswer,
    Tally,
)
from dicomnode.study import SourceReference

NODE = NodeIdentity("DICOMNODE", "0.1.0")
MODEL = ModelIdentity(
    "brain_mri_lesion_detector",
    "0.1.0",
    "dicomnode",
    "0123456789abcdef" * 4,
    "threshold 0.5 on the box score, chosen on validation",
    "diagnosis of children",
)
NEOPLASM = Code("126952004", "SCT", "Neoplasm of brain")
GLIOMA = Code("393564001", "SCT", "Glioma")
NORMAL = Code("17621005", "SCT", "Normal")
MASS = Code("4147007", "SCT", "Mass")
BRAIN = Code("12738006", "SCT", "Brain")
LONG_AXIS = Code("103339001", "SCT", "Long axis")
MILLIMETER = Code("mm", "UCUM", "mm")
CREATED = datetime(2026, 1, 2, 11, 12, 13, tzinfo=UTC)
SQUARE = np.array([[4.0, 5.0], [9.0, 5.0], [9.0, 11.0], [4.0, 11.0]])


def references(paths: Sequence[Path]) -> tuple[SourceReference, ...]:
    """Every image of the files; every frame of a multi-frame image."""
    found: list[SourceReference] = []
    for path in paths:
        header = dcmread(path, stop_before_pixels=True)
        frames = range(1, int(header.NumberOfFrames) + 1) if "NumberOfFrames" in header else [None]
        uids = (str(header.SOPClassUID), str(header.SOPInstanceUID), str(header.SeriesInstanceUID))
        found += [SourceReference(*uids, frame) for frame in frames]
    return tuple(found)


def square(images: Sequence[SourceReference], shape: tuple[int, int] = (16, 16)) -> Mask:
    """The area of ``SQUARE`` on each image."""
    pixels = np.zeros((len(images), *shape), bool)
    pixels[:, 5:11, 4:9] = True
    return Mask(tuple(images), pixels)


def finding(label: str, images: Sequence[SourceReference], **changes: Any) -> Finding:
    """A lesion outlined on the images, with a mask and a size."""
    made = Finding(
        concept=MASS,
        label=label,
        tracking_uid=derive_uid(label, images[0].sop_instance_uid),
        score=0.87,
        contours=tuple(Polygon(image, SQUARE) for image in images),
        site=BRAIN,
        mask=square(images),
        measurements=(Measurement(LONG_AXIS, 24.0, MILLIMETER),),
    )
    return replace(made, **changes)


def answer(carried_by: Sequence[SourceReference], **changes: Any) -> StudyAnswer:
    """A positive answer."""
    made = StudyAnswer(
        concept=NEOPLASM,
        presence=Presence.PRESENT,
        score=0.93,
        calibrated=False,
        threshold=0.5,
        classes=(ClassScore(GLIOMA, 0.9), ClassScore(NORMAL, 0.07)),
        carried_by=tuple(carried_by),
        method="Each slice is scored alone; the study's score is the mean of its 3 highest",
        site=BRAIN,
    )
    return replace(made, **changes)


def positive(paths: Sequence[Path], **changes: Any) -> Result:
    """A result with two lesions: one on one image, one on two where there are two."""
    images = references(paths)
    header = dcmread(paths[0], stop_before_pixels=True)
    shape = (int(header.get("Rows", 16)), int(header.get("Columns", 16)))
    made = Result(
        study_instance_uid=str(header.StudyInstanceUID),
        model=MODEL,
        outcome=Outcome.FINDINGS,
        reason="score 0.93 reached the threshold 0.5",
        answer=answer(images[:1]),
        findings=(
            finding("Lesion 1", images[:1], mask=square(images[:1], shape)),
            finding("Lesion 2", images[-2:], mask=square(images[-2:], shape)),
        ),
        images=images,
        input_digest="ab" * 32,
        created=CREATED,
    )
    return replace(made, **changes)


def negative(paths: Sequence[Path]) -> Result:
    """A result without findings."""
    images = references(paths)
    return positive(
        paths,
        outcome=Outcome.NO_FINDINGS,
        reason="score 0.02 is below the threshold 0.5",
        answer=answer(images[:2], presence=Presence.ABSENT, score=0.02),
        findings=(),
    )


def unanswered(paths: Sequence[Path], outcome: Outcome) -> Result:
    """A result of a run that came to no answer, and read no image."""
    return positive(
        paths, outcome=outcome, reason="localizer and slices do not fit", answer=None, findings=(), images=()
    )


def documents(result: Result, paths: Sequence[Path], **changes: Any) -> Mapping[str, Dataset]:
    """The datasets of a result by role."""
    return {made.kind: made.dataset for made in built(result, paths, **changes)}


def built(result: Result, paths: Sequence[Path], **changes: Any) -> tuple[EvidenceObject, ...]:
    """The evidence objects of a result."""
    return build_evidence(result, paths, changes.get("previous", {}), changes.get("node", NODE))


def read_back(dataset: Dataset) -> Dataset:
    """The document as a reader of its file has it."""
    return dcmread(BytesIO(to_bytes(dataset)))


def headers(paths: list[Path]) -> list[Dataset]:
    """The headers of the files."""
    return [dcmread(path, stop_before_pixels=True) for path in paths]


def sentences(dataset: Dataset) -> str:
    """Every TEXT of a document, line by line."""
    return "\n".join(str(item.TextValue) for _, _, item in descendants(dataset) if item.ValueType == "TEXT")


def numbers(dataset: Dataset) -> list[tuple[str, float]]:
    """Name and value of every NUM of the measurement groups."""
    return [
        (concept(item)[2], float(item.MeasuredValueSequence[0].NumericValue))
        for _, _, item in descendants(dataset)
        if item.ValueType == "NUM" and item.RelationshipType == "CONTAINS"
    ]


def codes(dataset: Dataset, name: str) -> list[str]:
    """Values of the CODE items of this name."""
    return [
        concept(item, "ConceptCodeSequence")[0]
        for _, _, item in descendants(dataset)
        if item.ValueType == "CODE" and concept(item)[2] == name
    ]


CARCINOMA = Code("408643008", "SCT", "Infiltrating duct carcinoma of breast")
BREAST = Code("76752008", "SCT", "Breast")
IMMATURE = Code("immature_cell", "99DICOMNODE", "Immature blood cell")
BLOOD = Code("87612001", "SCT", "Blood")
SCORES = np.array([[0.0, 0.25, np.nan], [0.9, 1.0, 0.123]], np.float32)


def tiled(paths: Sequence[Path], heat_maps: tuple[HeatMap, ...] | None = None, **changes: Any) -> Result:
    """A result of a model that scores tiles, with a map of 2 x 3 tiles of 12 x 8 pixels on each image."""
    images = tuple(replace(image, frame_number=None) for image in references(paths))
    whole = tuple(dict.fromkeys(images))
    drawn = tuple(HeatMap(image, SCORES, (0.0, 0.0), (12.0, 8.0)) for image in whole)
    said = answer(
        references(paths)[:2],
        concept=CARCINOMA,
        calibrated=True,
        classes=(),
        site=BREAST,
        tally=Tally("tile", 412, 37),
        method="Each tissue tile is scored alone; the slide's score is the mean of its 3 highest",
    )
    return positive(
        paths, **({"answer": said, "findings": (), "images": whole, "heat_maps": heat_maps or drawn} | changes)
    )


def counted(paths: Sequence[Path], examined: int = 200, reached: int = 14, **changes: Any) -> Result:
    """A result of a model that scores cells, one a frame or image."""
    said = answer(
        references(paths)[:3],
        concept=IMMATURE,
        classes=(),
        site=BLOOD,
        tally=Tally("cell", examined, reached),
        method="Each cell is scored alone; the answer is the share of cells at the operating point",
    )
    return positive(paths, **({"answer": said, "findings": ()} | changes))
