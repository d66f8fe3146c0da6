"""Answers of several parts (RFC 2387, PS3.18 8.6.1.2), streamed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fastapi.responses import StreamingResponse

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an answer.

    Attributes:
        content_type: With its ``transfer-syntax`` parameter where there is one.
        location: Address of this part's resource.
        content: Bytes, or a file that is read only when its turn comes.
    """

    content_type: str
    location: str
    content: bytes | Path

    def chunks(self) -> Iterator[bytes]:
        """The content piece by piece."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


def multipart_response(parts: Iterable[Part], part_type: str) -> StreamingResponse:
    """An answer that holds the parts one after the other.

    Args:
        parts: Asked for one at a time, while the answer is on its way.
        part_type: Media type of the parts, without parameters.
    """
    boundary = secrets.token_hex(16)
    return StreamingResponse(
        _body(parts, boundary), media_type=f'multipart/related; type="{part_type}"; boundary={boundary}'
    )


def single_response(part: Part) -> StreamingResponse:
    """An answer that is one part, bare."""
    return StreamingResponse(part.chunks(), media_type=part.content_type, headers={"Content-Location": part.location})


def _body(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        head = f"--{boundary}\r\nContent-Type: {part.content_type}\r\nContent-Location: {part.location}\r\n\r\n"
        yield head.encode("ascii")
        yield from part.chunks()
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")
