"""The parser boundary: functions from bytes that may raise the node's own errors and nothing else."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset

from dicomnode.dicom.decoding import stored_frames
from dicomnode.dicom.header import read_header
from dicomnode.dicom.parsing import PARSE_ERRORS
from dicomnode.errors import DicomNodeError
from dicomnode.intake.wholeness import require_whole
from dicomnode.peers.multipart import parse_content_type, parse_multipart
from dicomnode.settings import load_settings
from tests.factories import compress_jpeg, make_enhanced, make_instance, ramp
from tests.fuzz.mutations import as_bytes

SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


def header(data: bytes) -> None:
    """What identifies an instance."""
    read_header(BytesIO(data))


def wholeness(data: bytes) -> None:
    """The outline of a stored file, in whatever syntax it is said to be."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        for syntax in SYNTAXES:
            require_whole(Path(file.name), syntax)


def pixels(data: bytes) -> None:
    """Pixel data, as far as pydicom reads the data set around it."""
    try:
        dataset = dcmread(BytesIO(data), force=True)
        dataset.file_meta  # noqa: B018  absent from what is no file
    except (*PARSE_ERRORS, OSError):
        return
    for frame in stored_frames(dataset):
        assert frame.ndim in (2, 3)


def multipart(data: bytes) -> None:
    """The body of a STOW-RS request or a WADO-RS answer; its first byte says how it is cut into pieces."""
    size = 1 + (data[0] if data else 0)
    for part in parse_multipart((data[at : at + size] for at in range(1, len(data), size)), "b"):
        for _ in part.content:
            pass


def content_type(data: bytes) -> None:
    """A Content-Type header."""
    parse_content_type(data.decode("latin-1"))


def settings(data: bytes) -> None:
    """A settings file."""
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(data)
        file.flush()
        load_settings(Path(file.name))


PARSERS: dict[str, Callable[[bytes], None]] = {
    "header": header,
    "wholeness": wholeness,
    "pixels": pixels,
    "multipart": multipart,
    "content-type": content_type,
    "settings": settings,
}


def seeds(name: str) -> list[bytes]:
    """Sound inputs of a parser to begin with."""
    if name == "multipart":
        part = b"--b\r\nContent-Type: application/dicom\r\n\r\nDICM"
        return [b"\x07" + part + b"\r\n" + part + b"\r\n--b--\r\n", b"\xff" + part + b"\r\n--b--"]
    if name == "content-type":
        return [b'multipart/related; type="application/dicom"; boundary=x', b"application/dicom+json;q=0.5"]
    if name == "settings":
        text = Path("config/dicomnode.toml").read_text(encoding="utf-8")
        assert tomllib.loads(text)
        return [text.encode(), b'[node]\nae_title = "A"\n[[rules]]\nmodel = "*"\n']
    plain = make_instance(pixels=ramp(8, 8))
    colour = make_instance(pixels=ramp(8, 8).astype("uint8"))
    files = [plain, make_enhanced(2, shape=(8, 8)), colour]
    return [*map(as_bytes, files), as_bytes(compress_jpeg(make_colour(), rgb=False))]


def make_colour() -> FileDataset:
    """A small RGB image."""
    return make_instance(modality="XC", pixels=np.zeros((16, 16, 3), np.uint8))


def survives(parse: Callable[[bytes], None], data: bytes) -> bool:
    """Whether the parser took the bytes or refused them in its own words.

    Raises:
        Exception: What it raised else: a finding.
    """
    try:
        parse(data)
    except DicomNodeError:
        return False
    return True
