"""The files of a request: read as they arrive into one nameless file in memory, which no name ever leads to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.exceptions import HTTPException

from dicomnode.errors import UsageError
from dicomnode.peers.multipart import Part, parse_content_type, parse_multipart

ONE_FILE = ("application/dicom", "image/png", "image/jpeg", "image/tiff", "application/octet-stream")
SEVERAL_FILES = ("multipart/form-data", "multipart/related", "multipart/mixed")


@dataclass(slots=True)
class Upload:
    """Files one behind the other.

    Attributes:
        descriptor: Of the file that holds them, in memory (memfd_create(2)): it goes when it is closed, also if this
            process dies, and never is on a disk.
        lengths: Bytes of each.
    """

    descriptor: int
    lengths: list[int] = field(default_factory=list)

    def add(self, chunks: Iterable[bytes]) -> int:
        """Append a file, and say how long it is; an empty one, as of a field left empty, does not count."""
        length = sum(_write(self.descriptor, chunk) for chunk in chunks)
        if length:
            self.lengths.append(length)
        return length


@contextmanager
def read_upload(chunks: Iterable[bytes], content_type: str, maximum_files: int) -> Iterator[Upload]:
    """The files of a body; forgotten at the end of the block.

    Args:
        chunks: The body, in pieces of any size.
        content_type: A form with files, several parts, or the type of the only file.
        maximum_files: More are refused.

    Raises:
        HTTPException: 413 or 415.
        MultipartError: The body does not follow the syntax, or was cut off.
        UsageError: There is no file in it.
    """
    media_type, parameters = parse_content_type(content_type)
    if media_type not in (*ONE_FILE, *SEVERAL_FILES):
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"files are taken as {', '.join((*SEVERAL_FILES[:1], *ONE_FILE))}"
        )
    upload = Upload(os.memfd_create("upload"))
    try:
        files = [chunks] if media_type in ONE_FILE else _files(parse_multipart(chunks, parameters.get("boundary", "")))
        for content in files:
            if len(upload.lengths) == maximum_files:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"one request may hold {maximum_files} files (predict.maximum_files): send fewer at once",
                )
            upload.add(content)
        if not upload.lengths:
            raise UsageError("there is no file in the request: send a DICOM file, or a PNG, JPEG or TIFF picture")
        yield upload
    finally:
        os.close(upload.descriptor)


def _files(parts: Iterable[Part]) -> Iterator[Iterable[bytes]]:
    """The parts that are files; fields of a form are none, and are passed over."""
    for part in parts:
        if not part.is_field:
            yield part.content


def _write(descriptor: int, chunk: bytes) -> int:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
    return len(chunk)
