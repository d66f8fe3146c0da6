"""What came in: kept durably, once, and never under the wrong patient."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.files import INSTANCES, FileStore, file_sha256, named_by_content
from dicomnode.archive.indexing import (
    Kept,
    instance_from_kept,
    instance_from_row,
    is_plainly_new,
    told_kind,
)
from dicomnode.archive.keeping import Keeper
from dicomnode.archive.landing.backlog import Backlog, Landed
from dicomnode.archive.landing.batches import BatchIndex, mark_of
from dicomnode.archive.landing.journal import Journal, remove_journal
from dicomnode.archive.landing.records import Entry
from dicomnode.archive.landing.replaying import Replay
from dicomnode.archive.records import ASIDE, Kind, Origin, Stored, StoredStatus
from dicomnode.archive.recovery import unknown_files
from dicomnode.archive.space import SpaceGuard
from dicomnode.archive.staged import StagedFile
from dicomnode.archive.watermarks import WatermarkStore
from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.errors import ArchiveError, InputError, NotFoundError
from dicomnode.study import Instance


class InstanceStore:
    """Files of instances and their rows."""

    def __init__(self, database: Database, files: FileStore, space: SpaceGuard, *, durable: bool = True) -> None:
        """Args: the index, the files, whether there is room, and whether what lands must survive a power cut."""
        self._database = database
        self._files = files
        self._space = space
        self._keeper = Keeper(database, files)
        index = BatchIndex(database, files, self._keeper)
        owner = files.owner
        self._backlog = Backlog(
            lambda: Journal(files.journal_of(files.claim_owner()), durable=durable),
            lambda batch: index.index(owner, batch),
            files.sync_all if durable else (lambda: None),
        )
        self._replay = Replay(database, files, index)

    def new_file(self) -> StagedFile:
        """A staging file for bytes that arrive; use it as a context manager, so that it leaves nothing behind.

        Raises:
            ArchiveFullError: There is no room for more, by the settings or on the disk.
        """
        self._space.require()
        return self._files.stage_arrival()

    def land(self, staged: StagedFile, header: InstanceHeader, origin: Origin, now: datetime) -> Stored:
        """Keep a staged file for good; when this returns, bytes and record survive a power cut, and the index follows.

        What the index is to answer at once is left to `commit`: an instance that is here, or on its way, one that the
        node made, and one of another patient than its study. The file has its name once the index knows it.

        Args:
            staged: The whole file (PS3.10).
            header: Of that file.
            origin: Where it came from.
            now: Time of arrival.

        Raises:
            ConflictError: An instance of this UID is here with other content; the new bytes are kept aside.
            ArchiveFullError: The disk is full; nothing was kept.
            ArchiveError: The index is busy or far behind, or the instance was about to be deleted: it may come again.
        """
        uid = header.sop_instance_uid
        if not self._backlog.claim(uid):
            self._backlog.await_indexed(uid)
            return self.commit(staged, header, origin, now)
        try:
            if is_plainly_new(self._database, header):
                return self._land(staged, header, origin, now)
        except BaseException:
            self._backlog.give_up(uid)
            raise
        self._backlog.give_up(uid)
        return self.commit(staged, header, origin, now)

    def flush(self) -> None:
        """Return once all that landed here before is in the index.

        Raises:
            ArchiveError: The index cannot be written.
        """
        self._backlog.flush()

    def take_over(self) -> int:
        """Index what processes had acknowledged that were killed before they could do so; returns how many.

        Raises:
            ArchiveError: The index cannot be written.
        """
        return self._replay.run()

    def close(self) -> None:
        """Index what has landed; what cannot be is left to the next process."""
        journal = self._files.journal_of(self._files.owner)
        if self._backlog.close() and journal.exists() and remove_journal(journal):
            with suppress(ArchiveError):
                WatermarkStore(self._database).drop(mark_of(self._files.owner))

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
            return self._keeper.keep(
                Kept(header, Path(known.path), staged.sha256, Kind(known.kind), staged.size), origin, now
            )
        path = self._files.keep(staged, INSTANCES)
        self._space.added(staged.size)
        return self._keeper.keep(Kept(header, path, staged.sha256, Kind.SOURCE, staged.size), origin, now)

    def recover(self, origin: Origin, now: datetime) -> int:
        """Put right what a killed process left: index files that were named but not indexed, drop unfinished ones.

        Neither was acknowledged. What was, and waits in a journal, is indexed as it would have been. Safe while other
        processes receive.

        Returns:
            How many files were indexed.
        """
        taken_over = self._replay.run()
        self._files.remove_dead_staging()
        return taken_over + sum(
            self.adopt(path, origin, now) for path in unknown_files(self._database, self._files.root)
        )

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
            self._keeper.keep(Kept(header, path, path.stem, Kind.SOURCE, file.stat().st_size), origin, now)
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

    def _land(self, staged: StagedFile, header: InstanceHeader, origin: Origin, now: datetime) -> Stored:
        content, sha256 = staged.content, staged.sha256
        path = named_by_content(sha256, INSTANCES) if content is not None else self._files.keep(staged, INSTANCES)
        kept = Kept(header, path, sha256, told_kind(header), staged.size)
        self._backlog.add(Landed(kept, Entry(origin, now, sha256, staged.size), content or memoryview(b"")))
        self._space.added(staged.size)
        return Stored(instance_from_kept(kept, self._files.root), StoredStatus.NEW, 0)

    def _row(self, sop_instance_uid: str) -> IndexRow | None:
        rows = tables.instances
        with self._database.read() as connection:
            return connection.execute(select(rows).where(rows.c.sop_instance_uid == sop_instance_uid)).one_or_none()


def _own(connection: Connection, study_instance_uid: str) -> frozenset[str]:
    here, made, sent = tables.instances.c, tables.evidence.c, tables.substitutes.c
    evidence = select(made.sop_instance_uid).where(made.study_instance_uid == study_instance_uid)
    came_back = select(here.sop_instance_uid).where(
        here.study_instance_uid == study_instance_uid, here.kind == Kind.OWN
    )
    substitutes = select(sent.sop_instance_uid).where(sent.original_sop_instance_uid.in_(evidence))
    return frozenset(uid for query in (evidence, came_back, substitutes) for uid in connection.execute(query).scalars())
