"""Where frames of tiled images lie, and what a microscopic image says of its pixel spacing."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomnode.dicom.planes import specimen_spacing
from dicomnode.dicom.tiling import FramePlace, frame_places
from dicomnode.errors import GeometryError
from tests.factories import make_micrograph, make_slide

PIXELS = np.zeros((100, 150, 3), np.uint8)


def test_a_full_tiling_goes_row_by_row() -> None:
    places = frame_places(make_slide(PIXELS))
    assert places == tuple(FramePlace(top, left) for top in (0, 64) for left in (0, 64, 128))


def test_a_sparse_tiling_states_its_places() -> None:
    places = frame_places(make_slide(PIXELS, sparse=[(64, 0), (0, 86)]))
    assert places == (FramePlace(64, 0), FramePlace(0, 86))


@pytest.mark.parametrize(
    ("changes", "sparse", "complaint"),
    [
        ({"NumberOfFrames": 12}, None, "several focal planes or optical paths"),
        ({"NumberOfFrames": 5}, None, "has 5 frames, .* needs 6"),
        ({}, [(0, 0), (0, 0)], "several focal planes or optical paths"),
        ({}, [(0, 151)], "frame 1 lies outside"),
        ({"DimensionOrganizationType": "TILED_SPARSE"}, None, "frame 1 states no place"),
        ({"TotalPixelMatrixRows": None}, None, "states no Total Pixel Matrix Rows"),
        ({"InConcatenationTotalNumber": 2}, None, "part of a concatenation"),
    ],
)
def test_what_is_not_certain_is_refused(changes: dict[str, Any], sparse: Any, complaint: str) -> None:
    with pytest.raises(GeometryError, match=complaint):
        frame_places(make_slide(PIXELS, sparse=sparse, **changes))


def test_a_slide_of_one_frame_needs_no_place() -> None:
    assert frame_places(make_slide(PIXELS, tile=(100, 150), DimensionOrganizationType=None)) == (FramePlace(0, 0),)


@pytest.mark.parametrize(
    ("dataset", "spacing"),
    [
        (make_slide(PIXELS, spacing=0.001), (0.001, 0.001)),
        (make_micrograph(PIXELS, spacing=0.002), (0.002, 0.002)),
        (make_micrograph(PIXELS, spacing=None), None),
        (make_micrograph(PIXELS, spacing=None, ImagerPixelSpacing=[0.005, 0.005]), None),
        (make_micrograph(PIXELS, spacing=0.005, ImagerPixelSpacing=[0.005, 0.005]), None),
        (make_micrograph(PIXELS, spacing=0.0005, ImagerPixelSpacing=[0.005, 0.005]), (0.0005, 0.0005)),
    ],
)
def test_the_detectors_spacing_is_not_the_specimens(dataset: Dataset, spacing: tuple[float, float] | None) -> None:
    assert specimen_spacing(dataset) == spacing
