from __future__ import annotations

from typing import Any

import pytest

from dicomnode.dicom.geometry import Plane
from dicomnode.dicom.planes import planar_spacing, read_plane
from dicomnode.errors import GeometryError
from tests.factories import AXIAL, make_enhanced, make_instance


def test_the_plane_of_a_slice() -> None:
    dataset = make_instance(position=(1, 2, 3), pixel_spacing=(0.5, 0.75), SliceThickness=4)
    assert read_plane(dataset) == Plane((1, 2, 3), AXIAL, (0.5, 0.75), 4)


def test_the_planes_of_frames() -> None:
    dataset = make_enhanced(3, spacing=(0.5, 0.75, 4), origin=(1, 2, 3))
    assert read_plane(dataset, 2) == Plane((1, 2, 11), AXIAL, (0.5, 0.75), 4)


def test_functional_groups_go_before_the_data_set() -> None:
    dataset = make_enhanced(3, ImagePositionPatient=[9, 9, 9])
    assert read_plane(dataset, 1) == Plane((0, 0, 2), AXIAL, (1, 1), 2)


@pytest.mark.parametrize("missing", [{"position": None}, {"orientation": None}])
def test_without_a_place_there_is_no_plane(missing: dict[str, Any]) -> None:
    assert read_plane(make_instance(**missing)) is None


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"pixel_spacing": None}, "no Pixel Spacing"),
        ({"pixel_spacing": (0, 1)}, "not above 0"),
        ({"pixel_spacing": (1,)}, "PixelSpacing is not 2 finite numbers"),
        ({"position": (1, 2)}, "ImagePositionPatient is not 3 finite numbers"),
        ({"orientation": (1, 0, 0, 1, 0, 0)}, "two unit vectors"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(attributes: dict[str, Any], message: str) -> None:
    dataset = make_instance(**attributes)
    with pytest.raises(GeometryError, match=message) as caught:
        read_plane(dataset)
    assert dataset.SOPInstanceUID in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "spacing"),
    [
        ({"pixel_spacing": (0.2, 0.3)}, None),
        ({"pixel_spacing": (0.2, 0.3), "PixelSpacingCalibrationType": "FIDUCIAL"}, (0.2, 0.3)),
        ({"pixel_spacing": (0.2, 0.3), "ImagerPixelSpacing": [0.2, 0.3]}, None),
        ({"pixel_spacing": (0.2, 0.3), "ImagerPixelSpacing": [0.25, 0.375]}, (0.2, 0.3)),
        ({"pixel_spacing": None, "ImagerPixelSpacing": [0.25, 0.375]}, None),
        ({"pixel_spacing": None}, None),
    ],
)
def test_the_spacing_of_a_projection_is_trusted_only_if_calibrated(
    attributes: dict[str, Any], spacing: tuple[float, float] | None
) -> None:
    assert planar_spacing(make_instance(modality="DX", **attributes)) == spacing


def test_the_spacing_of_a_functional_group_is_trusted() -> None:
    assert planar_spacing(make_enhanced(2, spacing=(0.001, 0.002, 1)), 1) == (0.001, 0.002)
