"""A brain MR volume that exists nowhere: T1 weighted after contrast, with one enhancing mass.

It looks enough like a head for a detector trained on real images to find the mass. It shows the way of a
study through the node; it says nothing about accuracy, and no model is ever trained on it.
Signal values are shares of the brightest fat, 0 to about 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.demo.drawing import Field, Grid, Lattice, Point, ellipsoid, inside, paint, tube

LATTICE = Lattice(shape=(20, 256, 256), spacing=(5.0, 0.9, 0.9), origin=(-114.75, -119.0, -24.0))
LESION_CENTRE: Point = (33.0, 20.0, 36.0)
LESION_RADIUS = 14.0

_AIR, _SKIN, _FAT, _BONE, _MARROW, _DURA = 0.0, 0.50, 0.80, 0.05, 0.30, 0.36
_CSF, _GREY, _DEEP_GREY, _WHITE, _VESSEL, _LESION, _OEDEMA = 0.10, 0.235, 0.28, 0.315, 0.60, 0.62, 0.215
_VENTRICLE: tuple[Point, ...] = ((6, -34, 6), (8, -20, 16), (11, 2, 24), (17, 24, 19), (25, 40, 9), (19, 58, 5))
_TEMPORAL_HORN: tuple[Point, ...] = ((25, 40, 9), (31, 18, -8), (30, 0, -18))


@dataclass(frozen=True, slots=True)
class Phantom:
    """The drawn volume.

    Attributes:
        pixels: (Slices, Rows, Columns) uint16, 12 bits used, caudal slice first.
        lesion: Same shape, True where the mass was drawn.
        lattice: Where the voxels lie in the patient.
    """

    pixels: npt.NDArray[np.uint16]
    lesion: npt.NDArray[np.bool_]
    lattice: Lattice


def draw_phantom(seed: int = 20261121) -> Phantom:
    """Draw the head with its mass; the same seed draws the same head."""
    random = np.random.default_rng(seed)
    scanner = LATTICE.grid()
    lesion = _lesion(scanner, random)
    grid = _pushed_aside(_uneven(scanner, random))
    image = np.zeros(LATTICE.shape, np.float32)
    brain = _skin_to_dura(image, grid, random)
    cover = inside(brain)
    paint(image, cover, _brain_tissue(grid, brain, random))
    _paint_lesion(image, lesion, cover, random)
    return Phantom(_scanned(image, scanner, random), lesion < 0, LATTICE)


def _uneven(grid: Grid, random: np.random.Generator) -> Grid:
    """Bend the head a little, so that no line is a perfect ellipse, and narrow the forehead."""
    shifts = [2.2 * LATTICE.noise(random, 28.0) for _ in range(3)]
    bent = grid.bent(*shifts)
    return Grid(bent.x / (1 + 0.0008 * bent.y), bent.y, bent.z)


def _pushed_aside(grid: Grid) -> Grid:
    """The mass displaces what lies around it."""
    offsets = [axis - centre for axis, centre in zip((grid.x, grid.y, grid.z), LESION_CENTRE, strict=True)]
    distance = np.sqrt(sum(o**2 for o in offsets)) + 1e-3
    push = 5.0 * np.exp(-(((distance - LESION_RADIUS) / 16.0) ** 2)) / distance
    return grid.bent(*(-o * push for o in offsets))


def _skin_to_dura(image: Field, grid: Grid, random: np.random.Generator) -> Field:
    """Paint scalp, skull, dura and the space below it; returns the distance from the brain's surface."""
    head = ellipsoid(grid, (0, 0, 0), (77, 95, 84), 2.12)
    bumps, grain = LATTICE.noise(random, 11.0), LATTICE.noise(random, 3.0)
    paint(image, inside(head), _SKIN)
    paint(image, inside(head + 2.0), _FAT * (1 + 0.08 * grain))
    paint(image, inside(head + 6.2 + 0.9 * bumps), _BONE)
    marrow = np.abs(head + 9.2 + 0.6 * bumps) - 0.9 - 0.7 * grain
    paint(image, inside(marrow), _MARROW)
    paint(image, inside(head + 11.8 + 0.3 * bumps) * inside(0.5 - bumps, 2.0), _DURA)
    paint(image, inside(head + 12.8), _CSF)
    sinus = np.hypot(grid.x, 0.8 * (head + 14.5)) - 2.6
    paint(image, inside(sinus), _VESSEL)
    return head + 13.6


