"""Generated microscopy: whole slides, pictures through a microscope, photographs of cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.dicom.uids import derive_uid
from tests.factories import make_instance, write_instance

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
SLIDE_COORDINATES = "1.2.840.10008.5.1.4.1.1.77.1.3"
PHOTOGRAPHS = "1.2.840.10008.5.1.4.1.1.77.1.4"
UPSIDE_DOWN = (0.0, -1.0, 0.0, -1.0, 0.0, 0.0)


def make_slide(
    folder: Path,
    *,
    grid: tuple[int, int] = (3, 4),
    tile: int = 16,
    spacing: tuple[float, float] = (0.0005, 0.00025),
    origin: tuple[float, float] = (20.5, 40.25),
    orientation: Sequence[float] = UPSIDE_DOWN,
    **attributes: Any,
) -> Path:
    """Write a TILED_FULL whole slide image (PS3.3 A.32.8) of grey tiles, each of its own brightness.

    Args:
        folder: Where to.
        grid: Rows and columns of tiles.
        tile: Height and width of a tile in pixels.
        spacing: Between rows, between columns, mm.
        origin: X and Y of the centre of the first pixel on the slide, mm.
        orientation: Image Orientation (Slide).
        attributes: As for `make_instance`.
    """
    count = grid[0] * grid[1]
    brightness = np.arange(1, count + 1, dtype=np.uint8)[:, None, None, None]
    pixels = np.broadcast_to(brightness, (count, tile, tile, 3))
    given: dict[str, Any] = {"SOPClassUID": WHOLE_SLIDE, "modality": "SM", "pixels": pixels} | attributes
    dataset = make_instance(position=None, orientation=None, pixel_spacing=None, **given)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.DimensionOrganizationType, dataset.PositionReferenceIndicator = "TILED_FULL", "SLIDE_CORNER"
    dataset.TotalPixelMatrixRows, dataset.TotalPixelMatrixColumns = grid[0] * tile, grid[1] * tile
    dataset.TotalPixelMatrixFocalPlanes = dataset.NumberOfOpticalPaths = 1
    dataset.ImageOrientationSlide = [float(value) for value in orientation]
    place, measures, shared = Dataset(), Dataset(), Dataset()
    place.XOffsetInSlideCoordinateSystem, place.YOffsetInSlideCoordinateSystem = origin
    dataset.TotalPixelMatrixOriginSequence = [place]
    measures.PixelSpacing, measures.SliceThickness = list(spacing), 0.004
    shared.PixelMeasuresSequence = [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.update(_specimen())
    return write_instance(dataset, folder)


def make_pictures(folder: Path, count: int = 1, *, shape: tuple[int, int] = (24, 36), **attributes: Any) -> list[Path]:
    """Write VL Microscopic images (or those of another ``SOPClassUID``), without any place in space."""
    paths = []
    for number in range(1, count + 1):
        pixels = np.full((*shape, 3), number, np.uint8)
        given: dict[str, Any] = {"modality": "GM", "name": str(number), "InstanceNumber": number, "pixels": pixels}
        given |= {"position": None, "orientation": None, "pixel_spacing": None, "FrameOfReferenceUID": None}
        dataset = make_instance(**(given | attributes))
        dataset.update(_specimen())
        paths.append(write_instance(dataset, folder))
    return paths


def make_slide_coordinates(folder: Path, **attributes: Any) -> Path:
    """Write a VL Slide-Coordinates Microscopic image: its centre is on the slide, its orientation is not said."""
    centre = Dataset()
    centre.XOffsetInSlideCoordinateSystem, centre.YOffsetInSlideCoordinateSystem = 20.5, 40.25
    given: dict[str, Any] = {
        "SOPClassUID": SLIDE_COORDINATES,
        "modality": "SM",
        "FrameOfReferenceUID": derive_uid("test", "slide"),
        "PositionReferenceIndicator": "SLIDE_CORNER",
        "ImageCenterPointCoordinatesSequence": [centre],
    }
    return make_pictures(folder, 1, **(given | attributes))[0]


def make_cells(folder: Path, count: int = 6, **attributes: Any) -> Path:
    """Write a multi-frame VL Photographic image of cells, one a frame."""
    pixels = np.full((count, 16, 16, 3), 200, np.uint8)
    given: dict[str, Any] = {"SOPClassUID": PHOTOGRAPHS, "modality": "XC", "pixels": pixels} | attributes
    return make_pictures(folder, 1, **given)[0]


def _specimen() -> Dataset:
    module, description = Dataset(), Dataset()
    module.ContainerIdentifier = "GENERATED-1_A"
    module.IssuerOfTheContainerIdentifierSequence, module.ContainerTypeCodeSequence = [], []
    description.SpecimenIdentifier, description.SpecimenUID = "GENERATED-1_A_1", derive_uid("test", "specimen")
    description.IssuerOfTheSpecimenIdentifierSequence, description.SpecimenPreparationSequence = [], []
    module.SpecimenDescriptionSequence = [description]
    return module
