"""Files of a study as one ZIP, written while it is sent: nothing of it is held in memory or on disk."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Request
from fastapi.responses import StreamingResponse

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Kind, QidoQuery
from dicomnode.dicom.audit import AuditKind
from dicomnode.errors import NotFoundError
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import ArchiveOf, check_uids

_CHUNK = 1 << 18
_ZIP = "application/zip"


def evidence_zip(request: Request, archive: ArchiveOf, study_uid: str) -> StreamingResponse:
    """The evidence objects of a study that passed the gate, as a ZIP of DICOM files."""
    check_uids(study_uid)
    archive.studies.record(study_uid)
    items = [item for item in archive.evidence.list(study_uid) if item.state == "ready"]
    files = [(f"{item.model_name}/{item.role}-{item.sop_instance_uid}.dcm", item.path) for item in items]
    return _answer(request, archive, study_uid, "evidence", files)


def files_zip(request: Request, archive: ArchiveOf, study_uid: str) -> StreamingResponse:
    """The files of a study as they came in, as a ZIP; what is kept aside is not in it."""
    check_uids(study_uid)
    archive.studies.record(study_uid)
    found = archive.studies.search_instances(QidoQuery(match=(("StudyInstanceUID", study_uid),)))
    source = [record.instance for record in found if record.kind is not Kind.OWN]
    files = [(f"{one.series_instance_uid}/{one.sop_instance_uid}.dcm", one.path) for one in source]
    return _answer(request, archive, study_uid, "study", files)


def _answer(
    request: Request, archive: Archive, study_uid: str, what: str, files: list[tuple[str, Path]]
) -> StreamingResponse:
    if not files:
        raise NotFoundError(f"study {study_uid} has no files of this kind")
    detail = f"{len(files)} file(s) of {what} as ZIP"
    now = datetime.now(UTC)
    archive.audit.add("download", detail, now, kind=AuditKind.EXPORT, actor=actor_of(request), objects=[study_uid])
    headers = {"Content-Disposition": f'attachment; filename="{what}-{study_uid}.zip"'}
    return StreamingResponse(zipped(files), media_type=_ZIP, headers=headers)


class _Outlet:
    """What a ZIP file is written to, emptied after each piece; without a seek, so that sizes follow the data."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        """What was written since."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def zipped(files: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """A ZIP file piece by piece (APPNOTE 4.4.4 bit 3); files of any size, stored as they are.

    Args:
        files: Name in the ZIP, and the file.
    """
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w") as archive:
        for name, path in files:
            entry = zipfile.ZipInfo(name)  # of a fixed date
            with archive.open(entry, "w", force_zip64=True) as member, path.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    member.write(chunk)
                    yield outlet.take()
            yield outlet.take()
    yield outlet.take()
