"""Pixels that agree with their header, and pixels that do not: on drawn and on real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicomnode.dicom.mammography import STANDARD_VIEWS, MammogramView
from dicomnode.errors import PixelError
from dicomnode.inference.mammography.trust import check_chest_wall, check_polarity
from tests.mammograms import draw

OTHER = {"L": "R", "R": "L"}


def _check(pixels: np.ndarray, side: str, position: str) -> None:
    view, wrong = MammogramView(side, position), MammogramView(OTHER[side], position)
    check_polarity(pixels)
    check_chest_wall(pixels, view)
    with pytest.raises(PixelError, match="the pixels are inverted"):
        check_polarity(pixels.max() - pixels)
    with pytest.raises(PixelError, match=f"{wrong.name} with the chest wall at the"):
        check_chest_wall(pixels, wrong)


@pytest.mark.parametrize("padding", [0, 60])
@pytest.mark.parametrize("view", STANDARD_VIEWS)
def test_drawn(view: str, padding: int) -> None:
    side, position = view.split("-")
    pixels = draw(side, position, size=(256, 208), seed=2).pixels.astype(np.float32)
    _check(np.pad(pixels, padding), side, position)


def test_raw_values_that_rise_with_the_radiation() -> None:
    with pytest.raises(PixelError, match="For Processing values rise with the radiation"):
        check_polarity(4000 - draw("L", "CC").pixels.astype(np.float32), raw=True)


def test_a_part_of_the_breast_may_lie_anywhere() -> None:
    pixels = draw("L", "CC").pixels.astype(np.float32)
    check_chest_wall(pixels, MammogramView("R", "CC", modifiers=("spot compression",)))


@pytest.mark.data
def test_real_images(test_data: Path) -> None:
    files = sorted((test_data / "mammography").glob("*/low_energy/*.jpg"))[::12]
    assert len(files) > 20
    for path in files:
        _, side, _, position = path.stem.split("_")
        _check(np.asarray(Image.open(path).convert("L"), np.float32), side, position)
