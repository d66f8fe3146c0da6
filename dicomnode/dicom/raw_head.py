"""The attributes that identify and describe an instance, as raw bytes, from any DICOM file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from dicomnode.dicom.head_scan import UnusualError, first_item, scan_data_set, scan_head
from dicomnode.dicom.parsing import PARSE_ERRORS, transfer_syntax_of
from dicomnode.errors import NotDicomError

# Heads are a few KiB; those that are longer hold large private elements, tables or long sequences first.
_FIRST_BYTES = (65536, 524288)
_COLUMNS = 0x00280011
_CONTRIBUTING, _REQUESTED = 0x0018A001, 0x00400275
_STEP, _PROCEDURE = _IDENTIFIERS = (0x00400009, 0x00401001)


@dataclass(frozen=True, slots=True)
class RawHead:
    """Raw values of a data set's head.

    Attributes:
        transfer_syntax_uid: That the file is in.
        little_endian: Byte order of binary values.
        values: By tag; what is absent is not in it.
        contributing: Manufacturer and model name of each item of Contributing Equipment (0018,A001).
        requested: Scheduled Procedure Step ID and Requested Procedure ID of the first item of Request Attributes
            Sequence (0040,0275), empty if absent.
    """

    transfer_syntax_uid: str
    little_endian: bool
    values: Mapping[int, bytes]
    contributing: tuple[tuple[bytes, bytes], ...] = ()
    requested: tuple[bytes, bytes] = (b"", b"")

    def value(self, tag: int) -> bytes:
        """Raw value of an attribute, empty if absent."""
        return self.values.get(tag, b"")


def read_raw_head(source: BinaryIO | Path, tags: frozenset[int]) -> RawHead:
    """Read the raw values of attributes, none of them a sequence, and what the node needs of two sequences.

    Args:
        source: A DICOM file, or a binary stream at its beginning.
        tags: Of the attributes.

    Raises:
        NotDicomError: The bytes are no DICOM data set.
        OSError: The file cannot be read.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return read_raw_head(file, tags)
    start = source.tell()
    first_bytes = b""
    for size in _FIRST_BYTES:
        first_bytes += source.read(size - len(first_bytes))
        is_whole = len(first_bytes) < size
        head = _scanned(first_bytes, tags, is_whole)
        if head is not None:
            return head
        if is_whole:
            break
    # What is too long or damaged behind the description of the image is done without: it only serves searches.
    head = _scanned(first_bytes, frozenset(tag for tag in tags if tag <= _COLUMNS), is_whole, with_request=False)
    if head is not None:
        return head
    source.seek(start)
    return _parsed(source, tags)


def _scanned(data: bytes, tags: frozenset[int], is_whole: bool, with_request: bool = True) -> RawHead | None:
    """A head found by walking the file's first bytes; None: there is more to it."""
    sequences = {_CONTRIBUTING, _REQUESTED} if with_request else {_CONTRIBUTING}
    try:
        return _head_of(*scan_head(data, tags | sequences, whole=is_whole))
    except UnusualError:
        return None


def scan_raw_head(data: memoryview, transfer_syntax_uid: str, tags: frozenset[int], *, whole: bool) -> RawHead | None:
    """The head of a data set that came without File Meta Information, if its bytes are of the usual kind.

    Args:
        data: Its first bytes.
        transfer_syntax_uid: That it is in.
        tags: Wanted, none of them a sequence.
        whole: Whether there are no more bytes.

    Returns:
        What `read_raw_head` finds in these bytes behind a head that names the transfer syntax; None: it must be asked,
        with all of them.
    """
    try:
        values = scan_data_set(data, transfer_syntax_uid, tags | {_CONTRIBUTING, _REQUESTED}, whole=whole)
        return _head_of(transfer_syntax_uid, values)
    except UnusualError:
        return None


def _head_of(syntax: str, values: dict[int, bytes]) -> RawHead | None:
    if _CONTRIBUTING in values:
        return None
    item = first_item(values.pop(_REQUESTED, b""), syntax, _IDENTIFIERS)
    return RawHead(syntax, True, values, requested=(item.get(_STEP, b""), item.get(_PROCEDURE, b"")))


def _parsed(source: BinaryIO, tags: frozenset[int]) -> RawHead:
    try:
        head = _pydicom_head(source, tags)
    except PARSE_ERRORS as error:
        raise NotDicomError(f"the bytes are not a DICOM data set ({_reason(error)}); send DICOM instances") from error
    except OSError as error:
        if error.errno is not None:
            raise
        # pydicom's word for a sequence whose items are no items
        raise NotDicomError("the bytes are not a DICOM data set (unsound sequence); send DICOM instances") from error
    if not head.values and not head.contributing:
        raise NotDicomError("the data set is empty or no DICOM: it holds none of the attributes that identify it")
    return head


def _pydicom_head(source: BinaryIO, tags: frozenset[int]) -> RawHead:
    sequences = (_CONTRIBUTING, _REQUESTED)
    dataset = dcmread(source, stop_before_pixels=True, force=True, specific_tags=[*tags, *sequences])
    values = {tag: raw_value(dataset, tag) for tag in map(int, dataset.keys()) if tag not in sequences}
    _, little_endian = dataset.original_encoding
    syntax = transfer_syntax_of(dataset)
    return RawHead(syntax, little_endian is not False, values, _contributing(dataset), _requested(dataset))


def _reason(error: Exception) -> str:
    # The message of a parse error may quote values, so only its kind is told.
    return "ends too early" if isinstance(error, EOFError) else type(error).__name__


def raw_value(dataset: Dataset, tag: int) -> bytes:
    """Value as it stands in the file; pydicom's own conversion would warn, validate and quote it."""
    element: object = dataset.get_item(tag) if tag in dataset else None
    if isinstance(element, RawDataElement):
        return element.value or b""
    if isinstance(element, DataElement) and element.value is not None:  # pydicom converts the character set at once
        values = [element.value] if isinstance(element.value, str) else list(element.value)
        return "\\".join(str(value) for value in values).encode("utf-8", "replace")
    return b""


def _contributing(dataset: Dataset) -> tuple[tuple[bytes, bytes], ...]:
    try:
        items = dataset.get("ContributingEquipmentSequence", None) or ()
        return tuple((raw_value(item, 0x00080070), raw_value(item, 0x00081090)) for item in items)
    except PARSE_ERRORS:
        return ()


def _requested(dataset: Dataset) -> tuple[bytes, bytes]:
    try:
        items = dataset.get("RequestAttributesSequence", None) or ()
        return next(((raw_value(item, _STEP), raw_value(item, _PROCEDURE)) for item in items), (b"", b""))
    except PARSE_ERRORS:
        return (b"", b"")
