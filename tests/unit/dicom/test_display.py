from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing

from dicomnode.dicom.display import Window, display_picture, read_window
from dicomnode.dicom.pixels import read_frames
from tests.factories import make_enhanced, make_instance, ramp


def _picture(**attributes: Any) -> np.ndarray[Any, Any]:
    dataset = make_instance(**attributes)
    return display_picture(dataset, next(read_frames(dataset)))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(40.0, 80.0), (100.5, 33.0), (0.0, 400.0)])
def test_windows_equal_pydicoms(function: str, center: float, width: float) -> None:
    attributes: dict[str, Any] = {"WindowCenter": center, "WindowWidth": width, "VOILUTFunction": function}
    dataset = make_instance(pixels=ramp(16, 16, np.uint8), **attributes)
    expected = apply_windowing(ramp(16, 16, np.uint8), dataset)
    window = Window(center, width, function)
    assert np.allclose(window.apply(ramp(16, 16).astype(np.float32)) * 255, expected, atol=0.01)


def test_a_window_of_width_one_is_a_step() -> None:
    assert Window(2, 1).apply(np.array([1.0, 1.5, 1.6, 2.0], np.float32)).tolist() == [0, 0, 1, 1]


def test_the_first_window_counts() -> None:
    assert read_window(make_instance(WindowCenter=[40, 300], WindowWidth=[80, 1500])) == Window(40, 80)


def test_the_window_of_a_frame() -> None:
    dataset = make_enhanced(2)
    item = Dataset()
    item.WindowCenter, item.WindowWidth = 7, 8
    dataset.PerFrameFunctionalGroupsSequence[1].FrameVOILUTSequence = [item]
    assert read_window(dataset, 0) is None
    assert read_window(dataset, 1) == Window(7, 8)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"WindowCenter": 40},
        {"WindowCenter": 40, "WindowWidth": 0},
        {"WindowCenter": 40, "WindowWidth": 0.5},
        {"WindowCenter": 40, "WindowWidth": 80, "VOILUTFunction": "CUBIC"},
    ],
)
def test_windows_that_mean_nothing_are_none(attributes: dict[str, Any]) -> None:
    assert read_window(make_instance(**attributes)) is None


def test_a_window_is_applied() -> None:
    picture = _picture(WindowCenter=128, WindowWidth=256)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, ramp(16, 16))


def test_monochrome1_is_shown_with_low_values_bright() -> None:
    picture = _picture(WindowCenter=128, WindowWidth=256, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(picture, 255 - ramp(16, 16))


def test_a_voi_lut_goes_before_a_window() -> None:
    item = Dataset()
    item.add_new(0x00283002, "US", [4, 1, 8])
    item.add_new(0x00283006, "US", [0, 51, 102, 255])
    picture = _picture(pixels=ramp(1, 6), VOILUTSequence=[item], WindowCenter=2, WindowWidth=4)
    assert picture.tolist() == [[0, 0, 51, 102, 255, 255]]


def test_a_damaged_voi_lut_leaves_the_window() -> None:
    item = Dataset()
    item.add_new(0x00283002, "US", [4, 1, 8])
    item.add_new(0x00283006, "US", [0, 51])
    picture = _picture(VOILUTSequence=[item], WindowCenter=128, WindowWidth=256)
    assert np.array_equal(picture, ramp(16, 16))


def test_without_a_window_the_percentiles_decide() -> None:
    picture = _picture(pixels=ramp(32, 32))
    assert (picture.min(), picture.max()) == (0, 255)
    assert np.all(np.diff(picture.ravel().astype(int)) >= 0)


def test_colour_stays_as_it_is() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (4, 5, 3), np.uint8)
    assert np.array_equal(_picture(modality="XC", pixels=pixels), pixels)


def test_a_flat_picture_is_black() -> None:
    assert not _picture(pixels=np.full((3, 3), 7, np.uint16)).any()
