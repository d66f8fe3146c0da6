"""Structured reports as trees of words (PS3.3 C.17.3), for people who look without a viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from dicomnode.errors import InputError

_DEEPEST = 64  # TID 1500 goes eight levels down; a hostile file may nest until the process ends


@dataclass(frozen=True, slots=True)
class ContentItem:
    """A content item in words.

    Attributes:
        relationship: Relationship Type (0040,A010), empty of the root.
        value_type: Value Type (0040,A040), such as ``NUM``.
        concept: Meaning of the Concept Name, empty if it has none.
        value: Its value in words, empty of a container.
        children: Content items below it.
    """

    relationship: str
    value_type: str
    concept: str
    value: str
    children: tuple[ContentItem, ...]


def read_content(dataset: Dataset) -> ContentItem:
    """The content tree of a structured report; names of people are left out.

    Raises:
        InputError: It holds no content tree, or one that is nested beyond reason.
    """
    if "ValueType" not in dataset:
        raise InputError("the object holds no content tree: it is no structured report")
    return _item(dataset, 0)


def _item(item: Dataset, depth: int) -> ContentItem:
    if depth > _DEEPEST:
        raise InputError(f"the report's content is nested more than {_DEEPEST} levels deep")
    return ContentItem(
        relationship=str(item.get("RelationshipType") or ""),
        value_type=str(item.get("ValueType") or ""),
        concept=_meaning(item, "ConceptNameCodeSequence"),
        value=_value(item),
        children=tuple(_item(child, depth + 1) for child in item.get("ContentSequence") or ()),
    )


def _meaning(item: Dataset, keyword: str) -> str:
    codes = item.get(keyword) or ()
    return str(codes[0].get("CodeMeaning") or codes[0].get("CodeValue") or "") if codes else ""


def _value(item: Dataset) -> str:
    words = _WORDS.get(str(item.get("ValueType") or ""))
    return "" if words is None else words(item)


def _number(item: Dataset) -> str:
    measured = item.get("MeasuredValueSequence") or ()
    if not measured:
        return _meaning(item, "NumericValueQualifierCodeSequence") or "no value"
    return f"{_plain(str(measured[0].get('NumericValue', '')))} {_unit(measured[0])}".strip()


def _plain(number: str) -> str:
    """Six digits: more were never measured, and decimal strings carry sixteen."""
    try:
        return f"{float(number):.6g}"
    except ValueError:
        return number


def _unit(measured: Dataset) -> str:
    codes = measured.get("MeasurementUnitsCodeSequence") or ()
    unit = str(codes[0].get("CodeValue") or "") if codes else ""
    return "" if unit == "1" else unit.strip("{}")  # UCUM writes what is counted in braces


def _coordinates(item: Dataset) -> str:
    data = item.get("GraphicData") or ()
    dimensions = 3 if item.get("ValueType") == "SCOORD3D" else 2
    return f"{item.get('GraphicType', '')}, {len(data) // dimensions} points"


def _reference(item: Dataset) -> str:
    named = item.get("ReferencedSOPSequence") or ()
    if not named:
        return ""
    frame = named[0].get("ReferencedFrameNumber")
    return f"{named[0].get('ReferencedSOPInstanceUID', '')}{'' if frame is None else f' frame {frame}'}"


def _text_of(keyword: str) -> Callable[[Dataset], str]:
    return lambda item: str(item.get(keyword) or "")


_WORDS: dict[str, Callable[[Dataset], str]] = {
    "TEXT": _text_of("TextValue"),
    "CODE": lambda item: _meaning(item, "ConceptCodeSequence"),
    "NUM": _number,
    "UIDREF": _text_of("UID"),
    "DATETIME": _text_of("DateTime"),
    "DATE": _text_of("Date"),
    "TIME": _text_of("Time"),
    "SCOORD": _coordinates,
    "SCOORD3D": _coordinates,
    "TCOORD": _text_of("TemporalRangeType"),
    "IMAGE": _reference,
    "COMPOSITE": _reference,
    "WAVEFORM": _reference,
}
