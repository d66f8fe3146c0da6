"""Checks of a tally: its numbers fit each other."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicomnode.evidence.gate.report import groups_of
from dicomnode.evidence.gate.subject import Subject, children, concept, named
from dicomnode.evidence.tally import TALLIED_THINGS, tally_concepts
from dicomnode.findings import Code

_ROUNDING = 0.01  # percent


def tallies(subject: Subject) -> Iterator[str]:
    """What was examined and what was positive are counted together, and the percentage is theirs."""
    if subject.role != "answer":
        return
    for number, group in enumerate(groups_of(subject), 1):
        for thing in TALLIED_THINGS:
            for problem in _problems(thing, children(group)):
                yield f"group {number}: {problem}"


def _problems(thing: str, items: list[Dataset]) -> Iterator[str]:
    names = tally_concepts(thing)
    examined, positive = _value(items, names.examined), _value(items, names.positive)
    percentage = _value(items, names.percentage)
    if examined is None or positive is None:
        if (examined, positive, percentage) != (None, None, None):
            yield f"the tally of {thing}s lacks the number examined or the number positive"
        return
    for name in (names.examined, names.positive):
        if any(_unit(item) != names.unit.value for item in named(items, name)):
            yield f"{name.meaning!r} has a unit that is not {names.unit.value}"
    if not 0 <= positive <= examined or positive % 1 or examined % 1:
        yield f"the tally of {thing}s counts {positive:g} of {examined:g}"
    elif (percentage is None) != (examined == 0):
        yield f"the tally of {thing}s needs a percentage if, and only if, any were examined"
    elif percentage is not None and abs(percentage - 100 * positive / examined) > _ROUNDING:
        yield f"the percentage of {thing}s is {percentage:g}, but {positive:g} of {examined:g} were counted"


def _value(items: list[Dataset], name: Code) -> float | None:
    for item in named(items, name):
        for measured in item.get("MeasuredValueSequence") or []:
            return float(measured.get("NumericValue") or 0)
    return None


def _unit(item: Dataset) -> str:
    for measured in item.get("MeasuredValueSequence") or []:
        return concept(measured, "MeasurementUnitsCodeSequence")[0]
    return ""
