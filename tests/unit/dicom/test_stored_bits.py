"""Values that do not fit Bits Stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGLosslessSV1

from dicomnode.dicom.stored_bits import check_stored_bits
from dicomnode.errors import PixelError
from tests.factories import make_instance


def _image(values: Any, **attributes: Any) -> Dataset:
    pixels = np.zeros((4, 5), np.int16 if np.min(values) < 0 else np.uint16)
    pixels[2, 1 : 1 + len(values)] = values
    return make_instance(modality="MG", pixels=pixels, BitsStored=12, HighBit=11, **attributes)


@pytest.mark.parametrize("values", [(0, 4095), (-2048, 2047), (-1, 5)])
def test_values_that_fit(values: tuple[int, ...]) -> None:
    check_stored_bits(_image(values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((4096,), "1 pixel value does not fit the 12 bits stored (the first is 4096 at row 3, column 2)"),
        ((7, 65535, 5000), "2 pixel values do not fit the 12 bits stored (the first is 65535 at row 3, column 3)"),
        ((-1, -4000), "1 pixel value does not fit the 12 bits stored (the first is -4000 at row 3, column 3)"),
    ],
)
def test_values_that_do_not(values: tuple[int, ...], message: str) -> None:
    with pytest.raises(PixelError) as caught:
        check_stored_bits(_image(values))
    assert message in str(caught.value)


def test_big_endian() -> None:
    image = _image((256,))
    image.PixelData = image.pixel_array.astype(">u2").tobytes()
    image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    check_stored_bits(image)
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    check_stored_bits(image)  # 1
    image.PixelData = np.full((4, 5), 0x1001, ">u2").tobytes()
    image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    with pytest.raises(PixelError, match="20 pixel values"):
        check_stored_bits(image)


def test_nothing_is_said_of_overlays_and_compressed_pixels() -> None:
    image = _image((4096,))
    image.add_new((0x6000, 0x0102), "US", 12)
    check_stored_bits(image)
    compressed = _image((4096,))
    compressed.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    check_stored_bits(compressed)
    check_stored_bits(make_instance(modality="MG"))  # all 16 bits are stored
