"""A series to scroll through on a study's page: by links where no script runs, by wheel and keys where one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from dicomnode.web.api.study.series import SeriesView, Stack
from dicomnode.web.languages import marked
from dicomnode.web.pages.study_pictures import Drawing, Pinboard

_ANY = (("stored", marked("as stored")), ("full", marked("whole range")))
# Centre and width in Hounsfield units, as radiologists have them on their keys.
_CT = (
    ("-600,1500", marked("lung")),
    ("40,400", marked("soft tissue")),
    ("40,80", marked("brain")),
    ("500,2000", marked("bone")),
)

_COLOURED = frozenset({"SM", "GM", "XC", "ES", "OP"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody is in a study's images; the window is a preset's."""

    series: str = ""
    slice: int = 1
    window: str = "stored"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the series where findings lie."""

    position: int
    labels: str
    href: str


@dataclass(frozen=True, slots=True)
class Scroller:
    """What the page shows of one series.

    Attributes:
        series: All series of the study, each with its address.
        chosen: The one that is shown.
        position: Of the image shown, counted from 1.
        drawing: That image.
        window: The preset in force.
        windows: Presets: value, name, address.
        steps: Addresses of the first, previous, next and last image.
        marks: Where findings lie.
    """

    series: tuple[tuple[SeriesView, str], ...]
    chosen: SeriesView
    position: int
    drawing: Drawing
    window: str
    windows: tuple[tuple[str, str, str], ...]
    steps: tuple[str, str, str, str]
    marks: tuple[Mark, ...]


def scroller(board: Pinboard, stacks: Sequence[Stack], place: Place) -> Scroller | None:
    """The series that is asked for, at the slice that is asked for; without a wish, where the findings are."""
    if not stacks:
        return None
    stack = _chosen(board, stacks, place.series)
    marks = board.marks(stack)
    position = min(place.slice if place.series else board.key_place(stack), stack.view.images)
    windows = _windows(stack.view.modality)
    window = place.window if place.window in {value for value, _ in windows} else "stored"

    def to(position: int, window: str = window, series: str = stack.view.series_uid) -> str:
        return f"?{urlencode({'series': series, 'slice': position, 'window': window}, safe=',')}#images"

    return Scroller(
        series=tuple((one.view, to(1, "stored", one.view.series_uid)) for one in stacks),
        chosen=stack.view,
        position=position,
        drawing=board.slice(next(islice(stack.slices(), position - 1, None))),
        window=window,
        windows=tuple((value, name, to(position, value)) for value, name in windows),
        steps=(to(1), to(max(1, position - 1)), to(min(stack.view.images, position + 1)), to(stack.view.images)),
        marks=tuple(Mark(number, labels, to(number)) for number, labels in marks),
    )


def _chosen(board: Pinboard, stacks: Sequence[Stack], series_uid: str) -> Stack:
    """The series asked for, else the first with findings, else the one with the most images."""
    for stack in stacks:
        if stack.view.series_uid == series_uid:
            return stack
    marked_ones = (stack for stack in stacks if board.marks(stack))
    return next(marked_ones, max(stacks, key=lambda stack: stack.view.images))


def _windows(modality: str) -> tuple[tuple[str, str], ...]:
    if modality in _COLOURED:
        return _ANY[:1]
    return (*_ANY, *_CT) if modality == "CT" else _ANY
