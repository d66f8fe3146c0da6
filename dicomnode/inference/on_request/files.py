"""The files of a question: in memory only, with paths as long as they are open."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread

from dicomnode.dicom.decoding import DECODE_ERRORS
from dicomnode.errors import InputError

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SIZES = ["Rows", "Columns", "NumberOfFrames"]


class TooMuchError(InputError):
    """What was given needs more memory than a prediction may take."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a question, in their order.

    Attributes:
        paths: Of each, for as long as the question is answered.
        pictures: Those that begin like a PNG, JPEG or TIFF file.
        dicom: The others.
    """

    paths: tuple[Path, ...]
    pictures: tuple[Path, ...]
    dicom: tuple[Path, ...]

    def positions(self, paths: Iterable[Path]) -> list[int]:
        """Where files stand, counted from 1."""
        return sorted({self.paths.index(path) + 1 for path in paths})

    def named(self, text: str) -> str:
        """A sentence that calls files by their position, not by their path."""
        for number, path in sorted(enumerate(self.paths, start=1), key=lambda item: -len(str(item[1]))):
            text = re.sub(rf"(picture )?'?{re.escape(str(path))}(?!\d)'?", f"file {number}", text)
        return text

    def problem(self, path: Path, text: str) -> str:
        """What is wrong with a file, in a sentence that names it."""
        named = self.named(text)
        if named != text:
            return named
        name = f"file {self.paths.index(path) + 1}"
        if _head(path)[128:] == b"DICM" or path in self.pictures:
            return f"{name}: {text}"
        return f"{name} is no PNG, JPEG or TIFF picture and no DICOM instance: {text}"


@contextmanager
def separate_files(whole: int, lengths: Sequence[int]) -> Iterator[Files]:
    """Take apart the nameless file that holds all of them, and close it.

    Each becomes a nameless file in memory of its own (memfd_create(2)), which the kernel forgets when it is closed,
    also if this process dies.
    """
    with ExitStack() as stack:
        stack.callback(os.close, whole)
        paths = []
        offset = 0
        for length in lengths:
            own = os.memfd_create("file")
            stack.callback(os.close, own)
            _copy(whole, own, offset, length)
            offset += length
            paths.append(Path(f"/proc/self/fd/{own}"))
        pictures = tuple(path for path in paths if _is_picture(path))
        yield Files(tuple(paths), pictures, tuple(path for path in paths if path not in pictures))


def check_pixels(paths: Iterable[Path], most_pixels: int) -> None:
    """Look how many pixels DICOM files say they hold, before one is decoded.

    Raises:
        TooMuchError: All together hold more than ``most_pixels``.
    """
    pixels = sum(map(_pixels, paths))
    if pixels > most_pixels:
        raise TooMuchError(
            f"the DICOM files hold {pixels / 1e6:.0f} million pixels, and {most_pixels / 1e6:.0f} are the limit"
            " (predict.maximum_megapixels): give fewer, or send the study to the node"
        )


def _pixels(path: Path) -> int:
    try:
        head = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(_SIZES))
        rows, columns, frames = (int(head.get(keyword, None) or 1) for keyword in _SIZES)
    except DECODE_ERRORS:
        return 0  # who reads it says what is wrong with it
    return rows * columns * frames


def _copy(source: int, target: int, offset: int, length: int) -> None:
    end = offset + length
    while offset < end:
        sent = os.sendfile(target, source, offset, end - offset)
        if not sent:
            raise EOFError("the files end early")
        offset += sent


def _is_picture(path: Path) -> bool:
    head = _head(path)
    return head.startswith(_PICTURES) and head[128:] != b"DICM"  # a DICOM file may begin like a TIFF, PS3.10 7.1


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(132)