def _brain_tissue(grid: Grid, brain: Field, random: np.random.Generator) -> Field:
    """Grey and white matter with sulci, deep nuclei, ventricles, cisterns, falx and cerebellum."""
    tissue = _cortex(grid, brain, random)
    for side in (grid, grid.mirrored()):
        _paint_deep_grey(tissue, side)
        _paint_ventricle(tissue, side)
    _paint_midline(tissue, grid, brain)
    _paint_base(tissue, grid, random)
    return tissue * (1 + 0.018 * LATTICE.noise(random, 2.0))


def _cortex(grid: Grid, brain: Field, random: np.random.Generator) -> Field:
    """White matter under a folded grey ribbon; sulci are the zero lines of smooth noise, closing with depth."""
    depth = -brain
    folds = LATTICE.crests(LATTICE.noise(random, 4.4))
    width = 1.7 * np.clip(1 - depth / 24.0, 0, 1) - 0.5
    reach = inside(depth - 15.0 - 4 * LATTICE.noise(random, 9.0), 9.0)
    tissue = np.full(LATTICE.shape, _WHITE, np.float32)
    ribbon = inside(np.minimum(folds - 3.0 + 8 * (1 - reach), depth - 3.2), 2.4)
    paint(tissue, ribbon, _GREY)
    sulcus = inside(folds - width, 1.6) * reach
    paint(tissue, sulcus, _CSF)
    vessels = inside(1.7 - LATTICE.noise(random, 2.2), 0.5)
    paint(tissue, sulcus * vessels, _VESSEL)
    return tissue


def _paint_deep_grey(tissue: Field, side: Grid) -> None:
    for centre, half_axes in (((11, -22, 14), (5, 10, 10)), ((23, -6, 6), (6, 15, 11)), ((11, 12, 10), (8, 13, 8))):
        paint(tissue, inside(ellipsoid(side, centre, half_axes), 3.5), _DEEP_GREY)
    insula = tube(side, ((40, -22, 2), (38, -4, 6), (42, 14, 12)), (1.2, 1.4, 1.0))
    fissure = tube(side, ((38, -6, 4), (50, -4, 2), (66, -2, 2)), (1.4, 1.6, 2.2))
    paint(tissue, inside(np.minimum(insula, fissure) - 2.6, 1.8), _GREY)
    paint(tissue, inside(np.minimum(insula, fissure), 1.4), _CSF)


def _paint_ventricle(tissue: Field, side: Grid) -> None:
    body = tube(side, _VENTRICLE, (4.0, 5.6, 4.8, 5.8, 5.4, 1.4))
    horn = tube(side, _TEMPORAL_HORN, (4.2, 2.4, 1.6))
    wall = np.minimum(body, horn)
    paint(tissue, inside(wall), _CSF)
    plexus = tube(side, ((19, 26, 19), (24, 37, 10)), (1.2, 2.4))
    paint(tissue, inside(plexus), _VESSEL * 0.8)


def _paint_midline(tissue: Field, grid: Grid, brain: Field) -> None:
    """The third ventricle, and the fissure between the hemispheres with the falx in it."""
    third = ellipsoid(grid, (0, 2, 2), (1.9, 15, 13))
    paint(tissue, inside(third), _CSF)
    callosum = ellipsoid(grid, (0, 4, 2), (60, 46, 33))
    between = np.maximum(np.abs(grid.x) - 1.5, -callosum)
    paint(tissue, inside(np.maximum(between - 2.6, -callosum), 1.8), _GREY)
    paint(tissue, inside(between), _CSF)
    falx = np.maximum(np.abs(grid.x) - 0.45, np.maximum(-callosum + 7, brain))
    paint(tissue, inside(falx, 1.0), _DURA * 1.15)


