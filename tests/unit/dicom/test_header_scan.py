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
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from dicomnode.dicom.header import InstanceHeader, read_header, scan_first_bytes, scan_header
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.errors import NotDicomError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

Element = tuple[int, bytes, bytes]
UNDEFINED = b"\xff\xff\xff\xff"
UIDS = {0x00080016: b"1.2.840.10008.5.1.4.1.1.2", 0x00080018: b"1.2.3", 0x0020000D: b"1.2.4", 0x0020000E: b"1.2.5"}
TEXTS = {
    0x00080020: b"DA",
    0x00080030: b"TM",
    0x00080050: b"SH",
    0x00080060: b"CS",
    0x00080090: b"PN",
    0x00081030: b"LO",
    0x0008103E: b"LO",
    0x00081090: b"LO",
    0x00100010: b"PN",
    0x00100020: b"LO",
    0x00100021: b"LO",
    0x00100030: b"DA",
    0x00100040: b"CS",
    0x00180015: b"CS",
    0x00200010: b"SH",
    0x00200011: b"IS",
    0x00200013: b"IS",
    0x00280008: b"IS",
    0x00400244: b"DA",
    0x00400245: b"TM",
}
CHARACTER_SETS = (b"", b"ISO_IR 100", b"ISO_IR 192", b"GB18030", b"\\ISO 2022 IR 87", b"ISO_IR 999")
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless)


def encode(elements: list[Element], implicit: bool) -> bytes:
    """Elements in order, an odd value as it is; a sequence's value comes encoded, None of it as its length."""
    return b"".join(_element(tag, vr, value, implicit) for tag, vr, value in sorted(elements))


def _element(tag: int, vr: bytes, value: bytes, implicit: bool) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    length = UNDEFINED if value.endswith(SEQUENCE_END) else struct.pack("<L", len(value))
    if implicit:
        return head + length + value
    if vr in (b"SQ", b"UN", b"OB"):
        return head + vr + b"\0\0" + length + value
    return head + vr + length[:2] + value


SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def sequence(items: list[bytes], undefined: bool) -> bytes:
    if not undefined:
        return b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
    closed = (b"\xfe\xff\x00\xe0" + UNDEFINED + item + b"\xfe\xff\x0d\xe0\0\0\0\0" for item in items)
    return b"".join(closed) + SEQUENCE_END


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[bytes, str]:
    """Bytes of a data set and its transfer syntax: attributes that are there or not, sequences, private elements."""
    syntax = draw(st.sampled_from(SYNTAXES))
    implicit = syntax == ImplicitVRLittleEndian
    text = st.one_of(st.binary(max_size=12), st.sampled_from([b"12 ", b"7\0", b" A^B", b"3\\4", "Größe^Ä".encode()]))
    elements = [(tag, b"UI", uid + b"\0" * (len(uid) % 2)) for tag, uid in UIDS.items()]
    elements += [(tag, TEXTS[tag], draw(text)) for tag in draw(st.sets(st.sampled_from(sorted(TEXTS))))]
    elements += [(0x00080005, b"CS", draw(st.sampled_from(CHARACTER_SETS)))] * draw(st.booleans())
    elements += [(0x00280010, b"US", b"\x10\0"), (0x00280011, b"US", b"\x20\0")] * draw(st.booleans())
    elements += [(0x7FE00010, b"OB", bytes(600))] * draw(st.booleans())
    for tag in draw(st.sets(st.sampled_from([0x00081140, 0x00091001, 0x0018A001, 0x00400275]))):
        inner = [(0x00080070, b"LO", b"Maker "), (0x00400009, b"SH", b"S1"), (0x00401001, b"SH", draw(text))]
        nested = (0x00081140, b"SQ", sequence([encode(inner[:1], implicit)], draw(st.booleans())))
        items = [encode([*inner, nested], implicit)] * draw(st.integers(0, 2))
        elements.append((tag, b"SQ", sequence(items, draw(st.booleans()))))
    return encode(elements, implicit), syntax


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
