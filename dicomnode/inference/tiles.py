"""Cutting images into tiles at the training's pixel spacing, and telling tissue from glass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.bundles import Tiling
from dicomnode.dicom.pixels import read_file_frames
from dicomnode.errors import GeometryError
from dicomnode.inference.averaging import Averaging, Grid
from dicomnode.inference.slide_images import SlideImage, SlideInstance
from dicomnode.inference.tissue import tissue_share

Pixels = npt.NDArray[np.float32]

# A tile that sticks out of its image by a tenth of its side or less is filled up with the image's last pixels; the
# sizes of patches cut at 40x differ by so much from scanner to scanner. One that sticks out further is left out.
_OVERHANG = 0.1
# 200 x 200 mm at the spacing and tile size of the breast patches; a slide has 25 x 75.
_MOST_TILES = 1_000_000


@dataclass(frozen=True, slots=True)
class TileGrid:
    """How an image is cut: tiles side by side from its top-left corner.

    Attributes:
        rows: Tiles from top to bottom; 0 of an image that is smaller than a tile.
        columns: Tiles from left to right.
        step: Height and width of a tile in the image's pixels.
    """

    rows: int
    columns: int
    step: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile that holds enough tissue.

    Attributes:
        image: Position of its image among those given.
        row: Its place in the image's `TileGrid`, from 0.
        column: Likewise.
        pixels: (3, size, size), RGB in whole numbers 0..255, as training read its pictures.
    """

    image: int
    row: int
    column: int
    pixels: Pixels


def tile_grid(image: SlideImage, tiling: Tiling) -> TileGrid:
    """How an image is cut.

    Raises:
        GeometryError: It is far larger than a slide.
    """
    height, width = (tiling.size * tiling.spacing / spacing for spacing in image.spacing)
    rows, columns = int(image.rows / height + _OVERHANG), int(image.columns / width + _OVERHANG)
    if rows * columns > _MOST_TILES:
        raise GeometryError(
            f"instance {image.reference.sop_instance_uid}: {image.rows} x {image.columns} pixels of"
            f" {image.spacing[0]:g} mm are larger than any slide; mend Pixel Spacing at the source"
        )
    return TileGrid(rows, columns, (height, width))


def tiles_of(instances: Iterable[SlideInstance], tiling: Tiling) -> Iterator[Tile]:
    """The tissue tiles of every image, in the order of the images where each is stored in reading order.

    One frame and, of an image in reading order, one or two rows of tiles are held at a time.

    Raises:
        PixelError: A frame cannot be decoded.
    """
    first = 0
    for item in instances:
        # One pass through the instance: finding a frame by its number walks through the compressed ones before it.
        frames = read_file_frames(item.instance.path, item.head)
        for number, image in enumerate(item.images, start=first):
            cutter = ImageTiles(number, image, tiling)
            for place, frame in zip(image.places, frames, strict=False):
                yield from cutter.add(frame.values, place.top, place.left)
        first += len(item.images)


class ImageTiles:
    """Cuts one image whose frames come one after the other.

    Args:
        number: What its tiles call it.
        image: The image.
        tiling: How it is cut.
    """

    def __init__(self, number: int, image: SlideImage, tiling: Tiling) -> None:
        self._number, self._tiling = number, tiling
        self._grid = tile_grid(image, tiling)
        row_factor, column_factor = (tiling.spacing / spacing for spacing in image.spacing)
        grid = Grid(image.rows, image.columns, (row_factor, column_factor), tiling.size)
        places = tuple((place.top, place.left) for place in image.places)
        self._averaging = Averaging(grid, places, image.frame_shape)

    def add(self, pixels: Pixels, top: int, left: int) -> Iterator[Tile]:
        """The tissue tiles that a frame (3, Rows, Columns) completes."""
        size = self._tiling.size
        for row, means in self._averaging.add(pixels, top, left):
            if row >= self._grid.rows:
                continue
            strip = _filled(means, size, self._grid.columns * size)
            for column in range(self._grid.columns):
                tile = np.rint(strip[:, :, column * size : (column + 1) * size])
                if tissue_share(tile) >= self._tiling.minimum_tissue:
                    yield Tile(self._number, row, column, tile)


def _filled(strip: Pixels, rows: int, columns: int) -> Pixels:
    """Cut or, by repeating its last pixels, fill up to (3, rows, columns)."""
    missing = ((0, 0), (0, max(0, rows - strip.shape[1])), (0, max(0, columns - strip.shape[2])))
    return np.pad(strip, missing, mode="edge")[:, :rows, :columns]
