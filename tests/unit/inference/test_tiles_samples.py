"""Tiles of real whole slide images."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicomnode.bundles import Tiling
from dicomnode.inference.slide_images import read_slides
from dicomnode.inference.tiles import tiles_of
from tests.factories import as_series

# Two pixels of the slides' 0.499 micrometres to a pixel of the tiles.
TILING = Tiling(spacing=0.000998, size=5, minimum_tissue=0.0)


@pytest.mark.data
@pytest.mark.parametrize("name", ["sm_image", "sm_image_jpegls", "sm_image_jpegls_nobot", "sm_image_dots"])
def test_tiles_are_averages_of_the_total_matrix(test_data: Path, name: str) -> None:
    path = test_data / "dicom_samples" / "highdicom" / f"{name}.dcm"
    frames = dcmread(path).pixel_array
    whole = frames.reshape(5, 5, 10, 10, 3).transpose(0, 2, 1, 3, 4).reshape(50, 50, 3)
    expected = whole.reshape(25, 2, 25, 2, 3).mean(axis=(1, 3))

    slides = read_slides(as_series([path]), TILING)
    found = np.empty((25, 25, 3))
    for tile in tiles_of(slides.instances, TILING):
        found[tile.row * 5 : tile.row * 5 + 5, tile.column * 5 : tile.column * 5 + 5] = tile.pixels.transpose(1, 2, 0)
    assert np.abs(found - expected).max() <= 0.51
