"""The DICOM JSON Model (PS3.18 Annex F), made from files and from rows of the index."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

_LOG = logging.getLogger(__name__)
_BULK_VR = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_INLINE_BYTES = 1024

JsonDataset: TypeAlias = dict[str, dict[str, Any]]
BulkUri: TypeAlias = Callable[[str], str]


def tag_key(tag: BaseTag | int) -> str:
    """Eight hexadecimal digits, upper case."""
    return f"{int(tag):08X}"


def attribute(keyword: str, value: str | int | Iterable[str] | None) -> JsonDataset:
    """One attribute by keyword; no value makes an empty attribute.

    Examples:
        >>> attribute("Modality", "MR")
        {'00080060': {'vr': 'CS', 'Value': ['MR']}}
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    values = [value] if isinstance(value, str | int) else list(value or ())
    element: dict[str, Any] = {"vr": dictionary_VR(tag)}
    values = [item for item in values if item != ""]
    if values:
        element["Value"] = [_person_name(str(v)) for v in values] if element["vr"] == "PN" else values
    return {tag_key(tag): element}


def sequence(keyword: str, *items: JsonDataset) -> JsonDataset:
    """A sequence by keyword."""
    return {tag_key(tag_for_keyword(keyword) or 0): {"vr": "SQ", "Value": list(items)}}


def merged(*parts: JsonDataset) -> JsonDataset:
    """One data set of several, in order of tags."""
    together = {key: element for part in parts for key, element in part.items()}
    return dict(sorted(together.items()))


def dataset_to_json(dataset: Dataset, bulk_uri: BulkUri, path: str = "") -> JsonDataset:
    """A data set without its bulk data, which is named by URI instead.

    Args:
        dataset: File meta is left out, as PS3.18 10.4.3.3.2 wants it.
        bulk_uri: Makes the address of an element from its path, such as ``00091010`` or ``52009229/0/00091010``.
        path: Where ``dataset`` itself lies, with a slash at its end.
    """
    converted: JsonDataset = {}
    for tag in sorted(dataset.keys()):
        if tag.element == 0:  # group lengths say nothing about the object
            continue
        key = tag_key(tag)
        try:
            converted[key] = _element(dataset[tag], bulk_uri, f"{path}{key}")
        except (ValueError, TypeError, AttributeError, OverflowError, NotImplementedError) as error:
            # A broken value in one attribute must not hide the others; JSON has no place for it.
            _LOG.warning("attribute %s left out of the metadata: %s", key, type(error).__name__)
    if "00080005" in converted:
        converted["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return converted


def keyword_or_tag(name: str) -> str | None:
    """The keyword of an attribute that a client named by keyword or by eight hexadecimal digits; None if unknown."""
    if tag_for_keyword(name) is not None:
        return name
    try:
        return keyword_for_tag(Tag(int(name, 16))) or None if len(name) == 8 else None
    except (ValueError, OverflowError):
        return None


def _element(element: DataElement, bulk_uri: BulkUri, path: str) -> dict[str, Any]:
    if element.VR == "SQ":
        items = [dataset_to_json(item, bulk_uri, f"{path}/{index}/") for index, item in enumerate(element.value)]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    if element.VR in _BULK_VR and (element.tag == 0x7FE00010 or len(element.value or b"") > _INLINE_BYTES):
        return {"vr": element.VR, "BulkDataURI": bulk_uri(path)}
    content: dict[str, Any] = element.to_json_dict(None, _INLINE_BYTES)
    if "Value" in content:
        content["Value"] = [_finite(value) for value in content["Value"]]
    return content


def _finite(value: object) -> object:
    """JSON has no word for NaN and infinity (RFC 8259 6); an unknown number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _person_name(name: str) -> dict[str, str]:
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False)
    return {group: text for group, text in groups if text}
