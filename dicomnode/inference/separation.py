"""Which slices of a series form volumes, and which do not belong: pure decisions on descriptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dicomnode.dicom.geometry import Plane, duplicates, same_orientation
from dicomnode.errors import GeometryError
from dicomnode.inference.slices import CONTRASTS, Slice
from dicomnode.study import SourceReference

# Pixel spacings that differ by less are one spacing, written with different numbers of digits.
_SAME_SPACING_MM = 1e-4


@dataclass(frozen=True, slots=True)
class Separation:
    """Images of a series that were left out of its volume.

    Attributes:
        reason: One line, in plain words.
        images: Which ones.
    """

    reason: str
    images: tuple[SourceReference, ...]


@dataclass(frozen=True, slots=True)
class Sorted:
    """The slices of a series, sorted out.

    Attributes:
        volumes: Slices of each volume, not yet in order; all have a plane.
        pictures: Slices that stand alone.
        separations: Slices left out.
    """

    volumes: tuple[tuple[Slice, ...], ...]
    pictures: tuple[Slice, ...]
    separations: tuple[Separation, ...]


def sort_out(slices: Sequence[Slice]) -> Sorted:
    """Decide what the slices of a series are.

    Localizers, slices without a place in the patient, and slices of another orientation, size or pixel
    spacing than most of the series are separated. If no kind is in the majority, nothing is guessed.

    Raises:
        GeometryError: Orientations, sizes or spacings are mixed, or several slices lie at one position and
            nothing tells them apart.
    """
    separations: list[Separation] = []
    placed = [item for item in slices if item.plane is not None]
    if not placed:
        return Sorted((), tuple(slices), ())
    members = _without(placed, [item for item in placed if item.localizer], "Image Type says LOCALIZER", separations)
    unplaced = [item for item in slices if item.plane is None]
    pictures = () if _cross_sectional(unplaced, placed) else tuple(unplaced)
    if unplaced and not pictures:
        separations.append(_separation(unplaced, "without position or orientation among slices that have both"))
    groups = _alike(members)
    main = max(groups, key=len)
    if 2 * len(main) <= len(members):
        raise GeometryError(_mixture(groups))
    for group in groups:
        if group is not main:
            separations.append(_separation(group, _difference(group[0], main[0])))
    return Sorted(_contrasts(main), pictures, tuple(separations))


def _cross_sectional(unplaced: Sequence[Slice], placed: Sequence[Slice]) -> bool:
    classes = {item.instance.sop_class_uid for item in placed}
    return any(item.instance.sop_class_uid in classes for item in unplaced)


def _without(
    slices: Sequence[Slice], unwanted: Sequence[Slice], what: str, separations: list[Separation]
) -> Sequence[Slice]:
    if not unwanted or len(unwanted) == len(slices):
        return slices
    separations.append(_separation(unwanted, what))
    return [item for item in slices if item not in unwanted]


def _separation(slices: Sequence[Slice], what: str) -> Separation:
    noun = "slice" if len(slices) == 1 else "slices"
    return Separation(f"{len(slices)} {noun} separated: {what}", tuple(item.reference for item in slices))


def _alike(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Group slices of one orientation, size, pixel spacing and number of channels."""
    groups: list[list[Slice]] = []
    for item in slices:
        for group in groups:
            if not _difference(item, group[0]):
                group.append(item)
                break
        else:
            groups.append([item])
    return groups


def _difference(one: Slice, other: Slice) -> str:
    """How two slices differ in what a volume must have in common; empty if they do not."""
    first, second = _plane(one), _plane(other)
    alike = (one.rows, one.columns, one.channels) == (other.rows, other.columns, other.channels)
    if alike and (first.orientation, first.pixel_spacing) == (second.orientation, second.pixel_spacing):
        return ""  # nearly all slices; the comparisons below take a hundred times as long
    if not same_orientation(first.orientation, second.orientation):
        return "another orientation than the rest of the series"
    if (one.rows, one.columns) != (other.rows, other.columns):
        return f"{one.rows} x {one.columns} pixels, the rest {other.rows} x {other.columns}"
    if not np.allclose(first.pixel_spacing, second.pixel_spacing, rtol=0, atol=_SAME_SPACING_MM):
        return f"pixel spacing {_millimetres(first)}, the rest {_millimetres(second)}"
    return "" if one.channels == other.channels else "grey and colour are mixed"


def _mixture(groups: Sequence[Sequence[Slice]]) -> str:
    counts = ", ".join(str(len(group)) for group in sorted(groups, key=len, reverse=True)[:5])
    why = _difference(groups[1][0], groups[0][0])
    return f"the series mixes {len(groups)} kinds of slices ({counts} of each) and none is the majority: {why}"


def _contrasts(slices: Sequence[Slice]) -> tuple[tuple[Slice, ...], ...]:
    """Split slices that lie at the same positions by what tells them apart, such as the echo time."""
    repeated = duplicates([_plane(item) for item in slices])
    if not repeated:
        return (tuple(slices),)
    # One attribute at a time, then all of them together, as for a diffusion series of several directions.
    for key in (*((column,) for column in range(len(CONTRASTS))), tuple(range(len(CONTRASTS)))):
        groups: dict[tuple[str, ...], list[Slice]] = defaultdict(list)
        for item in slices:
            groups[tuple(item.contrasts[column] for column in key)].append(item)
        if _are_volumes(list(groups.values())):
            return tuple(tuple(group) for _, group in sorted(groups.items()))
    places = ", ".join(f"{position:.2f}" for position in repeated[:3])
    raise GeometryError(
        f"several of {len(slices)} slices lie at one position ({len(repeated)} positions, such as {places} mm along"
        " the slice normal), and no attribute tells them apart"
    )


def _are_volumes(groups: Sequence[Sequence[Slice]]) -> bool:
    """Whether the groups have two or more slices each, as many as each other, at different positions."""
    if len(groups) < 2 or len(groups[0]) < 2 or len({len(group) for group in groups}) > 1:
        return False
    return not any(duplicates([_plane(item) for item in group]) for group in groups)


def _plane(item: Slice) -> Plane:
    if item.plane is None:
        raise GeometryError(f"instance {item.instance.sop_instance_uid} has no position and orientation")
    return item.plane


def _millimetres(plane: Plane) -> str:
    return f"{plane.pixel_spacing[0]:g} x {plane.pixel_spacing[1]:g} mm"
