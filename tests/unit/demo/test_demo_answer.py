"""Reading SR and SEG back, and drawing them."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from dicomnode.demo.collecting import Fetched
from dicomnode.demo.objects import masks, outlines, sections
from dicomnode.demo.phantom import Phantom, draw_phantom
from dicomnode.demo.pictures import SYNTHETIC
from dicomnode.demo.report import write_pictures, write_report
from dicomnode.demo.study import make_study, write_study
from dicomnode.dicom.codes import BRAIN, LESION, LONG_AXIS, MILLIMETRE, PRESENT
from dicomnode.evidence.build import build_evidence
from dicomnode.evidence.identity import NodeIdentity
from dicomnode.findings import (
    Finding,
    Mask,
    Measurement,
    ModelIdentity,
    Outcome,
    Polygon,
    Presence,
    Result,
    StudyAnswer,
)
from dicomnode.study import SourceReference

CREATED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
FIRST, LAST = 11, 13


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom()


@pytest.fixture(scope="module")
def images(phantom: Phantom) -> tuple[Dataset, ...]:
    return make_study(phantom, CREATED)


@pytest.fixture(scope="module")
def fetched(phantom: Phantom, images: tuple[Dataset, ...], tmp_path_factory: pytest.TempPathFactory) -> list[Fetched]:
    """The evidence of a result that says what was drawn."""
    paths = write_study(images, tmp_path_factory.mktemp("study"))
    references = tuple(
        SourceReference(image.SOPClassUID, image.SOPInstanceUID, image.SeriesInstanceUID) for image in images
    )
    evidence = build_evidence(_result(phantom, images, references), paths, {}, NodeIdentity("DICOMNODE", "0.1.0"))
    return [Fetched(Path(f"{item.role}.dcm"), item.dataset) for item in evidence]


def _result(phantom: Phantom, images: tuple[Dataset, ...], references: tuple[SourceReference, ...]) -> Result:
    shown = range(FIRST, LAST + 1)
    square = np.array([[140, 140], [175, 140], [175, 172], [140, 172]], np.float64)
    finding = Finding(
        concept=LESION,
        label="Lesion 1",
        tracking_uid="1.2.3.4",
        score=0.93,
        contours=tuple(Polygon(references[index], square) for index in shown),
        site=BRAIN,
        mask=Mask(tuple(references[index] for index in shown), phantom.lesion[FIRST : LAST + 1]),
        measurements=(Measurement(LONG_AXIS, 28.3, MILLIMETRE),),
    )
    answer = StudyAnswer(
        PRESENT, Presence.PRESENT, 0.93, False, 0.5, (), (references[FIRST],), "The highest score counts."
    )
    return Result(
        images[0].StudyInstanceUID,
        ModelIdentity("painter", "1.0", "dicomnode", "ab" * 32),
        Outcome.FINDINGS,
        "1 lesion",
        answer,
        (finding,),
        references,
        "cd" * 32,
        CREATED,
    )


def _of(fetched: list[Fetched], role: str) -> Dataset:
    return next(item.dataset for item in fetched if item.path.stem == role)


def test_outlines_come_back_with_label_and_score(fetched: list[Fetched], images: tuple[Dataset, ...]) -> None:
    found = outlines(_of(fetched, "lesions"))
    assert set(found) == {images[index].SOPInstanceUID for index in range(FIRST, LAST + 1)}
    (outline,) = found[images[FIRST].SOPInstanceUID]
    assert (outline.label, outline.score) == ("Lesion 1", pytest.approx(93.0))
    assert outline.points.min(axis=0).tolist() == [140, 140]
    assert outlines(_of(fetched, "answer")) == {}


def test_masks_come_back_pixel_by_pixel(fetched: list[Fetched], images: tuple[Dataset, ...], phantom: Phantom) -> None:
    found = masks(_of(fetched, "segmentation"))
    assert len(found) == LAST - FIRST + 1
    for index in range(FIRST, LAST + 1):
        assert np.array_equal(found[images[index].SOPInstanceUID], phantom.lesion[index])


def test_report_holds_the_sentences(fetched: list[Fetched], tmp_path: Path) -> None:
    headings = dict(sections(_of(fetched, "text")))
    assert any("Lesion 1" in sentence for sentence in headings["Findings"])
    write_report(fetched, tmp_path / "report.txt")
    report = (tmp_path / "report.txt").read_text()
    assert report.startswith(SYNTHETIC)
    assert "painter 1.0" in report
    assert "not verified" in report


def test_pictures_show_the_lesion(fetched: list[Fetched], images: tuple[Dataset, ...], tmp_path: Path) -> None:
    paths = write_pictures(images, fetched, tmp_path)
    names = [path.name for path in paths]
    assert names == ["overview.png", "montage.png", "slice-12.png", "slice-13.png", "slice-14.png"]
    with Image.open(paths[2]) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    coloured = np.ptp(pixels, axis=2) > 120
    assert 200 < coloured.sum() < 20_000


def test_pictures_without_findings_show_the_head(images: tuple[Dataset, ...], tmp_path: Path) -> None:
    paths = write_pictures(images, [], tmp_path)
    assert [path.name for path in paths] == ["overview.png", "montage.png", "slice-11.png"]