def _paint_base(tissue: Field, grid: Grid, random: np.random.Generator) -> None:
    """Brain stem, the cisterns and arteries around it, and the upper cerebellum under its tentorium."""
    cistern = ellipsoid(grid, (0, -12, -28), (15, 14, 13)) + 2.5 * LATTICE.noise(random, 6.0)
    paint(tissue, inside(cistern), _CSF)
    _paint_cerebellum(tissue, grid, random)
    stem = ellipsoid(grid, (0, 14, -34), (17, 13, 24))
    paint(tissue, inside(stem - 0.4), _CSF)
    paint(tissue, inside(stem), _WHITE)
    paint(tissue, inside(ellipsoid(grid, (0, 22, -22), (1.2, 1.6, 12))), _CSF)
    for side in (grid, grid.mirrored()):
        paint(tissue, inside(tube(side, ((0, 29, -8), (8, 26, -8), (15, 18, -12)), (1.8, 1.4, 0.8))), _CSF)
        paint(tissue, inside(tube(side, ((3, -8, -23), (10, -13, -23), (26, -15, -21)), (1.3, 1.5, 1.0))), _VESSEL)
        paint(tissue, inside(tube(side, ((34, -24, -12), (44, -20, -10), (62, -12, -8)), (1.6, 1.2, 2.0)), 1.6), _CSF)


def _paint_cerebellum(tissue: Field, grid: Grid, random: np.random.Generator) -> None:
    surface = ellipsoid(grid, (0, 46, -34), (48, 35, 24)) + LATTICE.noise(random, 8.0)
    folia = LATTICE.crests(LATTICE.noise(random, 2.6))
    paint(tissue, inside(np.abs(surface + 0.2) - 0.4), _DURA)
    paint(tissue, inside(surface + 1.2), _WHITE)
    paint(tissue, inside(surface + 1.2) * inside(folia - 1.3, 2.0), _GREY - 0.02)


def _lesion(grid: Grid, random: np.random.Generator) -> Field:
    """Signed distance from the surface of the mass, slightly lobed."""
    radii = (LESION_RADIUS, LESION_RADIUS * 1.06, LESION_RADIUS * 0.95)
    return ellipsoid(grid, LESION_CENTRE, radii) + 0.9 * LATTICE.noise(random, 6.0)


def _paint_lesion(image: Field, lesion: Field, brain: Field, random: np.random.Generator) -> None:
    """Oedema around, an even enhancement inside with a faint rim and a small darker core."""
    swelling = lesion - 5.0 + 5.0 * LATTICE.noise(random, 6.0)
    paint(image, inside(swelling, 7.0) * brain, _OEDEMA)
    enhancement = _LESION * (1 + 0.07 * LATTICE.noise(random, 2.5)) + 0.05 * np.exp(-np.abs(lesion + 1.5) / 2)
    paint(image, inside(lesion) * brain, enhancement)


def _scanned(image: Field, grid: Grid, random: np.random.Generator) -> npt.NDArray[np.uint16]:
    """What the coil makes of it: brighter towards the surface, Rician noise, 12 bits."""
    surface = (grid.x / 90) ** 2 + ((grid.y - 6) / 105) ** 2
    shaded = image * (0.86 + 0.22 * surface + 0.03 * LATTICE.noise(random, 45.0))
    real, imaginary = (0.013 * random.standard_normal((2, *LATTICE.shape))).astype(np.float32)
    magnitude = np.clip(1400 * np.hypot(shaded + real, imaginary), 0, 4095)
    pixels: npt.NDArray[np.uint16] = magnitude.astype(np.uint16)
    return pixels
