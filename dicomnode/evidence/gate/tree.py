"""Checks of any SR tree: value types, relationships, codes (PS3.3 C.17.3, A.35)."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicomnode.evidence.gate.subject import Subject, concept, descendants

_VALUE_OF = {
    "TEXT": "TextValue",
    "CODE": "ConceptCodeSequence",
    "NUM": "MeasuredValueSequence",
    "DATETIME": "DateTime",
    "DATE": "Date",
    "TIME": "Time",
    "UIDREF": "UID",
    "PNAME": "PersonName",
    "IMAGE": "ReferencedSOPSequence",
    "COMPOSITE": "ReferencedSOPSequence",
    "WAVEFORM": "ReferencedSOPSequence",
    "SCOORD": "GraphicData",
    "SCOORD3D": "GraphicData",
    "TCOORD": "TemporalRangeType",
    "CONTAINER": "ContinuityOfContent",
}
_NAME_OPTIONAL = ("IMAGE", "COMPOSITE", "WAVEFORM", "SCOORD", "SCOORD3D", "TCOORD", "CONTAINER")
_CONTEXT = frozenset({"TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME", "COMPOSITE"})
_EVERY = frozenset(_VALUE_OF)
_ALLOWED = {  # PS3.3 table A.35.13-2: relationship, then kinds of parent and of child
    "CONTAINS": (frozenset({"CONTAINER"}), _EVERY),
    "HAS OBS CONTEXT": (frozenset({"CONTAINER", "TEXT", "CODE", "NUM"}), _CONTEXT),
    "HAS ACQ CONTEXT": (
        frozenset({"CONTAINER", "IMAGE", "WAVEFORM", "COMPOSITE", "NUM", "SCOORD", "SCOORD3D"}),
        _CONTEXT | {"CONTAINER"},
    ),
    "HAS CONCEPT MOD": (_EVERY, frozenset({"TEXT", "CODE"})),
    "HAS PROPERTIES": (frozenset({"TEXT", "CODE", "NUM", "PNAME", "COMPOSITE", "IMAGE", "WAVEFORM"}), _EVERY),
    "INFERRED FROM": (frozenset({"TEXT", "CODE", "NUM"}), _EVERY),
    "SELECTED FROM": (frozenset({"SCOORD", "TCOORD"}), frozenset({"IMAGE", "SCOORD", "WAVEFORM"})),
}


def tree(subject: Subject) -> Iterator[str]:
    """Every item has a known value type, a value, a name, and a relationship that its parent may have."""
    if subject.dataset.get("Modality") != "SR":
        return
    yield from _item("1", subject.dataset)
    for place, parent, item in descendants(subject.dataset):
        yield from _item(place, item)
        yield from _relationship(place, parent, item)


def _item(place: str, item: Dataset) -> Iterator[str]:
    kind = str(item.get("ValueType") or "")
    if kind not in _VALUE_OF:
        yield f"item {place} has value type {kind!r}, which PS3.3 does not know"
        return
    if _VALUE_OF[kind] not in item:
        yield f"item {place} ({kind}) has no {_VALUE_OF[kind]}"
    elif kind != "NUM" and item[_VALUE_OF[kind]].is_empty:
        yield f"item {place} ({kind}) has an empty {_VALUE_OF[kind]}"
    if kind not in _NAME_OPTIONAL or "ConceptNameCodeSequence" in item:
        yield from _code(place, item, "ConceptNameCodeSequence")
    if kind == "CODE":
        yield from _code(place, item, "ConceptCodeSequence")
    if kind == "NUM":
        yield from _number(place, item)


def _code(place: str, item: Dataset, sequence: str) -> Iterator[str]:
    value, scheme, meaning = concept(item, sequence)
    if not (value and scheme and meaning):
        yield f"item {place}: {sequence} lacks value, scheme or meaning"
    if len(meaning) > 64 or len(scheme) > 16:
        yield f"item {place}: {sequence} has a meaning of over 64 or a scheme of over 16 characters"


def _number(place: str, item: Dataset) -> Iterator[str]:
    measured = list(item.get("MeasuredValueSequence") or [])
    if not measured and not item.get("NumericValueQualifierCodeSequence"):
        yield f"item {place} (NUM) has neither a value nor a reason why there is none"
    for value in measured:
        if value.get("NumericValue") in (None, ""):
            yield f"item {place} (NUM) has no NumericValue"
        if not concept(value, "MeasurementUnitsCodeSequence")[0]:
            yield f"item {place} (NUM) has no unit"


def _relationship(place: str, parent: Dataset, item: Dataset) -> Iterator[str]:
    relationship = str(item.get("RelationshipType") or "")
    if relationship not in _ALLOWED:
        yield f"item {place} has relationship {relationship!r}, which PS3.3 does not know"
        return
    parents, kinds = _ALLOWED[relationship]
    if parent.get("ValueType") not in parents or item.get("ValueType") not in kinds:
        yield f"item {place}: a {parent.get('ValueType')} may not {relationship} a {item.get('ValueType')}"
