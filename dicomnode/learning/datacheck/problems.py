"""What of a check needs attention, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dicomnode.learning.datacheck.counting import NO_BOX, NO_FINDING
from dicomnode.learning.datacheck.findings import Conflict, DataCheck, Problem
from dicomnode.learning.recipes.recipe import DataSection

_SHOWN = 3


def find_problems(section: DataSection, check: DataCheck) -> tuple[Problem, ...]:
    """Errors, which keep training from running, then warnings, which make its figures doubtful."""
    errors = [Problem("error", text) for text in _errors(section, check)]
    finders = (_classes, _duplicates, _leaks, _patients, _conflicts, _boxes, _unlisted, _repairs)
    return (*errors, *(Problem("warning", text) for find in finders for text in find(section, check)))


def _errors(section: DataSection, check: DataCheck) -> Iterator[str]:
    if check.unreadable:
        named = [f"{one.name} ({one.reason})" for one in check.unreadable]
        yield f"{_count(check.unreadable, 'picture')} cannot be read: {_some(named)}"
    for one in check.splits:
        if not one.pictures and one.split in (section.train, section.valid):
            yield f"split {one.split!r} holds no picture"


def _classes(section: DataSection, check: DataCheck) -> Iterator[str]:
    for one in check.classes:
        if one.split == section.train and not one.pictures and one.name not in (NO_BOX, NO_FINDING):
            yield f"class {one.name!r} has no picture in split {one.split!r}: it cannot be learned"
    for split in check.splits:
        if split.split not in (section.train, section.valid, section.test):
            yield f"{split.pictures} pictures of split {split.split!r} are not used: the recipe has no such split"


def _duplicates(section: DataSection, check: DataCheck) -> Iterator[str]:
    if check.exact.groups:
        groups = len(check.exact.groups)
        yield f"{check.exact.extra} extra exact copies in {groups} groups of the same pixels"


def _leaks(section: DataSection, check: DataCheck) -> Iterator[str]:
    for one in check.splits:
        if one.near_twin_in_train:
            yield (
                f"{one.near_twin_in_train} of {one.pictures} pictures of split {one.split!r} have a near duplicate in"
                f" {section.train!r}, {one.exact_twin_in_train} of them an exact one: figures on them measure memory"
            )
        if one.clean_with_twin:
            yield (
                f"{one.clean_with_twin} of {one.clean} pictures of split {one.split!r} that column"
                f" {section.clean_column} calls clean have a near duplicate in {section.train!r}"
            )


def _patients(section: DataSection, check: DataCheck) -> Iterator[str]:
    if check.shared_patients:
        named = [" and ".join(one.examples) for one in check.shared_patients]
        count = len(check.shared_patients)
        owners = "1 patient has" if count == 1 else f"{count} patients have"
        yield f"{owners} pictures in more than one split: {_some(named)}"


def _conflicts(section: DataSection, check: DataCheck) -> Iterator[str]:
    for alike in ("same pixels", "near duplicates"):
        found = [one for one in check.conflicts if one.alike == alike]
        if found:
            named = [_labelled(one) for one in found]
            yield f"{_count(found, 'group')} of {alike} with different labels: {_some(named)}"


def _labelled(conflict: Conflict) -> str:
    by_label = dict(zip(conflict.labels, conflict.pictures, strict=True))
    return " and ".join(f"{name} ({label})" for label, name in sorted(by_label.items()))


def _boxes(section: DataSection, check: DataCheck) -> Iterator[str]:
    if check.wrong_boxes:
        named = [f"{one.name} {one.reason}" for one in check.wrong_boxes]
        yield f"{len(check.wrong_boxes)} wrong boxes: {_some(named)}"


def _unlisted(section: DataSection, check: DataCheck) -> Iterator[str]:
    if check.unlisted:
        files = _count(check.unlisted, "picture")
        yield f"{files} of the data folder not used, for the labels leave out: {_some(check.unlisted)}"


def _repairs(section: DataSection, check: DataCheck) -> Iterator[str]:
    for kind in dict.fromkeys(one.kind for one in check.repairs):
        named = [f"{one.name}: {one.text}" for one in check.repairs if one.kind == kind]
        yield f"{_count(named, 'repair')} of {kind}: {_some(named)}"


def _count(things: Sequence[object], noun: str) -> str:
    return f"1 {noun}" if len(things) == 1 else f"{len(things)} {noun}s"


def _some(names: Sequence[str]) -> str:
    shown = "; ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}; and {len(names) - _SHOWN} more"
