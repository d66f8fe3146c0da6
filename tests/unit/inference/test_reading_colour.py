"""Pictures of cells and slides in the colours that they were taken in, however they were compressed."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from dicomnode.dicom.pixels import read_file_frames
from dicomnode.inference.reading import read_series
from tests.factories import as_series, compress_jpeg, make_micrograph, write_instance

COLOURS = np.array([(200, 30, 40), (30, 60, 190), (235, 225, 240)], np.float32)


def frames() -> FileDataset:
    pixels = np.broadcast_to(COLOURS.astype(np.uint8)[:, None, None], (3, 32, 48, 3))
    return make_micrograph(pixels, spacing=None, modality="XC")


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpeg_in_ybr_becomes_rgb(tmp_path: Path, subsampling: str) -> None:
    images = read_series(as_series([write_instance(compress_jpeg(frames(), subsampling=subsampling), tmp_path)]))
    assert [image.slices[0].frame_number for image in images] == [1, 2, 3]
    for image, colour in zip(images, COLOURS, strict=True):
        np.testing.assert_allclose(image.slice_array(0).mean(axis=(1, 2)), colour, atol=2)


def test_jpeg_in_rgb_stays_rgb(tmp_path: Path) -> None:
    images = read_series(as_series([write_instance(compress_jpeg(frames(), rgb=True), tmp_path)]))
    for image, colour in zip(images, COLOURS, strict=True):
        np.testing.assert_allclose(image.slice_array(0).mean(axis=(1, 2)), colour, atol=2)


@pytest.mark.parametrize("rgb", [True, False])
def test_frames_read_from_the_file_are_the_same(tmp_path: Path, rgb: bool) -> None:
    dataset = compress_jpeg(frames(), rgb=rgb)
    path = write_instance(dataset, tmp_path)
    whole = read_series(as_series([path]))
    del dataset.PixelData
    for frame, image in zip(read_file_frames(path, dataset), whole, strict=True):
        np.testing.assert_array_equal(frame.values, image.slice_array(0))
