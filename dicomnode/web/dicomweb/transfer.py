"""Which transfer syntax instances leave in (PS3.18 8.7.3.5, 8.7.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.uid import UID, ExplicitVRLittleEndian

from dicomnode.archive.held import HeldInstance
from dicomnode.dicom.transcoding import is_lossless, is_readable, offered_syntaxes, transcoded
from dicomnode.errors import PixelError
from dicomnode.web.dicomweb.media import DICOM, MediaRange, not_acceptable
from dicomnode.web.dicomweb.multipart import FileRange, Part

_DEFAULT = str(ExplicitVRLittleEndian)


@dataclass(frozen=True, slots=True)
class InstanceForm:
    """How instances are given out.

    Attributes:
        is_bare: One instance without a multipart message around it.
        syntax: Transfer syntax; ``*``: each as it is stored; empty: the default one, Explicit VR Little Endian,
            but as stored what is lossy or cannot be decoded here (PS3.18 8.7.3.5.2).
    """

    is_bare: bool
    syntax: str

    def syntax_of(self, record: HeldInstance) -> str:
        """What one instance leaves in."""
        stored = record.instance.transfer_syntax_uid
        if self.syntax == "*" or self.syntax == stored:
            return stored
        if not self.syntax:
            return _DEFAULT if is_lossless(stored) and is_readable(stored) else stored
        return self.syntax if record.has_pixels or not UID(self.syntax).is_encapsulated else _DEFAULT


def instance_form(ranges: Sequence[MediaRange], records: Sequence[HeldInstance], is_one: bool) -> InstanceForm:
    """What the client likes best of what can be made.

    Args:
        ranges: From the Accept header, best first.
        records: What is asked for.
        is_one: Whether the address names one instance.

    Raises:
        HTTPException: 406, with the reason.
    """
    refused = set()
    for wanted in ranges:
        if wanted.part not in (DICOM, "application/*", "*/*"):
            continue
        syntax = wanted.parameter("transfer-syntax") or ("" if wanted.part == DICOM else "*")
        form = InstanceForm(is_one and wanted.name == DICOM, syntax)
        if all(_can_be(record, form) for record in records):
            return form
        refused.add(syntax)
    because = f"{', '.join(sorted(refused))} cannot be made of every instance asked for; " if refused else ""
    offered = ", ".join(offered_syntaxes())
    raise not_acceptable(
        f"{because}instances come as {DICOM}, alone or in multipart/related, with transfer-syntax=* as they are "
        f"stored, or where the stored pixels can be decoded in {offered}"
    )


def instance_part(record: HeldInstance, location: str, form: InstanceForm) -> Part:
    """One instance as it leaves.

    Raises:
        PixelError: It cannot be rewritten as the client insists.
    """
    instance = record.instance
    syntax = form.syntax_of(record)
    if syntax == instance.transfer_syntax_uid:
        return stored_part(record, location)
    try:
        return Part(f"{DICOM}; transfer-syntax={syntax}", location, transcoded(instance.path, syntax))
    except PixelError:
        if form.syntax:
            raise
        return stored_part(record, location)


def stored_part(record: HeldInstance, location: str) -> Part:
    """One instance, byte for byte as it came."""
    instance = record.instance
    content = FileRange(instance.path, 0, instance.path.stat().st_size)
    return Part(f"{DICOM}; transfer-syntax={instance.transfer_syntax_uid}", location, content)


def leave_as_stored(records: Sequence[HeldInstance], form: InstanceForm) -> bool:
    """Whether no instance has to be rewritten."""
    return all(form.syntax_of(record) == record.instance.transfer_syntax_uid for record in records)


def _can_be(record: HeldInstance, form: InstanceForm) -> bool:
    stored = record.instance.transfer_syntax_uid
    syntax = form.syntax_of(record)
    return syntax == stored or (syntax in offered_syntaxes() and is_readable(stored))
