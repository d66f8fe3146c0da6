"""Studies with our documents about them, and documents that are wrong on purpose. No patient ever was in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomnode.demo.phantom import draw_phantom
from dicomnode.demo.study import make_study, write_study
from dicomnode.dicom.codes import BREAST, LEFT, RIGHT
from dicomnode.dicom.outline import axes, outline
from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import PreviousEvidence, build_evidence, to_bytes
from dicomnode.findings import Finding, Mask, Measurement, Polygon, Result
from tests import mammograms
from tests.evidence_cases import LONG_AXIS, MILLIMETER, MODEL, NODE, answer, finding, negative, positive, references
from tests.exam_cases import MALIGNANT, side

MADE = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BREAST_MODEL = replace(MODEL, name="mammography_lesion_detector", not_for="")


@dataclass(frozen=True, slots=True)
class Case:
    """A study and what was said of it.

    Attributes:
        files: Images and documents.
        documents: The documents by kind.
        masks: What was outlined, by label: (Slices, Rows, Columns) bool of a volume, (Rows, Columns) of a projection.
        voxel_mm3: Volume of an element of a mask; 0 for projections.
    """

    study_uid: str
    files: tuple[Path, ...]
    documents: Mapping[str, Dataset]
    masks: Mapping[str, npt.NDArray[np.bool_]]
    voxel_mm3: float = 0.0

    @property
    def images(self) -> list[str]:
        """SOP Instance UIDs of the source images, in the order of the masks."""
        paths = self.files[: -len(self.documents)]
        return [str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths]

    def file(self, kind: str) -> Path:
        """The file of a document."""
        return self.files[len(self.files) - len(self.documents) + list(self.documents).index(kind)]

    def name(self, kind: str) -> str:
        """The series description of a document, as a viewer lists it."""
        return str(self.documents[kind].SeriesDescription)


def brain(folder: Path, made: datetime = MADE) -> Case:
    """A head with the phantom's mass through several slices, and a small lesion on one slice."""
    phantom = draw_phantom()
    paths = write_study(make_study(phantom, made), folder)
    images = references(paths)
    small = np.zeros_like(phantom.lesion)
    rows, columns = np.mgrid[:256, :256]
    small[12] = (rows - 110) ** 2 + (columns - 90) ** 2 < 8**2
    masks = {"Lesion 1": phantom.lesion, "Lesion 2": small}
    findings = tuple(
        _outlined(label, images, mask, score) for (label, mask), score in zip(masks.items(), (0.87, 0.64), strict=True)
    )
    result = positive(paths, answer=answer(images[9:12]), findings=findings)
    step, row_spacing, column_spacing = phantom.lattice.spacing
    return _case(folder, paths, result, masks, step * row_spacing * column_spacing)


def _outlined(label: str, images: Any, mask: npt.NDArray[np.bool_], score: float) -> Finding:
    shown = [number for number in range(len(images)) if mask[number].any()]
    shown.sort(key=lambda number: -int(mask[number].sum()))
    contours = tuple(Polygon(images[number], _points(mask[number])) for number in shown)
    long_axis, _ = axes(contours[0].points, (0.9, 0.9))
    return finding(
        label,
        [images[number] for number in shown],
        score=score,
        contours=contours,
        mask=Mask(tuple(images[number] for number in shown), mask[shown]),
        measurements=(Measurement(LONG_AXIS, round(long_axis, 1), MILLIMETER),),
    )


def _points(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    points = outline(mask.astype(np.float64))
    assert points is not None
    return points


def exam(folder: Path) -> Case:
    """An exam of four mammograms with a lesion in each, in both breasts."""
    drawn = mammograms.make_exam(folder)
    images = dict(zip(drawn.views, references(drawn.paths), strict=True))
    findings, masks = [], {}
    for number, (view, mammogram) in enumerate(drawn.views.items(), 1):
        (lesion,) = mammogram.lesions
        label = f"Lesion {number}"
        masks[label] = lesion.mask
        laterality = LEFT if view.startswith("L") else RIGHT
        shown = (Polygon(images[view], _points(lesion.mask)),)
        mask = Mask((images[view],), lesion.mask[None])
        changes = {"contours": shown, "mask": mask, "site": BREAST, "laterality": laterality, "measurements": ()}
        findings.append(finding(label, [images[view]], concept=MALIGNANT, score=0.9 - number / 20, **changes))
    sides = tuple(
        side([images[view] for view in images if view.startswith(letter)], laterality, 0.9)
        for letter, laterality in (("L", LEFT), ("R", RIGHT))
    )
    said = answer([images["L-CC"]], concept=MALIGNANT, classes=(), site=BREAST, sides=sides)
    result = positive(drawn.paths, answer=said, findings=tuple(findings), model=BREAST_MODEL)
    return _case(folder, drawn.paths, result, masks)


def superseded(folder: Path) -> Case:
    """A mammogram with a lesion by a first result, of which a second one says nothing."""
    drawn = mammograms.make_exam(folder, views=("L-CC",), study="superseded")
    (image,), (mammogram,) = references(drawn.paths), drawn.views.values()
    shown = Polygon(image, _points(mammogram.lesions[0].mask))
    lesion = finding("Lesion 1", [image], concept=MALIGNANT, mask=None, contours=(shown,), site=BREAST)
    first = positive(drawn.paths, findings=(lesion,), model=BREAST_MODEL)
    before = build_evidence(first, drawn.paths, {}, NODE)
    previous = {
        one.kind: PreviousEvidence(one.sop_instance_uid, str(one.dataset.SOPClassUID), one.instance_number)
        for one in before
    }
    second = replace(negative(drawn.paths), model=BREAST_MODEL, input_digest="cd" * 32)
    after = build_evidence(second, drawn.paths, previous, NODE)
    made = {f"first-{one.kind}": one.dataset for one in before} | {one.kind: one.dataset for one in after}
    files = tuple(_write(folder / f"{kind}.dcm", dataset) for kind, dataset in made.items())
    return Case(first.study_instance_uid, (*drawn.paths, *files), made, {})


def _case(
    folder: Path, paths: Any, result: Result, masks: Mapping[str, npt.NDArray[np.bool_]], voxel_mm3: float = 0.0
) -> Case:
    made = {item.kind: item.dataset for item in build_evidence(result, paths, {}, NODE)}
    files = tuple(_write(folder / f"{kind}.dcm", dataset) for kind, dataset in made.items())
    return Case(result.study_instance_uid, (*paths, *files), made, masks, voxel_mm3)


def _write(path: Path, dataset: Dataset) -> Path:
    path.write_bytes(to_bytes(dataset))
    return path


def broken(folder: Path) -> Case:
    """Another head with the same findings, whose documents no viewer can show as they are meant."""
    sound = brain(folder, MADE + timedelta(days=1))
    segmentation, lesions = sound.documents["segmentation"], sound.documents["lesions"]
    segmentation.FrameOfReferenceUID = derive_uid("another frame of reference")
    segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID = derive_uid("another series")
    groups = _imaging_measurements(lesions)
    groups.append(_imaging_measurements(sound.documents["answer"])[0])
    for kind in ("segmentation", "lesions"):
        _write(folder / f"{kind}.dcm", sound.documents[kind])
    return sound


def _imaging_measurements(report: Dataset) -> Sequence:
    """The measurement groups of a report of TID 1500."""
    name = "Imaging Measurements"
    items = report.ContentSequence
    (found,) = [item for item in items if item.ConceptNameCodeSequence[0].CodeMeaning == name]
    return found.ContentSequence
