"""From images to the answer of a model that looks at tiles: scores, counts and heat maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dicomnode.bundles import NodeMetadata, Tiling
from dicomnode.errors import PixelError, ScopeError
from dicomnode.findings import HeatMap
from dicomnode.inference.classification import FloatArray, answer_of_units, finding_scores
from dicomnode.inference.predictor import Prediction, Predictor
from dicomnode.inference.slide_images import SlideImage
from dicomnode.inference.tiles import Pixels, Tile, TileGrid, tile_grid
from dicomnode.study import SourceReference


def predict_tiles(
    predictor: Predictor, images: Sequence[SlideImage], tiles: Iterable[Tile], tiling: Tiling
) -> Prediction:
    """The answer of all tissue tiles of some images together.

    Args:
        predictor: A loaded model of tiles.
        images: The images.
        tiles: Their tissue tiles; read no further ahead than a batch needs, and not kept.
        tiling: How the images are cut.

    Raises:
        ScopeError: No image is as large as a tile, or one is grey.
        PixelError: No tile holds enough tissue: there is nothing to answer about.
        BundleError: The network answers other than its bundle says.
    """
    if any(image.channels == 1 for image in images):
        raise ScopeError("grey images: the model looks at stained tissue, which is told from glass by its colour")
    grids = [tile_grid(image, tiling) for image in images]
    total = sum(grid.rows * grid.columns for grid in grids)
    if not total:
        raise ScopeError(f"no image is as large as a tile of {tiling.size * tiling.spacing:g} mm")
    examined: list[tuple[int, int, int]] = []
    scores = list(predictor.classify(_noted(tiles, examined)))
    if not scores:
        raise PixelError(
            f"no tissue: none of {total} {'tile' if total == 1 else 'tiles'} shows stained tissue on"
            f" {tiling.minimum_tissue:.0%} of its area; check the slide and the colours of its image"
        )
    node = predictor.bundle.node

    def image_of(index: int) -> SourceReference:
        number, row, column = examined[index]
        height, width = grids[number].step
        return images[number].frame_at((row + 0.5) * height, (column + 0.5) * width)

    answer = answer_of_units(node, image_of, scores)
    return Prediction(answer, (), heat_maps=_heat_maps(node, images, grids, examined, scores))


def _noted(tiles: Iterable[Tile], examined: list[tuple[int, int, int]]) -> Iterator[Pixels]:
    for tile in tiles:
        examined.append((tile.image, tile.row, tile.column))
        yield tile.pixels


def _heat_maps(
    node: NodeMetadata,
    images: Sequence[SlideImage],
    grids: Sequence[TileGrid],
    examined: Sequence[tuple[int, int, int]],
    scores: Sequence[FloatArray],
) -> tuple[HeatMap, ...]:
    """One of each image that has a tissue tile."""
    maps: dict[int, npt.NDArray[np.float32]] = {}
    for (number, row, column), score in zip(examined, finding_scores(node, scores), strict=True):
        shape = (grids[number].rows, grids[number].columns)
        maps.setdefault(number, np.full(shape, np.nan, np.float32))[row, column] = score
    return tuple(
        HeatMap(images[number].reference, values, (0.0, 0.0), (grids[number].step[1], grids[number].step[0]))
        for number, values in sorted(maps.items())
    )
