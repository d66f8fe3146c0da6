"""Which form frames leave in (PS3.18 8.7.3.3, Table 8.7.3-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.dicom.transcoding import is_readable, offered_syntaxes
from dicomnode.web.dicomweb.frames import MEDIA_TYPES, StoredFrames
from dicomnode.web.dicomweb.media import MULTIPART, OCTET_STREAM, MediaRange, not_acceptable

_PLAIN = str(ExplicitVRLittleEndian)
# What these were called before PS3.18 2017.
_OLDER_NAMES = {"image/x-dicom-rle": "image/dicom-rle", "image/x-jls": "image/jls"}


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How frames are given out.

    Attributes:
        media_type: Of one frame.
        syntax: Transfer syntax of one frame.
        is_bare: The client takes one frame without a multipart message around it.
    """

    media_type: str
    syntax: str
    is_bare: bool

    @property
    def content_type(self) -> str:
        """Content-Type of a part."""
        return f"{self.media_type}; transfer-syntax={self.syntax}"

    def read(self, frames: StoredFrames, index: int) -> bytes:
        """One frame.

        Raises:
            PixelError: It cannot be made.
        """
        if self.syntax == frames.transfer_syntax_uid and frames.is_compressed:
            return frames.stored(index)
        return frames.plain(index) if self.syntax == _PLAIN else frames.encoded(index, self.syntax)


def frame_form(ranges: Sequence[MediaRange], frames: StoredFrames) -> FrameForm:
    """What the client likes best of what can be made.

    Raises:
        HTTPException: 406, with what there is.
    """
    for wanted in ranges:
        syntax = _syntax(wanted, frames)
        if syntax:
            media_type = MEDIA_TYPES.get(syntax, OCTET_STREAM)
            return FrameForm(media_type, syntax, wanted.name not in (MULTIPART, "*/*"))
    stored = f"{frames.media_type} (transfer-syntax={frames.transfer_syntax_uid}) as stored"
    made = ", ".join(MEDIA_TYPES[syntax] for syntax in offered_syntaxes() if syntax in MEDIA_TYPES)
    others = f", and as {OCTET_STREAM}, {made}" if is_readable(frames.transfer_syntax_uid) else ""
    raise not_acceptable(f"frames of this instance come as {stored}{others}")


def _syntax(wanted: MediaRange, frames: StoredFrames) -> str:
    """The transfer syntax that a media range is served by; empty: by none."""
    part, syntax = _OLDER_NAMES.get(wanted.part, wanted.part), wanted.parameter("transfer-syntax")
    stored = str(frames.transfer_syntax_uid)
    is_bytes = part in (OCTET_STREAM, "application/*", "*/*")
    if frames.is_compressed:
        if part in (frames.media_type, "*/*", "image/*") and syntax in (None, "*", stored):
            return stored
        if is_bytes and syntax in ("*", stored):
            return stored
    if not is_readable(stored):
        return ""
    if is_bytes and syntax in (None, "*", _PLAIN):
        return _PLAIN
    return _made(part, syntax, is_bytes)


def _made(part: str, syntax: str | None, is_bytes: bool) -> str:
    for offered in offered_syntaxes():
        if offered in MEDIA_TYPES and (part == MEDIA_TYPES[offered] or is_bytes) and syntax in (offered, None, "*"):
            return offered
    return ""
