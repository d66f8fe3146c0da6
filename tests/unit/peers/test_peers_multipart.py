"""Multipart bodies, whole and broken, in pieces of every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.peers.multipart import MultipartError, parse_content_type, parse_multipart


def body(*contents: bytes, boundary: bytes = b"b", preamble: bytes = b"", end: bytes = b"--\r\n") -> bytes:
    parts = b"".join(b"\r\n--%s\r\nContent-Type: application/dicom\r\n\r\n%s" % (boundary, item) for item in contents)
    return preamble + (parts if preamble else parts.removeprefix(b"\r\n")) + b"\r\n--" + boundary + end


def split(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def contents(chunks: list[bytes], boundary: str = "b") -> list[bytes]:
    return [b"".join(part.content) for part in parse_multipart(chunks, boundary)]


@given(
    items=st.lists(
        st.binary(max_size=60).filter(lambda item: b"\r\n--b" not in b"\r\n" + item), min_size=1, max_size=4
    ),
    size=st.integers(1, 90),
)
def test_parts_come_out_as_they_went_in(items: list[bytes], size: int) -> None:
    assert contents(split(body(*items), size)) == items


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_content_that_looks_almost_like_a_boundary_is_content(size: int) -> None:
    tricky = [b"\r\n-", b"\r\n--", b"\r\r\n--a", b"-b\r\n", b"\r\n\r\n", b""]
    assert contents(split(body(*tricky), size)) == tricky


def test_preamble_and_epilogue_say_nothing() -> None:
    assert contents([body(b"x", preamble=b"ignore me") + b"and me"]) == [b"x"]


def test_a_part_that_is_not_read_is_skipped() -> None:
    seen = [part.media_type for part in parse_multipart([body(b"x" * 100, b"y")], "b")]
    assert seen == ["application/dicom", "application/dicom"]


def test_headers_are_read_without_regard_to_case() -> None:
    data = b"--b\r\nCONTENT-type:  Application/DICOM; transfer-syntax=1.2\r\nContent-Location: u\r\n\r\nx\r\n--b--"
    (part,) = [(part.headers, part.media_type) for part in parse_multipart([data], "b")]
    assert part == (
        {"content-type": "Application/DICOM; transfer-syntax=1.2", "content-location": "u"},
        "application/dicom",
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends before its last boundary"),
        (b"no boundary at all", "ends before its last boundary"),
        (body(b"x")[:-9], "ends before its last boundary"),
        (b"--b\r\nContent-Type: application/dicom\r\n", "ends before its last boundary"),
        (b"--bc\r\n\r\nx\r\n--b--", "followed by other text"),
        (b"--b\r\nno colon\r\n\r\nx\r\n--b--", "no colon"),
        (b"--b\r\n" + b"a: b\r\n" * 4000 + b"\r\nx\r\n--b--", "16 KiB"),
        (b"--b\r\n" + b"a" * 20000, "no end"),
    ],
)
def test_what_is_broken_is_said(data: bytes, message: str) -> None:
    for size in (1000, len(data) or 1):
        with pytest.raises(MultipartError, match=message):
            contents(split(data, size))


@pytest.mark.parametrize("boundary", ["", "b" * 201])
def test_a_boundary_must_be_usable(boundary: str) -> None:
    with pytest.raises(MultipartError, match="no usable boundary"):
        contents([b"x"], boundary)


def test_a_content_type_comes_apart() -> None:
    value = 'Multipart/Related; type="application/dicom"; boundary="a b;c"; Start=x'
    assert parse_content_type(value) == (
        "multipart/related",
        {"type": "application/dicom", "boundary": "a b;c", "start": "x"},
    )
    assert parse_content_type("application/dicom") == ("application/dicom", {})
