"""The quick scan of a data set in memory says what `read_header` says, whatever the bytes are."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from dicomnode.dicom.header import InstanceHeader, read_header, scan_first_bytes, scan_header
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.errors import NotDicomError
from tests.data_sets import SYNTAXES, UIDS, data_sets, encode

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def outcome(data: bytes, syntax: str, *, scanned: bool) -> InstanceHeader | str:
    try:
        if scanned:
            return scan_header(memoryview(data), syntax)
        return read_header(BytesIO(part10_preamble("", "", syntax, "") + data))
    except NotDicomError as error:
        return str(error)


@settings(deadline=None, max_examples=80)
@given(data_sets())
def test_the_scan_finds_what_the_reader_finds(given_set: tuple[bytes, str]) -> None:
    data, syntax = given_set
    expected = outcome(data, syntax, scanned=False)
    assert isinstance(expected, InstanceHeader)
    assert outcome(data, syntax, scanned=True) == expected


@settings(deadline=None, max_examples=80)
@given(data_sets(), st.data())
def test_damaged_bytes_are_read_or_refused_alike(given_set: tuple[bytes, str], data: st.DataObject) -> None:
    content, syntax = bytearray(given_set[0]), given_set[1]
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    assert outcome(cut, syntax, scanned=True) == outcome(cut, syntax, scanned=False)


@settings(deadline=None, max_examples=40)
@given(data_sets(), st.data())
def test_first_bytes_say_the_same_or_nothing(given_set: tuple[bytes, str], data: st.DataObject) -> None:
    content, syntax = given_set
    header = scan_first_bytes(memoryview(content)[: data.draw(st.integers(0, len(content)))], syntax)
    assert header is None or header == scan_header(memoryview(content), syntax)


def test_the_usual_data_set_is_found_in_its_first_bytes() -> None:
    elements = [(tag, b"UI", uid) for tag, uid in UIDS.items()] + [(0x7FE00010, b"OB", bytes(2_000_000))]
    for syntax in SYNTAXES:
        data = memoryview(encode(elements, syntax == ImplicitVRLittleEndian))
        header = scan_first_bytes(data[:4096], syntax)
        assert header is not None
        assert (header.sop_instance_uid, header.transfer_syntax_uid) == ("1.2.3", syntax)


def test_encodings_that_are_not_walked_are_read() -> None:
    content = encode([(tag, b"UI", uid) for tag, uid in UIDS.items()], False)
    packed = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = packed.compress(content) + packed.flush()
    assert scan_first_bytes(memoryview(deflated), DeflatedExplicitVRLittleEndian, whole=True) is None
    assert scan_header(memoryview(deflated), DeflatedExplicitVRLittleEndian).study_instance_uid == "1.2.4"
    swapped = b"".join(
        struct.pack(">HH2sH", tag >> 16, tag & 0xFFFF, b"UI", len(uid)) + uid for tag, uid in sorted(UIDS.items())
    )
    assert scan_header(memoryview(swapped), ExplicitVRBigEndian).study_instance_uid == "1.2.4"
