"""Multipart bodies as DICOMweb uses them (RFC 2046 5.1, RFC 2387, PS3.18 8.6), read as they arrive.

Memory is bounded: a part is handed on in pieces, and its header may not be larger than 16 KiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from email.message import Message

from dicomnode.errors import InputError

_MAXIMUM_HEADER = 16 * 1024
_MAXIMUM_PARTS = 100_000
_MAXIMUM_BOUNDARY = 200  # RFC 2046 allows 70; some toolkits write longer ones


class MultipartError(InputError):
    """A body is not the multipart message that its Content-Type promises."""


def parse_content_type(value: str) -> tuple[str, dict[str, str]]:
    """Take a Content-Type (or one item of Accept) apart.

    Returns:
        Media type in lower case, and parameters by lower-case name, quotes removed.
    """
    message = Message()
    message["Content-Type"] = value
    pairs = message.get_params(failobj=[], unquote=True)
    return message.get_content_type(), {name.lower(): text for name, text in pairs[1:]}


class Part:
    """One part of a body; its content can be read once, while it is the current one.

    Attributes:
        headers: By lower-case name.
    """

    def __init__(self, headers: Mapping[str, str], content: Iterator[bytes]) -> None:
        self.headers = headers
        self.content = content

    @property
    def media_type(self) -> str:
        """Media type in lower case; the default of multipart/related in DICOMweb where it is absent."""
        return parse_content_type(self.headers.get("content-type", "application/dicom"))[0]

    @property
    def is_field(self) -> bool:
        """Whether it is a field of a form without a file name (RFC 7578 4.2)."""
        message = Message()
        message["Content-Disposition"] = self.headers.get("content-disposition", "")
        return message.get_content_disposition() == "form-data" and message.get_filename() is None


def parse_multipart(chunks: Iterable[bytes], boundary: str) -> Iterator[Part]:
    """Give the parts of a body one after the other; what is left of a part when the next is asked for is skipped.

    Args:
        chunks: The body in pieces of any size.
        boundary: From the Content-Type, without quotes and leading dashes.

    Raises:
        MultipartError: The body does not follow the syntax, or ends before its last boundary.
    """
    if not 0 < len(boundary) <= _MAXIMUM_BOUNDARY:
        raise MultipartError("the Content-Type names no usable boundary (1 to 200 characters)")
    reader = _Reader(iter(chunks), b"\r\n--" + boundary.encode("latin-1", "replace"))
    for _ in reader.until_boundary():
        pass  # the preamble says nothing, RFC 2046 5.1.1
    parts = 0
    while reader.next_part():
        parts += 1
        if parts > _MAXIMUM_PARTS:
            raise MultipartError(f"the multipart body has more than {_MAXIMUM_PARTS} parts; send several requests")
        part = Part(reader.headers(), reader.until_boundary())
        yield part
        for _ in part.content:
            pass


class _Reader:
    """A buffer over the chunks that never holds much more than one of them."""

    def __init__(self, chunks: Iterator[bytes], delimiter: bytes) -> None:
        self._chunks = chunks
        self._delimiter = delimiter
        # The first boundary may open the body: then no line break stands before it.
        self._buffer = bytearray(b"\r\n")

    def until_boundary(self) -> Iterator[bytes]:
        """The content up to the next boundary; the boundary itself is consumed."""
        while (found := self._buffer.find(self._delimiter)) < 0:
            safe = len(self._buffer) - len(self._delimiter) + 1
            if safe > 0:
                piece = bytes(self._buffer[:safe])
                del self._buffer[:safe]
                yield piece
            self._fill()
        piece = bytes(self._buffer[:found])
        del self._buffer[: found + len(self._delimiter)]
        if piece:
            yield piece

    def next_part(self) -> bool:
        """Whether a part follows the boundary that was just consumed, or the body ends with it."""
        while len(self._buffer) < 2:
            self._fill()
        if self._buffer.startswith(b"--"):
            return False
        rest_of_line = self._line()
        if rest_of_line.strip(b" \t"):
            raise MultipartError("a boundary of the multipart body is followed by other text")
        return True

    def headers(self) -> dict[str, str]:
        """The header lines of a part."""
        headers: dict[str, str] = {}
        size = 0
        while line := self._line():
            size += len(line) + 2
            if size > _MAXIMUM_HEADER:
                raise MultipartError("a part of the multipart body has more than 16 KiB of header")
            name, colon, value = line.partition(b":")
            if not colon:
                raise MultipartError("a header line of a part has no colon")
            headers[name.strip().decode("latin-1").lower()] = value.strip().decode("latin-1")
        # The line break that ends the header may be the one that opens the next boundary (an empty part).
        self._buffer[:0] = b"\r\n"
        if not self._starts_with_boundary():
            del self._buffer[:2]
        return headers

    def _starts_with_boundary(self) -> bool:
        while len(self._buffer) < len(self._delimiter):
            self._fill()
        return self._buffer.startswith(self._delimiter)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MAXIMUM_HEADER:
                raise MultipartError("a header line of the multipart body has no end")
            self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _fill(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise MultipartError("the multipart body ends before its last boundary: the transfer was cut off")
        self._buffer += chunk
