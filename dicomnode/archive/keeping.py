"""How one instance enters the archive: new, once more, the node's own, in conflict, or under another patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.files import CONFLICTS, QUARANTINE, FileStore
from dicomnode.archive.indexing import (
    Kept,
    add_instance,
    add_origin,
    identity_conflict,
    instance_from_kept,
    instance_from_row,
    kind_of,
    note_repetition,
    open_study,
    study_generation,
)
from dicomnode.archive.records import Kind, Origin, Stored, StoredStatus, TraceEntry
from dicomnode.archive.traces import add_trace
from dicomnode.dicom.digest import content_digest
from dicomnode.dicom.header import InstanceHeader
from dicomnode.errors import ArchiveError, ConflictError


class Keeper:
    """Indexes files that have their final names, each in a transaction of its own."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def keep(self, kept: Kept, origin: Origin, now: datetime) -> Stored:
        """Index a file that has its final name, or find out that it needs no row."""
        uid = kept.header.sop_instance_uid
        with self._database.write() as connection:
            known = _find(connection, uid)
            if known is None:
                # Files go only while nobody else writes to the index, so what is here now stays.
                if not (self._files.root / kept.path).exists():
                    raise ArchiveError(f"instance {uid} was deleted with its study while it came again: send it again")
                return self._add(connection, kept, origin, now)
            if known.sha256 == kept.sha256 or self._same_content(known, kept):
                return self._repeated(connection, known, kept, origin, now)
            aside = self._aside(connection, kept, known, now)
            if known.kind == Kind.OWN:
                return self._stored(connection, known, StoredStatus.OWN)
        raise ConflictError(
            f"instance {uid} is here already with other content; the new bytes are kept as {aside.as_posix()}"
            " and the first ones stay in use: give changed objects a new SOP Instance UID"
        )

    def _add(self, connection: Connection, kept: Kept, origin: Origin, now: datetime) -> Stored:
        header = kept.header
        kind = kind_of(connection, header)
        conflict = identity_conflict(connection, header)
        if conflict is not None:
            path = self._files.move(kept.path, QUARANTINE)
            final, status = replace(kept, path=path, kind=Kind.IDENTITY_CONFLICT), StoredStatus.QUARANTINED
        else:
            final, status = replace(kept, kind=kind), StoredStatus.OWN if kind is Kind.OWN else StoredStatus.NEW
        add_instance(connection, final, now)
        if conflict is not None:
            _mark_conflict(connection, header, conflict, kind, now)
        if kind is Kind.SOURCE:
            add_origin(connection, header.study_instance_uid, origin, now)
        instance = instance_from_kept(final, self._files.root)
        return Stored(instance, status, study_generation(connection, header.study_instance_uid))

    def _repeated(self, connection: Connection, known: IndexRow, kept: Kept, origin: Origin, now: datetime) -> Stored:
        if kept.path.as_posix() != known.path:
            self._drop_copy(known, kept)
        if known.kind == Kind.OWN:
            return self._stored(connection, known, StoredStatus.OWN)
        if known.kind == Kind.SOURCE and add_origin(connection, known.study_instance_uid, origin, now):
            note_repetition(connection, known.study_instance_uid, origin, now)
        return self._stored(connection, known, StoredStatus.DUPLICATE)

    def _drop_copy(self, known: IndexRow, kept: Kept) -> None:
        """Other file meta, same data set: one copy is enough, and the first one is in use, unless it was lost."""
        if known.sha256 == kept.sha256 and not (self._files.root / known.path).exists():
            self._files.move(kept.path, Path(known.path).parts[0])
        else:
            (self._files.root / kept.path).unlink(missing_ok=True)

    def _same_content(self, known: IndexRow, kept: Kept) -> bool:
        root = self._files.root
        return content_digest(root / known.path) == content_digest(root / kept.path)

    def _aside(self, connection: Connection, kept: Kept, known: IndexRow, now: datetime) -> Path:
        aside = self._files.move(kept.path, CONFLICTS)
        text = f"instance {known.sop_instance_uid} came again with other content, kept as {aside.as_posix()}"
        add_audit(connection, "instance conflict", text, now, known.study_instance_uid)
        generation = study_generation(connection, known.study_instance_uid)
        add_trace(connection, TraceEntry(known.study_instance_uid, generation, "conflict", None, text, now))
        return aside

    def _stored(self, connection: Connection, row: IndexRow, status: StoredStatus) -> Stored:
        generation = study_generation(connection, row.study_instance_uid)
        return Stored(instance_from_row(row, self._files.root), status, generation)


def _find(connection: Connection, sop_instance_uid: str) -> IndexRow | None:
    rows = tables.instances
    return connection.execute(select(rows).where(rows.c.sop_instance_uid == sop_instance_uid)).one_or_none()


def _mark_conflict(connection: Connection, header: InstanceHeader, conflict: str, kind: Kind, now: datetime) -> None:
    uid = header.study_instance_uid
    generation = study_generation(connection, uid)
    add_audit(connection, "identity conflict", f"{conflict} {uid}; kept in quarantine", now, uid)
    add_trace(connection, TraceEntry(uid, generation, "identity conflict", None, f"{conflict}; kept aside", now))
    if kind is Kind.SOURCE:
        # Which of the two patients the study belongs to, nobody here can tell: it is refused as a whole.
        connection.execute(
            update(tables.studies).where(tables.studies.c.study_instance_uid == uid).values(identity_conflict=conflict)
        )
        open_study(connection, uid, now)
