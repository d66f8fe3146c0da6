"""What came in: kept durably, once, and never under the wrong patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.files import CONFLICTS, INSTANCES, QUARANTINE, FileStore, StagedFile, file_sha256
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
from dicomnode.archive.records import ASIDE, Kind, Origin, Stored, StoredStatus, TraceEntry
from dicomnode.archive.recovery import unknown_files
from dicomnode.archive.space import SpaceGuard
from dicomnode.archive.traces import add_trace
from dicomnode.dicom.digest import content_digest
from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.errors import ArchiveError, ConflictError, InputError, NotFoundError
from dicomnode.study import Instance


class InstanceStore:
    """Files of instances and their rows."""

    def __init__(self, database: Database, files: FileStore, space: SpaceGuard) -> None:
        self._database = database
        self._files = files
        self._space = space

    def new_file(self) -> StagedFile:
        """A staging file for bytes that arrive; use it as a context manager, so that it leaves nothing behind.

        Raises:
            ArchiveFullError: There is no room for more, by the settings or on the disk.
        """
        self._space.require()
        return self._files.stage_arrival()

    def commit(self, staged: StagedFile, header: InstanceHeader, origin: Origin, now: datetime) -> Stored:
        """Keep a staged file for good; when this returns, bytes and index survive a power cut.

        Args:
            staged: The whole file (PS3.10).
            header: Of that file.
            origin: Where it came from.
            now: Time of arrival.

        Raises:
            ConflictError: An instance of this UID is here with other content; the new bytes are kept aside.
            ArchiveFullError: The disk is full; nothing was kept.
            ArchiveError: The index is busy, or the instance was about to be deleted: it may come again.
        """
        known = self._row(header.sop_instance_uid)
        if known is not None and known.sha256 == staged.sha256 and (self._files.root / known.path).exists():
            # Same bytes once more: nothing to write, however long the sender goes on repeating.
            return self._keep(Kept(header, Path(known.path), staged.sha256, Kind(known.kind), staged.size), origin, now)
        path = self._files.keep(staged, INSTANCES)
        self._space.added(staged.size)
        return self._keep(Kept(header, path, staged.sha256, Kind.SOURCE, staged.size), origin, now)

    def recover(self, origin: Origin, now: datetime) -> int:
        """Put right what a killed process left: index files that were named but not indexed, drop unfinished ones.

        Neither was acknowledged. Safe while other processes receive.

        Returns:
            How many files were indexed.
        """
        self._files.remove_dead_staging()
        return sum(self.adopt(path, origin, now) for path in unknown_files(self._database, self._files.root))

    def adopt(self, path: Path, origin: Origin, now: datetime) -> bool:
        """Index a file that has its name and no row; one that was never whole is not named as its content says.

        Args:
            path: Relative to the data folder, below `instances`.
            origin: Where it is said to come from.
            now: Time of arrival.

        Returns:
            False if it cannot be used, or contradicts what is here.
        """
        if file_sha256(self._files.root / path) != path.stem:
            return False
        try:
            file = self._files.root / path
            header = read_header(file)
            self._files.settle(path)
            self._keep(Kept(header, path, path.stem, Kind.SOURCE, file.stat().st_size), origin, now)
        except InputError:
            # Kept aside and audited where it conflicts; an unreadable file was never acknowledged.
            return False
        return True

    def get(self, sop_instance_uid: str) -> Instance:
        """The instance of that UID.

        Raises:
            NotFoundError: It is not here, or its patient's identity is in doubt.
        """
        row = self._row(sop_instance_uid)
        if row is None or row.kind in ASIDE:
            raise NotFoundError(f"instance {sop_instance_uid} is not in the archive")
        return instance_from_row(row, self._files.root)

    def exists(self, sop_instance_uid: str) -> bool:
        """Whether an instance of that UID is here, be it kept aside or the node's own."""
        return self._row(sop_instance_uid) is not None

    def known(self, study_instance_uid: str) -> frozenset[str]:
        """UIDs of all instances of a study that are here, those kept aside and the node's own too."""
        rows = tables.instances.c
        query = select(rows.sop_instance_uid).where(rows.study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars()) | _own(connection, study_instance_uid)

    def own(self, study_instance_uid: str) -> frozenset[str]:
        """UIDs of a study's objects that this node or another dicomnode made."""
        with self._database.read() as connection:
            return _own(connection, study_instance_uid)

    def _row(self, sop_instance_uid: str) -> IndexRow | None:
        rows = tables.instances
        with self._database.read() as connection:
            return connection.execute(select(rows).where(rows.c.sop_instance_uid == sop_instance_uid)).one_or_none()

    def _keep(self, kept: Kept, origin: Origin, now: datetime) -> Stored:
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


def _own(connection: Connection, study_instance_uid: str) -> frozenset[str]:
    here, made, sent = tables.instances.c, tables.evidence.c, tables.substitutes.c
    evidence = select(made.sop_instance_uid).where(made.study_instance_uid == study_instance_uid)
    came_back = select(here.sop_instance_uid).where(
        here.study_instance_uid == study_instance_uid, here.kind == Kind.OWN
    )
    substitutes = select(sent.sop_instance_uid).where(sent.original_sop_instance_uid.in_(evidence))
    return frozenset(uid for query in (evidence, came_back, substitutes) for uid in connection.execute(query).scalars())


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
