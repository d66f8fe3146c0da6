from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import JPEG2000Lossless

from dicomnode.dicom.pixels import FramePixels, read_frame, read_frames
from dicomnode.errors import PixelError
from tests.factories import make_enhanced, make_instance, ramp


def _first(dataset: FileDataset) -> FramePixels:
    return next(read_frames(dataset))


def test_grey_is_one_channel_of_float32() -> None:
    frame = _first(make_instance())
    assert frame.values.dtype == np.float32
    assert frame.mirror is None
    assert np.array_equal(frame.values, ramp(16, 16)[np.newaxis])


def test_a_single_frame_is_the_same_as_in_order() -> None:
    dataset = make_enhanced(3, order=(2, 0, 1), RescaleSlope=3)

    for index, frame in enumerate(read_frames(dataset)):
        assert np.array_equal(read_frame(dataset, index).values, frame.values)
    for index in (-1, 3):
        with pytest.raises(PixelError, match="it has 3"):
            read_frame(dataset, index)


def test_rescale() -> None:
    frame = _first(make_instance(modality="CT", RescaleSlope="2.5", RescaleIntercept="-1024"))
    assert np.array_equal(frame.values[0], ramp(16, 16) * 2.5 - 1024)


def test_rescale_of_signed_pixels() -> None:
    pixels = ramp(4, 4).astype(np.int16) - np.int16(8)
    frame = _first(make_instance(pixels=pixels, RescaleSlope=1, RescaleIntercept=-1000))
    assert np.array_equal(frame.values[0], pixels.astype(float) - 1000)


def test_rescale_of_each_frame() -> None:
    dataset = make_enhanced(2)
    for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        item = Dataset()
        item.RescaleSlope, item.RescaleIntercept, item.RescaleType = number + 1, 10 * number, "US"
        group.PixelValueTransformationSequence = [item]
    first, second = read_frames(dataset)
    assert np.array_equal(first.values[0], ramp(16, 16))
    assert np.array_equal(second.values[0], (ramp(16, 16) + 1000.0) * 2 + 10)


def test_monochrome1_is_mirrored_within_the_range_of_its_bits() -> None:
    frame = _first(make_instance(PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11))
    assert frame.mirror == 4095
    assert np.array_equal(frame.values[0], 4095.0 - ramp(16, 16))


def test_monochrome1_with_rescale_and_sign() -> None:
    pixels = ramp(4, 4).astype(np.int16) - np.int16(8)
    frame = _first(
        make_instance(pixels=pixels, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=5)
    )
    assert frame.mirror == -65536 + 5 + 65534 + 5
    assert np.array_equal(frame.values[0], frame.mirror - (pixels.astype(float) * 2 + 5))


def _lut(first: int, values: list[int], bits: int = 16) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(values), first, bits])
    item.add_new(0x00283006, "US", values)
    item.ModalityLUTType = "US"
    return item


def test_modality_lut_goes_before_rescale() -> None:
    dataset = make_instance(pixels=ramp(2, 4), ModalityLUTSequence=[_lut(2, [100, 300, 700])], RescaleSlope=9)
    assert _first(dataset).values[0].tolist() == [[100, 100, 100, 300], [700, 700, 700, 700]]


def test_monochrome1_with_a_modality_lut() -> None:
    dataset = make_instance(
        pixels=ramp(1, 4), ModalityLUTSequence=[_lut(0, [10, 20, 40])], PhotometricInterpretation="MONOCHROME1"
    )
    assert _first(dataset).values[0].tolist() == [[40, 30, 10, 10]]


def test_a_damaged_modality_lut_is_refused() -> None:
    item = _lut(0, [1, 2, 3])
    item.LUTDescriptor = [5, 0, 16]
    with pytest.raises(PixelError, match="Modality LUT"):
        _first(make_instance(ModalityLUTSequence=[item]))


COLOUR = np.random.default_rng(2).integers(0, 256, (64, 72, 3), np.uint8)


def test_colour_is_three_channels() -> None:
    assert np.array_equal(_first(make_instance(modality="XC", pixels=COLOUR)).values, np.moveaxis(COLOUR, -1, 0))


def test_planar_configuration() -> None:
    dataset = make_instance(modality="XC", pixels=COLOUR, PlanarConfiguration=1)
    dataset.PixelData = np.moveaxis(COLOUR, -1, 0).tobytes()
    assert np.array_equal(_first(dataset).values, np.moveaxis(COLOUR, -1, 0))


def test_ybr_becomes_rgb() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[...] = (76, 85, 255)  # PS3.3 C.7.6.3.1.2: Y, CB, CR of pure red
    values = _first(make_instance(modality="XC", pixels=red, PhotometricInterpretation="YBR_FULL")).values
    assert np.allclose(values[:, 0, 0], (255, 0, 0), atol=2)


def test_jpeg_2000_colour_becomes_rgb() -> None:
    dataset = make_instance(modality="XC", pixels=COLOUR)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    assert dataset.PhotometricInterpretation in ("YBR_RCT", "RGB")
    assert np.array_equal(_first(dataset).values, np.moveaxis(COLOUR, -1, 0))


def test_sixteen_bit_colour_is_scaled_to_255() -> None:
    pixels = np.array([[[0, 257, 65535]]], np.uint16)
    assert _first(make_instance(modality="XC", pixels=pixels)).values[:, 0, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize(("bits", "scale"), [(8, 1), (16, 257)])
def test_palette_colour(bits: int, scale: int) -> None:
    dataset = make_instance(modality="US", pixels=ramp(1, 4, np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for name, entries in (("Red", [0, 10, 20]), ("Green", [1, 11, 21]), ("Blue", [2, 12, 255])):
        dataset.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [3, 0, bits])
        content = (np.array(entries) * scale).astype(f"<u{bits // 8}").tobytes()
        dataset.add_new(f"{name}PaletteColorLookupTableData", "OW", content)
    assert _first(dataset).values[:, 0].T.tolist() == [[0, 1, 2], [10, 11, 12], [20, 21, 255], [20, 21, 255]]


def test_a_palette_without_its_tables_is_refused() -> None:
    dataset = make_instance(modality="US", pixels=ramp(2, 2, np.uint8), PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(PixelError, match="palette"):
        _first(dataset)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"PhotometricInterpretation": "HSV"}, "'HSV' cannot be interpreted"),
        ({"PhotometricInterpretation": "ARGB"}, "'ARGB' cannot be interpreted"),
        ({"PhotometricInterpretation": None}, "is missing"),
        ({"PhotometricInterpretation": "RGB"}, "RGB with 1 samples per pixel contradicts itself"),
        ({"PhotometricInterpretation": "YBR_RCT", "pixels": COLOUR}, "belongs to JPEG 2000 only"),
        ({"BitsStored": 12, "HighBit": 15}, "High Bit 15 does not fit 12 bits stored"),
        ({"RescaleSlope": 0}, "Rescale Slope is 0"),
    ],
)
def test_what_cannot_be_interpreted_is_refused(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(PixelError, match=message):
        _first(make_instance(**attributes))
