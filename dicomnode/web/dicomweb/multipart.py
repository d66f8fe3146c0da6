"""Answers of one or several parts (RFC 2387, PS3.18 8.6.1), streamed; whole files are never held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

# Each piece that is sent costs a change of threads, so that small ones are collected.
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileRange:
    """A stretch of a file, read only when its turn comes.

    Attributes:
        path: The file.
        offset: First byte.
        length: In bytes.
    """

    path: Path
    offset: int
    length: int

    def pieces(self) -> Iterator[bytes]:
        """The bytes, piece by piece.

        Raises:
            EOFError: The file is shorter than it was.
        """
        left = self.length
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            while left:
                piece = file.read(min(left, _PIECE_BYTES))
                if not piece:
                    raise EOFError("a stored file ends too early")
                left -= len(piece)
                yield piece


Content: TypeAlias = bytes | FileRange


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an answer.

    Attributes:
        content_type: With its ``transfer-syntax`` parameter where there is one.
        location: Address of this part's resource.
        content: What it holds.
        content_range: If that is a stretch of the resource only, which one (RFC 9110 14.4).
    """

    content_type: str
    location: str
    content: Content
    content_range: str = ""

    @property
    def length(self) -> int:
        """Bytes of its content."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.length

    def pieces(self) -> Iterator[bytes]:
        """The content piece by piece."""
        if isinstance(self.content, bytes):
            yield self.content
        else:
            yield from self.content.pieces()

    def cut(self, first: int, length: int) -> Part:
        """A stretch of it."""
        whole = self.content
        if isinstance(whole, bytes):
            content: Content = whole[first : first + length]
        else:
            content = FileRange(whole.path, whole.offset + first, length)
        return replace(self, content=content, content_range=f"bytes {first}-{first + length - 1}/{self.length}")


class StreamedResponse(StreamingResponse):
    """An answer that is made while it is sent, and not made at all where only its head was asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await super().__call__(scope, receive, send)


def multipart_response(
    parts: Iterable[Part], part_type: str, tag: str, headers: Mapping[str, str] | None = None, status: int = 200
) -> StreamedResponse:
    """An answer that holds the parts one after the other.

    Args:
        parts: Asked for one at a time, while the answer is on its way; the length of a sequence is announced.
        part_type: Media type of the parts, without parameters.
        tag: Entity tag; equal ones make equal answers, so the boundary follows from it.
        headers: Further ones.
        status: Of the answer.
    """
    boundary = hashlib.sha256(tag.encode()).hexdigest()[:32]
    sent = dict(headers or {})
    if isinstance(parts, Sequence):
        lengths = sum(len(_head(part, boundary)) + part.length + 2 for part in parts)
        sent["Content-Length"] = str(lengths + len(_end(boundary)))
    media_type = f'multipart/related; type="{part_type}"; boundary={boundary}'
    return StreamedResponse(collected(_body(parts, boundary)), status, sent, media_type)


def single_response(part: Part, headers: Mapping[str, str] | None = None, status: int = 200) -> StreamedResponse:
    """An answer that is one part, bare."""
    sent = {**(headers or {}), "Content-Location": part.location, "Content-Length": str(part.length)}
    if part.content_range:
        sent["Content-Range"] = part.content_range
    return StreamedResponse(part.pieces(), status, sent, part.content_type)


def collected(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of about a mebibyte."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _body(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        yield _head(part, boundary)
        yield from part.pieces()
        yield b"\r\n"
    yield _end(boundary)


def _head(part: Part, boundary: str) -> bytes:
    lines = [f"--{boundary}", f"Content-Type: {part.content_type}", f"Content-Location: {part.location}"]
    if part.content_range:
        lines.append(f"Content-Range: {part.content_range}")
    return "\r\n".join((*lines, "", "")).encode("ascii")


def _end(boundary: str) -> bytes:
    return f"--{boundary}--\r\n".encode("ascii")
