"""What mammographic views are called: codes, the ACR's abbreviations, and labels in free text.

Codes are those of CID 4014 (views) and CID 4015 (modifiers), each with the SNOMED RT identifier that older modalities
write under the designators SRT, SNM3 or 99SDM (PS3.16 8.1.1). Abbreviations are the ACR MQCM 1999 equivalents of the
same tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.dataset import Dataset

SNOMED = frozenset({"SCT", "SRT", "SNM3", "99SDM"})

# CID 4014: SNOMED CT, SNOMED RT, ACR equivalent
VIEW_CODES = (
    ("399260004", "R-10224", "ML"),
    ("399368009", "R-10226", "MLO"),
    ("399352003", "R-10228", "LM"),
    ("399099002", "R-10230", "LMO"),
    ("399162004", "R-10242", "CC"),
    ("399196006", "R-10244", "FB"),
    ("399188001", "R-102D0", "SIO"),
    ("441555000", "R-40AAA", "ISO"),
    ("399192008", "R-1024A", "XCCL"),
    ("399101009", "R-1024B", "XCCM"),
    ("127457009", "G-8310", "specimen"),
)
# Codes of earlier editions of CID 4014, still found in archives.
_DEPRECATED_VIEWS = {"Y-X1770": "XCCL", "Y-X1771": "XCCM"}

# CID 4015: SNOMED CT, SNOMED RT, our word
MODIFIER_CODES = (
    ("399161006", "R-102D2", "cleavage"),
    ("399011000", "R-102D1", "axillary tail"),
    ("399197002", "R-102D3", "rolled lateral"),
    ("399226006", "R-102D4", "rolled medial"),
    ("414493004", "R-102CA", "rolled inferior"),
    ("415670009", "R-102C9", "rolled superior"),
    ("399209000", "R-102D5", "implant displaced"),
    ("399163009", "R-102D6", "magnification"),
    ("399055006", "R-102D7", "spot compression"),
    ("399110001", "R-102C2", "tangential"),
    ("442581004", "R-40AB3", "nipple in profile"),
    ("441752004", "P2-00161", "anterior compression"),
    ("442593008", "R-40ABE", "infra-mammary fold"),
    ("442580003", "R-40AB2", "axillary tissue"),
)

# CID 244: SNOMED CT, SNOMED RT, letter
SIDE_CODES = (("7771000", "G-A101", "L"), ("24028007", "G-A100", "R"), ("51440002", "G-A102", "B"))

_VIEWS = {code: name for row in VIEW_CODES for code, name in ((row[0], row[2]), (row[1], row[2]))} | _DEPRECATED_VIEWS
_MODIFIERS = {code: name for row in MODIFIER_CODES for code, name in ((row[0], row[2]), (row[1], row[2]))}
_SIDES = {code: name for row in SIDE_CODES for code, name in ((row[0], row[2]), (row[1], row[2]))}

_SUFFIXES = {
    "ID": "implant displaced",
    "RL": "rolled lateral",
    "RM": "rolled medial",
    "RI": "rolled inferior",
    "RS": "rolled superior",
    "NP": "nipple in profile",
    "AC": "anterior compression",
    "IMF": "infra-mammary fold",
    "AX": "axillary tissue",
}
_PREFIXES = {"M": "magnification", "S": "spot compression"}
# Labels that stand for a view and a modifier at once, or for a modifier of any view.
_REPLACEMENTS = {"CV": ("CC", "cleavage"), "AT": ("MLO", "axillary tail"), "TAN": ("", "tangential")}
_LABEL = re.compile(
    r"(?P<side>[LR]?)(?P<prefix>[MS]?)"
    r"(?P<view>XCCL|XCCM|XCC|CC|MLO|LMO|ML|LM|FB|SIO|ISO|CV|AT|TAN)(?P<suffix>ID|RL|RM|RI|RS|NP|AC|IMF|AX|)"
)
# Abbreviations that are no ordinary words or units; the others count in a longer text only beside a side.
_UNMISTAKABLE = frozenset({"CC", "MLO", "LMO", "XCCL", "XCCM", "XCC"})
_SIDE_WORDS = {"L": "L", "LT": "L", "LEFT": "L", "R": "R", "RT": "R", "RIGHT": "R"}


@dataclass(frozen=True, slots=True)
class Label:
    """A view as a label names it; what the label leaves open is empty.

    Attributes:
        side: ``L``, ``R`` or empty.
        position: ACR equivalent of the view, such as ``MLO``, or empty.
        modifiers: Words of CID 4015, such as ``magnification``.
    """

    side: str = ""
    position: str = ""
    modifiers: tuple[str, ...] = ()


def view_of_code(item: Dataset) -> str:
    """ACR equivalent of an item of View Code Sequence (0054,0220); empty if it is none of CID 4014."""
    return _lookup(item, _VIEWS)


def modifier_of_code(item: Dataset) -> str:
    """Word for an item of View Modifier Code Sequence (0054,0222); empty if it is none of CID 4015."""
    return _lookup(item, _MODIFIERS)


def side_of_code(item: Dataset) -> str:
    """``L``, ``R`` or ``B`` (both) for an item of a modifier sequence that names a side, else empty."""
    return _lookup(item, _SIDES)


def read_label(text: str) -> Label:
    """The view that a label or a description names, such as ``LCC``, ``R MLO``, ``MMLO`` or ``Left ML ID``.

    A text that names two different views, such as ``L CC / L MLO``, names none.
    """
    words = [word for word in re.split(r"[^A-Z0-9]+", text.upper()) if word]
    found = {label for index in range(len(words)) if (label := _label_at(words, index)) is not None}
    return found.pop() if len(found) == 1 else Label()


def _label_at(words: list[str], index: int) -> Label | None:
    match = _LABEL.fullmatch(words[index])
    if match is None:
        return None
    before = _SIDE_WORDS.get(words[index - 1], "") if index else ""
    after = words[index + 1] if index + 1 < len(words) else ""
    position, stood_for = _REPLACEMENTS.get(match["view"], (match["view"], ""))
    named = (
        _PREFIXES.get(match["prefix"], ""),
        stood_for,
        _SUFFIXES.get(match["suffix"], ""),
        _SUFFIXES.get(after, ""),
    )
    side = match["side"] or before or _SIDE_WORDS.get(after, "")
    if not side and len(words) > 1 and match["view"] not in _UNMISTAKABLE:
        return None
    return Label(side, position, tuple(dict.fromkeys(word for word in named if word)))


def _lookup(item: Dataset, table: dict[str, str]) -> str:
    if str(item.get("CodingSchemeDesignator", "")).strip() not in SNOMED:
        return ""
    return table.get(str(item.get("CodeValue", "")).strip(), "")
