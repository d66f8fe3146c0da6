"""Checks of the measurement report: the tree of TID 1500 and its groups."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicomnode.evidence import concepts
from dicomnode.evidence.gate.subject import Subject, children, concept, named
from dicomnode.findings import Code

# Rows of TID 1500 in their order: concept, relationship, fewest, most
_ROWS = (
    (concepts.LANGUAGE, "HAS CONCEPT MOD", 1, 1),
    (concepts.OBSERVER_TYPE, "HAS OBS CONTEXT", 1, 1),
    (concepts.DEVICE_UID, "HAS OBS CONTEXT", 1, 1),
    (concepts.PROCEDURE_REPORTED, "HAS CONCEPT MOD", 1, 9),
    (concepts.IMAGE_LIBRARY, "CONTAINS", 1, 1),
    (concepts.IMAGING_MEASUREMENTS, "CONTAINS", 1, 1),
    (concepts.QUALITATIVE_EVALUATIONS, "CONTAINS", 0, 1),
)
_GROUP_ROWS = (
    (concepts.TRACKING_IDENTIFIER, "HAS OBS CONTEXT"),
    (concepts.TRACKING_UID, "HAS OBS CONTEXT"),
    (concepts.ALGORITHM_NAME, "HAS CONCEPT MOD"),
    (concepts.ALGORITHM_VERSION, "HAS CONCEPT MOD"),
)
_SCORES = (concepts.CERTAINTY_OF_FINDING, concepts.PROBABILITY_OF_CANCER)


def root(subject: Subject) -> Iterator[str]:
    """Title, template, and the rows of TID 1500: each as often as it may be, and in order."""
    if not subject.is_report:
        return
    dataset, items = subject.dataset, children(subject.dataset)
    yield from title(dataset, concepts.IMAGING_MEASUREMENT_REPORT, "1500")
    for code, relationship, fewest, most in _ROWS:
        found = named(items, code)
        if not fewest <= len(found) <= most:
            yield f"root has {len(found)} items {code.meaning!r}; TID 1500 wants {fewest} to {most}"
        yield from _exact(found, code, relationship)
    order = [
        next((i for i, row in enumerate(_ROWS) if concept(item)[:2] == (row[0].value, row[0].scheme)), None)
        for item in items
    ]
    places = [place for place in order if place is not None]
    if places != sorted(places):
        yield "root: the items are not in the order of TID 1500"


def title(dataset: Dataset, code: Code, template: str) -> Iterator[str]:
    """The root's concept name and template."""
    if concept(dataset) != (code.value, code.scheme, code.meaning):
        yield f"root: the title is not {code.meaning!r}"
    templates = [item.get("TemplateIdentifier") for item in dataset.get("ContentTemplateSequence") or []]
    if templates != [template]:
        yield f"root: the template is not TID {template}"


def _exact(items: list[Dataset], code: Code, relationship: str) -> Iterator[str]:
    # Viewers look for English meanings, not only for code values.
    for item in items:
        if concept(item)[2] != code.meaning:
            yield f"item {code.meaning!r} has another meaning: {concept(item)[2]!r}"
        if item.get("RelationshipType") != relationship:
            yield f"item {code.meaning!r} has relationship {item.get('RelationshipType')!r}, not {relationship!r}"


def library(subject: Subject) -> Iterator[str]:
    """The image library has groups, and each group images (TID 1600, TID 1601)."""
    if not subject.is_report:
        return
    for found in named(children(subject.dataset), concepts.IMAGE_LIBRARY):
        groups = named(children(found), concepts.IMAGE_LIBRARY_GROUP)
        if not groups or len(groups) != len(children(found)):
            yield "image library: it must hold image library groups, at least one, and nothing else"
        for group in groups:
            if not any(item.get("ValueType") in ("IMAGE", "COMPOSITE") for item in children(group)):
                yield "image library: a group holds no image"


def groups_of(subject: Subject) -> list[Dataset]:
    """The measurement groups of a report, and whatever else stands among them."""
    found = named(children(subject.dataset), concepts.IMAGING_MEASUREMENTS)
    return [group for container in found for group in children(container)]


def groups(subject: Subject) -> Iterator[str]:
    """Every group is tracked, named and signed by its algorithm; scores are percentages."""
    if not subject.is_report:
        return
    found = groups_of(subject)
    if not found:
        yield "imaging measurements hold no measurement group"
    tracked = []
    for number, group in enumerate(found, 1):
        if Code(*concept(group)) != concepts.MEASUREMENT_GROUP:
            yield f"group {number} is not a Measurement Group"
        for code, relationship in _GROUP_ROWS:
            items = named(children(group), code)
            if len(items) != 1:
                yield f"group {number} has {len(items)} items {code.meaning!r}; there must be one"
            yield from _exact(items, code, relationship)
        tracked += [str(item.get("UID")) for item in named(children(group), concepts.TRACKING_UID)]
        yield from _scores(number, group)
    if len(set(tracked)) < len(tracked):
        yield "two groups have the same tracking UID"


def _value(measured: Dataset) -> float:
    value = measured.get("NumericValue")
    return -1.0 if value in (None, "") else float(value)


def _scores(number: int, group: Dataset) -> Iterator[str]:
    findings = [concept(item, "ConceptCodeSequence") for item in named(children(group), concepts.FINDING)]
    if len(findings) > 1:
        yield f"group {number} has more than one finding"
    for code in _SCORES:
        for item in (i for i in named(children(group), code) if i.get("ValueType") == "NUM"):
            for measured in item.get("MeasuredValueSequence") or []:
                unit = concept(measured, "MeasurementUnitsCodeSequence")[0]
                if unit != "%" or not 0 <= _value(measured) <= 100:
                    yield f"group {number}: {code.meaning!r} is not a percentage of 0 to 100"
    if named(children(group), concepts.PROBABILITY_OF_CANCER) and not any(
        concepts.is_cancer(Code(*finding)) for finding in findings
    ):
        yield f"group {number} gives a probability of cancer for a finding that need not be cancer"
