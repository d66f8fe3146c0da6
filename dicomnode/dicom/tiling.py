"""Where the frames of a tiled image lie in its total pixel matrix (PS3.3 C.7.6.17.3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pydicom.dataset import Dataset

from dicomnode.dicom.decoding import name_of, number_of_frames
from dicomnode.dicom.frames import functional_group
from dicomnode.errors import GeometryError

WHOLE_SLIDE_MICROSCOPY = "1.2.840.10008.5.1.4.1.1.77.1.6"

# What frame_places looks at.
TILING_KEYWORDS = (
    *("NumberOfFrames", "Rows", "Columns", "TotalPixelMatrixRows", "TotalPixelMatrixColumns"),
    *("DimensionOrganizationType", "ConcatenationUID", "InConcatenationTotalNumber"),
    "PerFrameFunctionalGroupsSequence",
)


@dataclass(frozen=True, slots=True)
class FramePlace:
    """Top-left pixel of a frame in the total pixel matrix, row and column counted from 0."""

    top: int
    left: int


def total_size(dataset: Dataset) -> tuple[int, int]:
    """Rows and columns of the total pixel matrix.

    Raises:
        GeometryError: They are missing.
    """
    rows, columns = dataset.get("TotalPixelMatrixRows", None), dataset.get("TotalPixelMatrixColumns", None)
    if not rows or not columns:
        raise GeometryError(f"{name_of(dataset)} states no Total Pixel Matrix Rows and Columns")
    return int(rows), int(columns)


def frame_places(dataset: Dataset) -> tuple[FramePlace, ...]:
    """The place of every frame, in the order of the frames.

    Raises:
        GeometryError: A place is missing or outside the matrix; frames are missing; or several frames lie at one place,
            as those of several focal planes or optical paths do: which of them the model should see is not guessed.
    """
    if int(dataset.get("InConcatenationTotalNumber", None) or 1) > 1:
        raise GeometryError(f"{name_of(dataset)} is a part of a concatenation; send the image as one instance")
    if dataset.get("DimensionOrganizationType", None) == "TILED_FULL":
        return _implied(dataset)
    places = tuple(_stated(dataset, index) for index in range(number_of_frames(dataset)))
    if max(Counter(places).values()) > 1:
        raise _several(dataset)
    return places


def _implied(dataset: Dataset) -> tuple[FramePlace, ...]:
    rows, columns = total_size(dataset)
    tops, lefts = range(0, rows, int(dataset.Rows)), range(0, columns, int(dataset.Columns))
    frames, tiles = number_of_frames(dataset), len(tops) * len(lefts)
    if frames > tiles and frames % tiles == 0:
        raise _several(dataset)
    if frames != tiles:
        raise GeometryError(
            f"{name_of(dataset)} has {frames} frames, and its total pixel matrix of {rows} x {columns} pixels needs"
            f" {tiles}"
        )
    return tuple(FramePlace(top, left) for top in tops for left in lefts)


def _several(dataset: Dataset) -> GeometryError:
    return GeometryError(
        f"{name_of(dataset)} holds several focal planes or optical paths; send one plane of one path as an image of its"
        " own"
    )


def _stated(dataset: Dataset, index: int) -> FramePlace:
    rows, columns = total_size(dataset)
    group = functional_group(dataset, index, "PlanePositionSlideSequence")
    row = None if group is None else group.get("RowPositionInTotalImagePixelMatrix", None)
    column = None if group is None else group.get("ColumnPositionInTotalImagePixelMatrix", None)
    if row is None or column is None:
        if (rows, columns) == (dataset.Rows, dataset.Columns) and number_of_frames(dataset) == 1:
            return FramePlace(0, 0)
        raise GeometryError(f"{name_of(dataset)}: frame {index + 1} states no place in the total pixel matrix")
    place = FramePlace(int(row) - 1, int(column) - 1)
    if not (0 <= place.top < rows and 0 <= place.left < columns):
        raise GeometryError(f"{name_of(dataset)}: frame {index + 1} lies outside the total pixel matrix")
    return place
