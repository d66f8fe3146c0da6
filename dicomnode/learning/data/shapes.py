"""Shapes of marked regions, as light values; they become masks when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from dicomnode.errors import InputError
from dicomnode.inference.frames import read_file_frame

BoolMask: TypeAlias = npt.NDArray[np.bool_]
Ring: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """Closed lines; a pixel inside any of them belongs to the region.

    Attributes:
        rings: Points (column, row) in pixels from the picture's top-left corner; the first is not repeated.
    """

    rings: tuple[Ring, ...]


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask as COCO counts it: lengths of the runs of 0 and 1 in turn, column after column, 0 first.

    Attributes:
        height: Rows of the mask.
        width: Columns of the mask.
        counts: They add up to height * width.
    """

    height: int
    width: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A picture or DICOM file in which the region is what is brighter than the middle of the file's values.

    Attributes:
        path: The file; it is not opened before its mask is asked for.
    """

    path: Path


Shape: TypeAlias = Outline | RunLengths | MaskFile


def shape_mask(shape: Shape, height: int, width: int) -> BoolMask:
    """A shape on a picture's pixel grid.

    Args:
        shape: If it is a mask of another size, the nearest of its pixels are taken.
        height: Rows of the picture.
        width: Columns of the picture.

    Returns:
        (height, width) bool.

    Raises:
        InputError: The file of a mask cannot be read, or run lengths do not fill their mask.
    """
    if isinstance(shape, Outline):
        return _filled(shape.rings, height, width)
    mask = decode_runs(shape) if isinstance(shape, RunLengths) else bright(read_grey(shape.path))
    return fitted(mask, height, width)


def fitted(mask: BoolMask, height: int, width: int) -> BoolMask:
    """A mask brought to another size by taking the nearest pixel."""
    if mask.shape == (height, width):
        return mask
    return mask[np.ix_(nearest(height, mask.shape[0]), nearest(width, mask.shape[1]))]


def nearest(length: int, source: int) -> npt.NDArray[np.intp]:
    """For each of ``length`` pixels in a row the index of the nearest of ``source`` pixels over the same distance."""
    return np.minimum(((np.arange(length) + 0.5) * (source / length)).astype(np.intp), source - 1)


def encode_runs(mask: BoolMask) -> RunLengths:
    """The inverse of `decode_runs`."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]), mask.size)
    counts = np.diff(ends, prepend=0)
    return RunLengths(mask.shape[0], mask.shape[1], tuple(int(count) for count in counts))


def decode_runs(runs: RunLengths) -> BoolMask:
    """(height, width) bool.

    Raises:
        InputError: The counts do not fill the mask.
    """
    if sum(runs.counts) != runs.height * runs.width or min(runs.counts, default=0) < 0:
        what = f"add up to {sum(runs.counts)}, not {runs.height} x {runs.width}"
        raise InputError(f"run lengths of a mask {what}; export the annotations anew")
    values = np.arange(len(runs.counts)) % 2 == 1
    return np.repeat(values, runs.counts).reshape((runs.height, runs.width), order="F")


def mask_box(mask: BoolMask) -> tuple[float, float, float, float] | None:
    """The box (xyxy, corners at pixel edges) around the pixels of a mask; None if it has no pixel."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def read_grey(path: Path) -> npt.NDArray[Any]:
    """(Rows, Columns) of a picture, or of the first frame of a DICOM file (``.dcm``).

    Raises:
        InputError: It cannot be read.
    """
    if path.suffix.lower() == ".dcm":
        frame: npt.NDArray[np.float32] = read_file_frame(path, 0, 1)[0]
        return frame
    try:
        with Image.open(path) as picture:
            return np.asarray(picture if picture.mode in ("L", "P", "I", "I;16", "1") else picture.convert("L"))
    except UnidentifiedImageError as error:
        raise InputError(f"{path.name}: is not a readable picture; save it as PNG") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name}: cannot be read; fetch or save it anew") from error


def bright(values: npt.NDArray[Any]) -> BoolMask:
    """What is brighter than the middle of the values; nothing if all are alike."""
    low, high = float(values.min()), float(values.max())
    return np.asarray(values > (low + high) / 2)


def _filled(rings: tuple[Ring, ...], height: int, width: int) -> BoolMask:
    """Pixels whose centres lie inside a ring; where a ring crosses itself, by the even-odd rule."""
    mask = np.zeros((height, width), np.bool_)
    for ring in rings:
        points = np.array(ring, np.float64)
        for row in range(max(0, int(points[:, 1].min())), min(height, int(np.ceil(points[:, 1].max())))):
            columns = np.ceil(_crossings(points, row + 0.5) - 0.5).clip(0, width).astype(int)
            for start, end in zip(columns[::2], columns[1::2], strict=True):
                mask[row, start:end] = True
    return mask


def _crossings(points: npt.NDArray[np.float64], level: float) -> npt.NDArray[np.float64]:
    """Where the edges of a closed line cross a horizontal one, from left to right; an even number."""
    ends = np.roll(points, -1, axis=0)
    crossed = (points[:, 1] <= level) != (ends[:, 1] <= level)
    one, other = points[crossed], ends[crossed]
    share = (level - one[:, 1]) / (other[:, 1] - one[:, 1])
    return np.sort(one[:, 0] + share * (other[:, 0] - one[:, 0]))
