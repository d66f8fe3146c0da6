"""What a study's page draws: key images of the results, and one series to scroll through. No file is decoded for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from dicomnode.web.api.study.levels import slide_size
from dicomnode.web.api.study.results import ImageView, RegionView, ResultView
from dicomnode.web.api.study.series import SliceView, Stack, is_slide, slice_view

_MOST_KEYS = 12
_TINTS = 6
Marks: TypeAlias = dict[str, dict[int, dict[str, None]]]

_LETTERS = 30  # of a label's height fit into the picture's longest side


@dataclass(frozen=True, slots=True)
class Outline:
    """A closed outline over a picture, in pixels of the image.

    Attributes:
        layer: Names the finding, so that all its outlines can be hidden at once.
        tint: Its colour, counted from 1; 0 for what is no finding.
        points: As SVG writes them.
        label: Beside it.
        x: Of the label.
        y: Of the label's base line.
        anchor: Which end of the label is at ``x``, as SVG calls it.
    """

    layer: str
    tint: int
    points: str
    label: str
    x: float
    y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Heat:
    """A heat map over a picture: its address and the place that it covers, in pixels of the image."""

    address: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture with what is drawn over it.

    Attributes:
        address: Of the picture.
        columns: Of the image, the view box of what is drawn over it.
        rows: Of the image.
        series: Its series.
        position: Its place in the series, counted from 1.
        outlines: Of findings, and of what a network attended to.
        heats: Heat maps.
    """

    address: str
    columns: int
    rows: int
    series: str
    position: int
    outlines: tuple[Outline, ...]
    heats: tuple[Heat, ...]

    @property
    def letter(self) -> float:
        """Height of a letter in pixels of the image."""
        return max(self.columns, self.rows) / _LETTERS


class Pinboard:
    """The images of a study, and what current results say of each."""

    def __init__(self, stacks: Sequence[Stack], results: Iterable[ResultView]) -> None:
        self._places = {uid: (stack, before) for stack in stacks for uid, before in stack.places().items()}
        self._records = {record.instance.sop_instance_uid: record for stack in stacks for record in stack.instances}
        self._results = [result for result in results if result.current and not result.withdrawn]
        self._marks = self._find_marks()

    def keys(self, result: ResultView) -> tuple[Drawing, ...]:
        """The images that carried a result: with findings first, then of heat maps, then others; at most twelve."""
        wanted = dict.fromkeys(self._key(image) for image in _key_images(result))
        known = (key for key in wanted if key[0] in self._records)
        return tuple(self._drawing(*key, (result,)) for key in islice(known, _MOST_KEYS))

    def slice(self, view: SliceView) -> Drawing:
        """An image with what all current results say of it."""
        return self._drawing(view.sop_uid, view.frame, self._results)

    def marks(self, stack: Stack) -> tuple[tuple[int, str], ...]:
        """Where in a series findings lie: places counted from 1, each with the labels there."""
        found = self._marks.get(stack.view.series_uid, {})
        return tuple((place, ", ".join(labels)) for place, labels in sorted(found.items()))

    def key_place(self, stack: Stack) -> int:
        """Where the first image of a series lies that carried an answer; 1 if none did."""
        for key in (self._key(image) for result in self._results for image in _key_images(result)):
            found = self._places.get(key[0])
            if found is not None and found[0] is stack:
                return found[1] + key[1]
        return 1

    def _find_marks(self) -> Marks:
        found: Marks = {}
        for finding in (finding for result in self._results for finding in result.findings):
            for key in (self._key(region.image) for region in finding.regions):
                if key[0] in self._places:
                    stack, before = self._places[key[0]]
                    found.setdefault(stack.view.series_uid, {}).setdefault(before + key[1], {})[finding.label] = None
        return found

    def _key(self, image: ImageView) -> tuple[str, int]:
        record = self._records.get(image.sop_uid)
        return image.sop_uid, 1 if record is None or is_slide(record) else image.frame or 1

    def _drawing(self, sop_uid: str, frame: int, results: Iterable[ResultView]) -> Drawing:
        record, key = self._records[sop_uid], (sop_uid, frame)
        view = slice_view(record, frame)
        rows, columns = slide_size(record.instance) if view.is_slide else (view.rows, view.columns)
        stack, before = self._places[sop_uid]
        shown = list(results)
        return Drawing(
            address=view.address,
            columns=columns,
            rows=rows,
            series=stack.view.series_uid,
            position=before + frame,
            outlines=tuple(one for result in shown for one in self._outlines(result, key, (columns, rows))),
            heats=tuple(one for result in shown for one in self._heats(result, key, view, (columns, rows))),
        )

    def _outlines(self, result: ResultView, key: tuple[str, int], size: tuple[int, int]) -> Iterator[Outline]:
        for finding in result.findings:
            layer, tint = f"r{result.result}-f{finding.number}", 1 + (finding.number - 1) % _TINTS
            label = f"{finding.label}: {finding.score:.2f}"
            for region in finding.regions:
                if self._key(region.image) == key:
                    yield _outline(region, layer, tint, label, size)
        for item in result.attention:
            if self._key(item.region.image) == key:
                yield _outline(item.region, f"r{result.result}-a", 0, f"{item.weight:.2f}", size)

    def _heats(
        self, result: ResultView, key: tuple[str, int], view: SliceView, size: tuple[int, int]
    ) -> Iterator[Heat]:
        for item in result.saliency:
            if self._key(item.image) == key:
                # The object of a slide is on the map's own grid, that of a picture on the picture's.
                place = (*item.origin, *item.size) if view.is_slide else (0.0, 0.0, *size)
                yield Heat(item.address, *place)


def _outline(region: RegionView, layer: str, tint: int, label: str, size: tuple[int, int]) -> Outline:
    left, top = (min(point[axis] for point in region.points) for axis in (0, 1))
    right, bottom = (max(point[axis] for point in region.points) for axis in (0, 1))
    letter = max(size) / _LETTERS
    # Above the outline; where there is no room, below it
    y = top - 0.4 * letter if top > 1.5 * letter else bottom + 1.1 * letter
    points = " ".join(f"{x:g},{y:g}" for x, y in region.points)
    # In the right half it ends with the outline, so that it stays in the picture
    x, anchor = (right, "end") if left + right > size[0] else (left, "start")
    return Outline(layer, tint, points, label, x, y, anchor)


def _key_images(result: ResultView) -> Iterator[ImageView]:
    for finding in result.findings:
        yield from (region.image for region in finding.regions[:1])
    for finding in result.findings:
        yield from (region.image for region in finding.regions[1:])
    yield from (item.image for item in result.saliency)
    if result.answer is not None:
        for side in sorted(result.answer.sides, key=lambda side: -side.score):
            yield from side.carried_by
        yield from result.answer.carried_by
