"""A model over picture files: grey of colour, batches, and files that are no pictures."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dicomnode.bundles import load_bundle
from dicomnode.inference.files import Problem
from dicomnode.inference.pictures import read_picture
from dicomnode.inference.predict_files import Predicted, predict_pictures
from dicomnode.inference.predictor import Predictor
from dicomnode.inference.slice_group import slice_group

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def paint(path: Path, seed: int = 0, mode: str = "L") -> Path:
    grey = np.random.default_rng(seed).integers(0, 255, (30, 40), dtype=np.uint8)
    Image.fromarray(grey).convert(mode).save(path)
    return path


@pytest.fixture
def predictor(make_bundle: Any) -> Predictor:
    return Predictor(load_bundle(make_bundle()), torch.device("cpu"), batch_size=4)


def test_grey_of_colour_is_that_of_pillow(tmp_path: Path) -> None:
    colour = np.random.default_rng(1).integers(0, 255, (50, 60, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "a.png")
    grey = slice_group(read_picture(tmp_path / "a.png"), 1).pixels[0]
    expected = np.asarray(Image.fromarray(colour).convert("L"), dtype=np.float32)
    assert np.abs(grey[0] - expected).max() <= 1
    assert (grey[0] == expected).mean() > 0.999


def test_a_colour_network_gets_three_channels(tmp_path: Path) -> None:
    group = slice_group(read_picture(paint(tmp_path / "a.png")), 3)
    assert group.pixels[0].shape == (3, 30, 40)
    assert (group.pixel_spacing, group.is_volume) == (None, False)


def test_every_picture_gets_its_own_answer_in_order(predictor: Predictor, tmp_path: Path) -> None:
    paths = [paint(tmp_path / f"{seed}.png", seed) for seed in range(6)]
    found = list(predict_pictures(predictor, paths, NOW))
    assert [item.path for item in found] == paths
    assert all(isinstance(item, Predicted) and len(item.analysis.result.images) == 1 for item in found)
    alone = [next(iter(predict_pictures(predictor, [path], NOW))) for path in paths]
    for one, many in zip(alone, found, strict=True):
        assert isinstance(one, Predicted)
        assert isinstance(many, Predicted)
        assert one.analysis.result.answer is not None
        assert many.analysis.result.answer is not None
        assert one.analysis.result.answer.score == pytest.approx(many.analysis.result.answer.score, abs=1e-6)
        assert one.analysis.result.study_instance_uid == many.analysis.result.study_instance_uid


def test_a_damaged_picture_is_named_and_the_others_go_on(predictor: Predictor, tmp_path: Path) -> None:
    good, bad = paint(tmp_path / "good.png"), paint(tmp_path / "bad.png")
    bad.write_bytes(bad.read_bytes()[:-300])
    none = tmp_path / "none.png"
    none.write_bytes(b"")
    found = list(predict_pictures(predictor, [bad, good, none], NOW))
    assert [item.path.name for item in found if isinstance(item, Predicted)] == ["good.png"]
    assert {item.path.name for item in found if isinstance(item, Problem)} == {"bad.png", "none.png"}
    assert all(item.path.name in item.text for item in found if isinstance(item, Problem))


def test_only_damaged_pictures_are_all_named(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (problem,) = predict_pictures(predictor, [tmp_path / "a.png"], NOW)
    assert isinstance(problem, Problem)
