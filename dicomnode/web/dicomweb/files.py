"""What is read out of stored files beside frames: metadata and bulk data."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicomnode.dicom.parsing import transfer_syntax_of
from dicomnode.errors import NotFoundError
from dicomnode.web.dicomweb.dicomjson import JsonDataset, attribute, dataset_to_json, merged

_DEFERRED_BYTES = 64 * 1024
_PIXEL_DATA = "7FE00010"


def metadata(path: Path, bulk_address: str) -> JsonDataset:
    """Everything in a stored file but its bulk data (PS3.18 10.4.1.1.2).

    Args:
        path: A stored file.
        bulk_address: Address under which the bulk data of this instance can be had.
    """
    dataset = dcmread(path, stop_before_pixels=True, defer_size=_DEFERRED_BYTES, force=True)
    syntax = transfer_syntax_of(dataset)
    return merged(
        dataset_to_json(dataset, lambda element: f"{bulk_address}/{element}"),
        attribute("AvailableTransferSyntaxUID", syntax),
        _pixel_data(dataset, bulk_address) if "BitsAllocated" in dataset else {},
    )


def header_attributes(path: Path, tags: Collection[str], bulk_address: str) -> JsonDataset:
    """Some attributes of a stored file; absent ones are left out.

    Args:
        path: A stored file.
        tags: As eight hexadecimal digits.
        bulk_address: As for `metadata`.
    """
    wanted = [int(tag, 16) for tag in tags]
    dataset = dcmread(path, stop_before_pixels=True, defer_size=_DEFERRED_BYTES, specific_tags=wanted, force=True)
    found = dataset_to_json(dataset, lambda element: f"{bulk_address}/{element}")
    if _PIXEL_DATA in tags:
        found |= {key: element for key, element in metadata(path, bulk_address).items() if key == _PIXEL_DATA}
    return {key: element for key, element in found.items() if key in tags}


def bulk_value(path: Path, element: str) -> bytes:
    """The value of one element of a stored file.

    Args:
        path: A stored file.
        element: Path as `dataset_to_json` made it: tags and item numbers in turn.

    Raises:
        NotFoundError: There is no such element, or its value is no bulk data.
    """
    missing = NotFoundError(f"the instance holds no bulk data at {element}")
    level: Dataset = dcmread(path, defer_size=_DEFERRED_BYTES, force=True)
    *steps, last = element.split("/")
    try:
        for tag, item in zip(steps[::2], steps[1::2], strict=True):
            level = level[Tag(int(tag, 16))].value[int(item)]
        value = level[Tag(int(last, 16))].value
    except (KeyError, IndexError, ValueError, TypeError, OverflowError):
        raise missing from None
    if not isinstance(value, bytes):
        raise missing
    return value


def _pixel_data(dataset: Dataset, bulk_address: str) -> JsonDataset:
    vr = "OW" if dataset.BitsAllocated > 8 else "OB"
    return {_PIXEL_DATA: {"vr": vr, "BulkDataURI": f"{bulk_address}/{_PIXEL_DATA}"}}


def bulk_elements(path: Path) -> list[str]:
    """Paths of all elements of a stored file that its metadata name by BulkDataURI."""
    return list(_named(metadata(path, "")))


def _named(level: JsonDataset) -> Iterator[str]:
    for element in level.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"].removeprefix("/")
        elif element["vr"] == "SQ":
            for item in element.get("Value", ()):
                yield from _named(item)
