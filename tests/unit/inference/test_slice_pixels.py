"""Slices that are read when they are asked for have the pixels that reading everything gives."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from dicomnode.errors import PixelError
from dicomnode.inference.frame_reader import FrameReader
from dicomnode.inference.opening import open_series
from dicomnode.inference.reading import read_series
from dicomnode.inference.slice_group import PixelsByImage, slice_group
from dicomnode.inference.slice_pixels import SlicePixels, open_group, pixels_of
from dicomnode.study import Series
from tests.factories import as_series, make_enhanced, make_instance, make_series, ramp, write_instance


def _lut() -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [256, 0, 16]
    item.LUTData = (1000 + 2 * np.arange(256)).astype("<u2").tobytes()
    item.ModalityLUTType = "US"
    return item


def _series(kind: str, folder: Path) -> Series:
    if kind == "plain":
        return as_series(make_series(folder, 4, modality="CT", RescaleSlope="0.5", RescaleIntercept="-1024"))
    if kind == "signed":
        pixels = ramp(16, 16, np.int16) - np.int16(90)
        return as_series(make_series(folder, 3, pixels=pixels, RescaleSlope="-1", BitsStored=12, HighBit=11))
    if kind == "mirrored":
        return as_series(make_series(folder, 3, modality="PT", PhotometricInterpretation="MONOCHROME1"))
    if kind == "bytes":
        return as_series(make_series(folder, 3, pixels=ramp(5, 5, np.uint8), modality="PT"))
    if kind == "lut":
        return as_series(make_series(folder, 3, pixels=ramp(5, 5, np.uint8), ModalityLUTSequence=[_lut()]))
    if kind == "colour":
        pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), np.uint8)
        return as_series([write_instance(make_instance(modality="XC", pixels=pixels), folder)])
    dataset = make_enhanced(4, order=(2, 0, 3, 1), shape=(40, 50))
    if kind != "frames":
        syntax = {"rle frames": RLELossless, "jpeg 2000 frames": JPEG2000Lossless}[kind]
        dataset.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    return as_series([write_instance(dataset, folder)])


@pytest.mark.parametrize(
    "kind", ["plain", "signed", "mirrored", "bytes", "lut", "colour", "frames", "rle frames", "jpeg 2000 frames"]
)
def test_the_same_pixels_as_read_at_once(tmp_path: Path, kind: str) -> None:
    series = _series(kind, tmp_path)
    for whole, opened in zip(read_series(series), open_series(series).images, strict=True):
        for channels in (1, 3):
            expected, group = slice_group(whole, channels), open_group(opened, channels, FrameReader())
            assert group.images == expected.images
            assert (group.pixel_spacing, group.slice_distance) == (expected.pixel_spacing, expected.slice_distance)
            assert len(group.pixels) == len(expected.pixels)
            for one, other in zip(group.pixels, expected.pixels, strict=True):
                assert one.dtype == np.float32
                assert np.array_equal(one, other)
            assert np.array_equal(group.pixels[-1], expected.pixels[-1])
            assert [item.shape for item in group.pixels[:2]] == [item.shape for item in expected.pixels[:2]]


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 4)
    (image,) = open_series(as_series(paths)).images
    group = open_group(image, 1, FrameReader())
    paths[0].unlink()
    paths[2].unlink()
    found = list(pixels_of([group], [False, True, False, True]))
    assert [float(item[0, 0, 0]) for item in found] == [1000, 3000]
    assert float(PixelsByImage([group])[image.references[3]][0, 0, 0]) == 3000
    with pytest.raises(PixelError, match="cannot be read from the archive"):
        group.pixels[0]


def test_what_cannot_be_trusted_is_told_when_it_is_read(tmp_path: Path) -> None:
    pixels = np.full((4, 4), 4096, np.uint16)
    paths = make_series(tmp_path, 2, pixels=pixels, BitsStored=12, HighBit=11)
    (image,) = open_series(as_series(paths)).images
    with pytest.raises(PixelError, match="16 pixel values do not fit the 12 bits stored"):
        list(open_group(image, 1, FrameReader()).pixels)


def test_grey_scales_that_differ_are_told_when_they_are_read(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2, pixels=ramp(4, 4, np.uint8), ModalityLUTSequence=[_lut()])
    odd = dcmread(paths[1])
    odd.PhotometricInterpretation = "MONOCHROME1"
    odd.save_as(paths[1])
    (image,) = open_series(as_series(paths)).images
    assert [item.stored for item in image.slices] == [None, None]
    with pytest.raises(PixelError, match="different grey scales"):
        list(SlicePixels(image.slices, 1, FrameReader()))


@pytest.mark.parametrize("kind", ["slices", "frames"])
def test_memory_does_not_grow_with_the_number_of_slices(tmp_path: Path, kind: str) -> None:
    """As float32 all of them together need 13 MB, one of them 0.26 MB."""
    if kind == "slices":
        series = as_series(make_series(tmp_path, 50, modality="CT", shape=(256, 256)))
    else:
        series = as_series([write_instance(make_enhanced(50, shape=(256, 256)), tmp_path)])
    (image,) = open_series(series).images
    tracemalloc.start()
    try:
        for _ in open_group(image, 1, FrameReader()).pixels:
            pass
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
