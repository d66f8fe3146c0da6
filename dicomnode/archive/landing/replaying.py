"""Takes over what a process had acknowledged and not indexed when it was killed, or when the power went.

A journal holds records that are in the index already, too: of those only the files are looked after, because a row is
durable as soon as it is written and a file is not. What the index has forgotten since is not brought back.
"""

from __future__ import annotations

import hashlib
import logging
from io import BytesIO
from pathlib import Path

from sqlalchemy import select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.files import INSTANCES, FileStore, file_sha256, named_by_content
from dicomnode.archive.indexing import Kept, told_kind
from dicomnode.archive.landing.backlog import Landed
from dicomnode.archive.landing.batches import BatchIndex, mark_of
from dicomnode.archive.landing.journal import dead_journals, read_journal, remove_journal
from dicomnode.archive.landing.records import Record
from dicomnode.archive.watermarks import WatermarkStore
from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.errors import InputError

_LOG = logging.getLogger(__name__)
_BATCH = 100


class Replay:
    """Empties the journals of processes that no longer run."""

    def __init__(self, database: Database, files: FileStore, index: BatchIndex) -> None:
        self._database = database
        self._files = files
        self._index = index
        self._marks = WatermarkStore(database)

    def run(self) -> int:
        """Index what is left, as it would have been; any number of processes may do so at once.

        Returns:
            How many arrivals were found that the index did not have.

        Raises:
            ArchiveError: The index cannot be written.
            OSError: A file cannot be.
        """
        return sum(map(self._empty, dead_journals(self._files.journals)))

    def _empty(self, folder: Path) -> int:
        owner = folder.name
        indexed, count = int(self._marks.get(mark_of(owner)) or 0), 0
        batch: list[Landed] = []
        for record in read_journal(folder):
            if record.number <= indexed:
                self._look_after_file(record)
                continue
            landed = self._landed(record)
            batch += [landed] if landed else []
            count += bool(landed)
            if len(batch) == _BATCH:
                self._index.index(owner, batch)
                batch = []
        self._index.index(owner, batch)
        self._files.sync_all()
        if remove_journal(folder):
            self._marks.drop(mark_of(owner))
        return count

    def _look_after_file(self, record: Record) -> None:
        path = named_by_content(record.entry.sha256, INSTANCES)
        rows = tables.instances.c
        with self._database.read() as connection:
            named = connection.execute(
                select(rows.sha256).where(rows.path == path.as_posix(), rows.sha256 == path.stem)
            )
            if named.first() is None:
                return
        if record.content and hashlib.sha256(record.content).hexdigest() == path.stem:
            self._files.place(record.content, path)

    def _landed(self, record: Record) -> Landed | None:
        """What a record tells; None of one that was never acknowledged, because it is not whole."""
        sha256 = record.entry.sha256
        path = named_by_content(sha256, INSTANCES)
        header = self._header(record, path)
        if header is None:
            return None
        kept = Kept(header, path, sha256, told_kind(header), record.entry.size)
        return Landed(kept, record.entry, record.content, record.number)

    def _header(self, record: Record, path: Path) -> InstanceHeader | None:
        file = self._files.root / path
        try:
            if record.content:
                whole = hashlib.sha256(record.content).hexdigest() == path.stem
                return read_header(BytesIO(record.content)) if whole else None
            return read_header(file) if file_sha256(file) == path.stem else None
        except (InputError, FileNotFoundError):
            return None
