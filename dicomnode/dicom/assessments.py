"""What a radiologist's structured report says of each breast: a BI-RADS category, or a probability of cancer.

Read are the assessments of a Breast Imaging Report (PS3.16 TID 4200, with TID 4203 for the assessment and TID 4206 for
the findings) and of any other report that uses the same concepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.dataset import Dataset

from dicomnode.errors import InputError

LIKELIHOOD: Mapping[str, float] = MappingProxyType(
    {"1": 0.0, "2": 0.0, "3": 0.01, "4A": 0.06, "4B": 0.3, "4C": 0.725, "4": 0.485, "5": 0.975, "6": 1.0}
)
"""Probability of malignancy by BI-RADS category: the middle of the range that the atlas (5th edition) gives each.

Categories 1 and 2 are essentially 0, 3 is up to 2 %, 4A up to 10 %, 4B up to 50 %, 4C below 95 %, 4 undivided all of
these, 5 from 95 % on; 6 is proven. Category 0 is incomplete and has none.
"""
RECALL_ABOVE = 0.02
"""Probability above which the atlas recommends a biopsy: from category 4 on."""

_ASSESSMENT = (("111005", "DCM"), ("111413", "DCM"))  # Assessment Category, Overall Assessment
_PROBABILITY = ("111047", "DCM")
_LATERALITY = (("272741003", "SCT"), ("G-C171", "SRT"))
_SITE = (("363698007", "SCT"), ("G-C0E3", "SRT"))
_OBSERVER_TYPE, _OBSERVER_NAME = ("121005", "DCM"), ("121008", "DCM")
_DEVICE = ("121007", "DCM")
# CID 6026 and 6027; the codes of the scheme BI, and the retired SRT, stand in reports of older systems.
_CATEGORIES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("397138000", "SCT"): "0",
        ("397140005", "SCT"): "1",
        ("397141009", "SCT"): "2",
        ("397143007", "SCT"): "3",
        ("397144001", "SCT"): "4",
        ("397145000", "SCT"): "5",
        ("F-037BB", "SRT"): "0",
        ("F-037BC", "SRT"): "1",
        ("F-037BD", "SRT"): "2",
        ("F-037BF", "SRT"): "3",
        ("F-037C0", "SRT"): "4",
        ("F-037C1", "SRT"): "5",
        ("II.AC.a", "BI"): "0",
        ("II.AC.b.1", "BI"): "1",
        ("II.AC.b.2", "BI"): "2",
        ("II.AC.b.3", "BI"): "3",
        ("II.AC.b.4", "BI"): "4",
        ("II.AC.b.5", "BI"): "5",
        ("MA.II.A.5.4A", "BI"): "4A",
        ("MA.II.A.5.4B", "BI"): "4B",
        ("MA.II.A.5.4C", "BI"): "4C",
        ("MA.II.A.5.6", "BI"): "6",
    }
)
# CID 244, CID 6022 and their retired codes.
_SIDES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("7771000", "SCT"): "L",
        ("80248007", "SCT"): "L",
        ("G-A101", "SRT"): "L",
        ("T-04030", "SRT"): "L",
        ("24028007", "SCT"): "R",
        ("73056007", "SCT"): "R",
        ("G-A100", "SRT"): "R",
        ("T-04020", "SRT"): "R",
        ("51440002", "SCT"): "LR",
        ("63762007", "SCT"): "LR",
        ("G-A102", "SRT"): "LR",
        ("T-04080", "SRT"): "LR",
    }
)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a reader thinks of one breast or of the whole exam.

    Attributes:
        side: ``L``, ``R``, or empty for the whole exam.
        probability: Of cancer, 0..1; of a BI-RADS category, `LIKELIHOOD`.
    """

    side: str
    probability: float


def likelihood(category: str) -> float:
    """Probability, 0..1, that goes with a BI-RADS category such as ``4A``.

    Raises:
        InputError: If it is no final assessment.
    """
    name = re.sub(r"^(BI-?RADS)?\s*", "", category.strip(), flags=re.IGNORECASE).upper()
    if name not in LIKELIHOOD:
        raise InputError(
            f"BI-RADS category {category!r}: is no final assessment; give {', '.join(LIKELIHOOD)} or a probability"
        )
    return LIKELIHOOD[name]


def assessments_of(document: Dataset) -> tuple[Assessment, ...]:
    """The gravest assessment of each breast or, where no breast is named, of the exam; none if the report has none.

    Args:
        document: A structured report.

    Raises:
        InputError: If a category is 0 (incomplete), or a probability is not in percent or a share.
    """
    gravest: dict[str, float] = {}
    for sides, probability in _walk(document, ""):
        for side in sides or ("",):
            gravest[side] = max(probability, gravest.get(side, 0.0))
    if len(gravest) > 1:
        gravest.pop("", None)
    return tuple(Assessment(side, probability) for side, probability in sorted(gravest.items()))


def observer_of(document: Dataset) -> str | None:
    """Name of the person who made the report, empty if it names none; None if a device made it (TID 1002)."""
    context = list(_children(document))
    if any(_name(item) == _OBSERVER_TYPE and _value(item) == _DEVICE for item in context):
        return None
    names = [str(item.get("PersonName", "")) for item in context if _name(item) == _OBSERVER_NAME]
    verifiers = [str(item.get("VerifyingObserverName", "")) for item in document.get("VerifyingObserverSequence", ())]
    return next(filter(None, (*names, *verifiers)), "")


def _walk(item: Dataset, inherited: str) -> Iterator[tuple[str, float]]:
    """Sides and probability of every assessment below an item."""
    for child in _children(item):
        sides = _side_of(child) or inherited
        if _name(child) in _ASSESSMENT and _value(child) in _CATEGORIES:
            yield sides, likelihood(_CATEGORIES[_value(child)])
        elif _name(child) == _PROBABILITY and child.get("MeasuredValueSequence"):
            yield sides, _share(child.MeasuredValueSequence[0])
        yield from _walk(child, sides)


def _share(measured: Dataset) -> float:
    value, unit = float(measured.get("NumericValue", "nan")), _code(measured, "MeasurementUnitsCodeSequence")[0]
    share = value / 100 if unit == "%" else value
    if not 0 <= share <= 1 or unit not in ("%", "1"):
        raise InputError(f"probability of cancer {value:g} {unit or 'without a unit'}: give percent, or a share 0..1")
    return share


def _side_of(item: Dataset) -> str:
    """``L``, ``R`` or ``LR`` as an item's modifiers say, or those of its finding site; empty if they do not."""
    for child in _children(item):
        if _name(child) in (*_LATERALITY, *_SITE) and (side := _SIDES.get(_value(child)) or _side_of(child)):
            return side
    return ""


def _children(item: Dataset) -> Iterator[Dataset]:
    yield from item.get("ContentSequence", None) or ()


def _name(item: Dataset) -> tuple[str, str]:
    return _code(item, "ConceptNameCodeSequence")


def _value(item: Dataset) -> tuple[str, str]:
    return _code(item, "ConceptCodeSequence")


def _code(item: Dataset, keyword: str) -> tuple[str, str]:
    sequence = item.get(keyword, None)
    if not sequence:
        return "", ""
    return str(sequence[0].get("CodeValue", "")), str(sequence[0].get("CodingSchemeDesignator", ""))
