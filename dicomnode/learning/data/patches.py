"""Cut labelled patches out of prepared mammograms, to train the patch classifier that draws heat maps.

As Wu et al. (IEEE TMI 2020) have them, a patch is ``malignant`` or ``benign`` if it shows such a lesion, ``outside`` if
it shows another part of an image with one, and ``negative`` if its breast has none.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.errors import RecipeError
from dicomnode.learning.data.exam_store import prepared
from dicomnode.learning.data.exams import BreastImage, breast_images
from dicomnode.learning.data.shapes import BoolMask, MaskFile, shape_mask
from dicomnode.learning.data.sources import load_samples
from dicomnode.learning.data.tables import TABLE
from dicomnode.learning.recipes.exam import ExamSection
from dicomnode.learning.recipes.recipe import Recipe, load_recipe

RANGE = 8.0
"""Standardised values from -8 to 8 become 0 to 65535; hardly any lie beyond."""

_GRAVEST_FIRST = ("malignant", "benign")

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Patch:
    """A piece of a prepared mammogram.

    Attributes:
        label: What it shows.
        pixels: (side, side) float32, standardised with its image.
    """

    label: str
    pixels: Pixels


def write_patches(recipe: Recipe, data: Path, out: Path, *, side: int = 256, count: int = 10) -> int:
    """Write patches of every split as 16-bit pictures, and ``labels.csv``; returns how many.

    Args:
        recipe: One for exams, whose layout, classes and sizes hold here too.
        data: The exams. Lesions have masks: columns ``malignant_mask`` and ``benign_mask`` with paths in the folder, or
            CBIS-DDSM's regions with ``data.with_boxes``.
        out: Folder to write to.
        side: Of a patch, pixels.
        count: Patches of each lesion, and of each image outside its lesions.

    Raises:
        RecipeError: If the recipe is not one for exams.
    """
    if recipe.exam is None:
        raise RecipeError(f"recipe {recipe.name}: patches are cut from exams; name a recipe with task exam")
    random, rows = np.random.default_rng(recipe.seed), [("path", "label", "split", "patient")]
    for image in breast_images(recipe.data, load_samples(recipe.data, data)):
        for patch in cut(image, recipe, recipe.exam, data, random, side=side, count=count):
            name = f"{image.sample.split}/{patch.label}/{len(rows)}.png"
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(_stored(patch.pixels)).save(out / name)
            rows.append((name, patch.label, image.sample.split, image.group))
    out.mkdir(parents=True, exist_ok=True)
    with (out / TABLE).open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(rows)
    return len(rows) - 1


def cut(
    image: BreastImage,
    recipe: Recipe,
    section: ExamSection,
    data: Path,
    random: np.random.Generator,
    *,
    side: int,
    count: int,
) -> Iterator[Patch]:
    """Patches of one image; none if its breast has a lesion that nobody drew.

    Args:
        image: The mammogram.
        recipe: Names the classes.
        section: Its section ``exam``.
        data: The exams.
        random: Where they lie follows from it.
        side: Of a patch, pixels.
        count: Patches of each lesion's class, and of the rest of the image.
    """
    ready = prepared(image, section.size_of(image.position))
    source = ready.placement.source
    masks = {name: ready.placement.mask_to_prepared(mask) for name, mask in _masks(image, recipe, data, source).items()}
    if any(image.truth) and not masks:
        return
    breast, rest = ready.pixels[0] > ready.pixels.min(), "outside" if masks else "negative"
    for wanted, centres in (*masks.items(), (rest, breast)):
        places = np.argwhere(centres)
        for row, column in random.permutation(places)[:count]:
            top, left = (_start(int(at), side, length) for at, length in zip((row, column), breast.shape, strict=True))
            window = np.s_[top : top + side, left : left + side]
            shown = [name for name in _GRAVEST_FIRST if name in masks and masks[name][window].any()]
            label = shown[0] if shown else rest
            # A place in a lesion may lie beside a graver one, and one outside may reach into a lesion.
            if label == wanted:
                yield Patch(label, ready.pixels[0][window])


def _masks(image: BreastImage, recipe: Recipe, data: Path, source: tuple[int, int]) -> Mapping[str, BoolMask]:
    """What is drawn of each class, on the stored pixels."""
    sample, columns = image.sample, dict(image.sample.columns)
    found: dict[str, BoolMask] = {}
    for name in recipe.data.classes:
        if path := columns.get(f"{name}_mask"):
            found[name] = shape_mask(MaskFile(data / path), *source)
    for box, label, shape in zip(sample.boxes, sample.box_labels, sample.shapes, strict=True):
        mask = np.zeros(source, np.bool_) if shape is None else shape_mask(shape, *source)
        if shape is None:
            left, top, right, bottom = (round(edge) for edge in box)
            mask[top:bottom, left:right] = True
        name = recipe.data.classes[label]
        found[name] = found.get(name, np.zeros(source, np.bool_)) | mask
    return found


def _start(centre: int, side: int, length: int) -> int:
    """First pixel of a patch around a place, moved into the image."""
    return max(0, min(centre - side // 2, length - side))


def _stored(pixels: Pixels) -> npt.NDArray[np.uint16]:
    return ((pixels.clip(-RANGE, RANGE) + RANGE) * (65535 / (2 * RANGE))).round().astype(np.uint16)


def main(arguments: Sequence[str]) -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m dicomnode.learning.data.patches", description=__doc__)
    parser.add_argument("recipe", type=Path, help="recipe for exams, such as training/dmv_cnn_heatmaps.yaml")
    parser.add_argument("--data", type=Path, required=True, help="folder of the exams")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the patches to")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="change a recipe value")
    parser.add_argument("--side", type=int, default=256, help="of a patch, pixels (default: 256)")
    parser.add_argument("--count", type=int, default=10, help="patches of each lesion and outside (default: 10)")
    args = parser.parse_args(arguments)
    recipe = load_recipe(args.recipe, tuple(args.set))
    written = write_patches(recipe, args.data, args.out, side=args.side, count=args.count)
    print(f"{written} patches in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
