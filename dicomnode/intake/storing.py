"""The one way into the archive that C-STORE, STOW-RS and the poller share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Stored
from dicomnode.archive.staged import StagedFile
from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.errors import NotDicomError
from dicomnode.intake.statuses import MismatchError, StudyMismatchError
from dicomnode.intake.wholeness import require_whole


@dataclass(frozen=True, slots=True)
class Announced:
    """What the request says of the instance; None where it says nothing.

    Attributes:
        sop_instance_uid: Affected SOP Instance UID (0000,1000).
        sop_class_uid: Affected SOP Class UID (0000,0002).
        study_instance_uid: Study of a STOW-RS request.
    """

    sop_instance_uid: str | None = None
    sop_class_uid: str | None = None
    study_instance_uid: str | None = None


Chunk = bytes | bytearray | memoryview


def store_stream(
    archive: Archive,
    chunks: Iterable[Chunk],
    origin: Origin,
    now: datetime,
    announced: Announced | None = None,
    on_header: Callable[[InstanceHeader], None] | None = None,
    on_read: Callable[[InstanceHeader], None] | None = None,
) -> Stored:
    """Keep an instance that arrives in pieces; when this returns, it survives a power cut, and the index follows.

    Args:
        archive: Where to.
        chunks: The file (PS3.10), undecoded, in order.
        origin: Where it came from.
        now: Time of arrival.
        announced: What the request said of it.
        on_header: Called before the instance is kept.
        on_read: Called as soon as it is known what it is, whether it will be kept or not.

    Raises:
        NotDicomError: No instance, or a truncated one.
        MismatchError: Not the instance that was announced.
        ConflictError: An instance of this UID is here with other content.
        ArchiveFullError: The disk is full.
        OSError: Storage failed.
    """
    with archive.instances.new_file() as staged:
        for chunk in chunks:
            staged.write(chunk)
        return keep_staged(archive, staged, origin, now, announced, on_header, on_read)


def keep_staged(
    archive: Archive,
    staged: StagedFile,
    origin: Origin,
    now: datetime,
    announced: Announced | None = None,
    on_header: Callable[[InstanceHeader], None] | None = None,
    on_read: Callable[[InstanceHeader], None] | None = None,
) -> Stored:
    """Keep an instance whose bytes have all been written; arguments and errors are those of `store_stream`."""
    with staged.open() as file:
        header = read_header(file)
        if on_read is not None:
            on_read(header)
        require_announced(header, announced or Announced())
        require_whole(file, header.transfer_syntax_uid)
    if on_header is not None:
        on_header(header)
    return archive.instances.land(staged, header, origin, now)


def require_content(size: int) -> None:
    """Refuse a data set without a byte.

    Raises:
        NotDicomError: It is empty.
    """
    if size == 0:
        raise NotDicomError("the data set is empty (length 0); send the whole instance")


def require_announced(header: InstanceHeader, announced: Announced) -> None:
    """Refuse another instance than the one that was announced.

    Raises:
        MismatchError: It is another one.
    """
    pairs = (
        (announced.sop_instance_uid, header.sop_instance_uid, "SOP Instance UID"),
        (announced.sop_class_uid, header.sop_class_uid, "SOP Class UID"),
    )
    for said, found, name in pairs:
        if said is not None and said != found:
            raise MismatchError(f"the request announced {name} {said}, the data set has {found}; correct the sender")
    study = announced.study_instance_uid
    if study is not None and study != header.study_instance_uid:
        raise StudyMismatchError(
            f"instance {header.sop_instance_uid} belongs to study {header.study_instance_uid}, not to {study}"
        )
