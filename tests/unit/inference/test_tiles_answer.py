"""From slides and cells to an answer with counts and heat maps, and to the reason where there is none."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydicom.dataset import FileDataset

from dicomnode.bundles import Bundle, load_bundle
from dicomnode.findings import Outcome, Presence, Result, StudyAnswer
from dicomnode.inference.analyse import analyse
from dicomnode.inference.predictor import Prediction, Predictor
from dicomnode.inference.result_json import result_to_json
from dicomnode.inference.self_check import check_bundle
from dicomnode.inference.slide_images import read_slides
from dicomnode.inference.tile_analysis import predict_tiles
from dicomnode.inference.tiles import tiles_of
from tests.factories import as_series, as_study, make_micrograph, make_slide, write_instance

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PINK, PURPLE, GLASS = (210, 140, 190), (110, 40, 140), (240, 240, 238)
GREY = np.full((64, 64), 128, np.uint8)


@dataclass(frozen=True)
class Darkness:
    """A network whose score is how dark an image is."""

    bundle: Bundle

    def classify(self, pixels: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for image in pixels:
            dark = 1 - float(image.mean()) / 255
            yield np.array([dark, 1 - dark])


def slide_pixels() -> np.ndarray:
    """Four rows and five columns of tiles: pink ones in the middle, two of them purple."""
    pixels = np.full((128, 160, 3), GLASS, np.uint8)
    pixels[32:96, 32:128] = PINK
    pixels[64:96, 64:128] = PURPLE
    return pixels


def predicted(bundle: Path, folder: Path, *datasets: FileDataset) -> Prediction:
    loaded = load_bundle(bundle)
    tiling = loaded.node.tiling
    assert tiling is not None
    slides = read_slides(as_series([write_instance(dataset, folder) for dataset in datasets]), tiling)
    images = [image for item in slides.instances for image in item.images]
    fake: Any = Darkness(loaded)
    return predict_tiles(fake, images, tiles_of(slides.instances, tiling), tiling)


def answered(result: Result) -> StudyAnswer:
    assert result.answer is not None, result.reason
    return result.answer


def analysed(bundle: Path, folder: Path, *datasets: FileDataset) -> Result:
    paths = [write_instance(dataset, folder) for dataset in datasets]
    loaded = load_bundle(bundle)
    return analyse(as_study(paths), [as_series(paths)], loaded, Predictor(loaded, torch.device("cpu")), NOW, "d")


def test_a_slide_is_counted_and_mapped(make_colour_bundle: Any, tmp_path: Path) -> None:
    bundle = make_colour_bundle(operating_point={"threshold": 0.5, "level": "tile"})
    prediction = predicted(bundle, tmp_path, make_slide(slide_pixels(), tile=(64, 64)))

    tally = prediction.answer.tally
    assert tally is not None and (tally.unit, tally.examined, tally.positive) == ("tile", 6, 2)
    assert prediction.answer.presence is Presence.PRESENT
    assert [image.frame_number for image in prediction.answer.carried_by] == [5]
    (heat,) = prediction.heat_maps
    assert heat.image.frame_number is None and (heat.origin, heat.step) == ((0, 0), (32, 32))
    assert heat.scores.shape == (4, 5) and np.isfinite(heat.scores).sum() == 6
    assert heat.scores[2, 2:4] == pytest.approx(1 - np.mean(PURPLE) / 255) and heat.scores[1, 1] < 0.5


def test_each_frame_of_a_microscopic_image_has_its_map(make_colour_bundle: Any, tmp_path: Path) -> None:
    frames = np.stack([slide_pixels(), np.full_like(slide_pixels(), GLASS), slide_pixels()])
    prediction = predicted(make_colour_bundle(), tmp_path, make_micrograph(frames, spacing=0.002))

    assert [heat.image.frame_number for heat in prediction.heat_maps] == [1, 3]
    assert {heat.step for heat in prediction.heat_maps} == {(64.0, 64.0)}


def test_a_slide_goes_from_its_files_to_a_result(make_colour_bundle: Any, tmp_path: Path) -> None:
    label = make_slide(slide_pixels(), name="label", ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    result = analysed(make_colour_bundle(), tmp_path, make_slide(slide_pixels()), label)

    assert result.outcome in (Outcome.FINDINGS, Outcome.NO_FINDINGS)
    assert "of 6 tiles positive" in result.reason and "1 label, overview or thumbnail image left out" in result.reason
    assert [image.frame_number for image in result.images] == [None]
    values = json.loads(result_to_json(result))
    assert values["answer"]["tally"]["unit"] == "tile" and values["answer"]["tally"]["examined"] == 6
    (heat,) = values["heat_maps"]
    assert (heat["rows"], heat["columns"], heat["examined"], heat["step"]) == (4, 5, 6, [32.0, 32.0])
    assert heat["highest"] == pytest.approx(float(np.nanmax(result.heat_maps[0].scores)), abs=1e-4)


@pytest.mark.parametrize(
    ("dataset", "outcome", "reason"),
    [
        (make_micrograph(slide_pixels(), spacing=None), Outcome.REFUSED, "states no Pixel Spacing"),
        (make_micrograph(np.full((64, 64, 3), GLASS, np.uint8)), Outcome.REFUSED, "no tissue: none of 4 tiles"),
        (make_micrograph(slide_pixels()[:20, :20]), Outcome.OUT_OF_SCOPE, "no image is as large as a tile"),
        (make_micrograph(GREY), Outcome.OUT_OF_SCOPE, "grey images are not RGB"),
        (make_slide(slide_pixels(), NumberOfFrames=12), Outcome.REFUSED, "several focal planes"),
    ],
)
def test_what_cannot_be_answered_says_why(
    make_colour_bundle: Any, tmp_path: Path, dataset: FileDataset, outcome: Outcome, reason: str
) -> None:
    result = analysed(make_colour_bundle(), tmp_path, dataset)
    assert result.outcome is outcome
    assert reason in result.reason
    assert result.answer is None and not result.heat_maps


def test_grey_images_are_never_told_from_glass(make_colour_bundle: Any, tmp_path: Path) -> None:
    result = analysed(make_colour_bundle(accepts={}), tmp_path, make_micrograph(GREY))
    assert result.outcome is Outcome.OUT_OF_SCOPE and "grey images: " in result.reason


@pytest.mark.parametrize("modality", ["GM", "XC"])
def test_every_frame_is_a_cell(make_colour_bundle: Any, tmp_path: Path, modality: str) -> None:
    cells = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    one = make_micrograph(cells[0], spacing=None, modality=modality, name="one", InstanceNumber=1)
    four = make_micrograph(cells[1:], spacing=None, modality=modality, name="four", InstanceNumber=2)
    bundle = make_colour_bundle("cell")
    result = analysed(bundle, tmp_path, one, four)

    tally = answered(result).tally
    assert tally is not None and (tally.unit, tally.examined) == ("cell", 5)
    assert "of 5 cells positive" in result.reason
    assert [image.frame_number for image in result.images] == [None, 1, 2, 3, 4]
    assert len(answered(result).carried_by) == 2
    assert answered(result).method == "Mean of two cells."
    scores = list(Predictor(load_bundle(bundle), torch.device("cpu")).classify(np.float32(cells).transpose(0, 3, 1, 2)))
    assert answered(result).score == pytest.approx(np.mean(sorted(score[0] for score in scores)[-2:]), abs=1e-6)
    assert tally.positive == sum(score[0] >= 0.5 for score in scores)


@pytest.mark.parametrize("unit", ["tile", "cell"])
def test_colour_bundles_pass_their_check(make_colour_bundle: Any, unit: str) -> None:
    check = check_bundle(load_bundle(make_colour_bundle(unit)), torch.device("cpu"))
    assert check.prediction.answer.tally is not None
