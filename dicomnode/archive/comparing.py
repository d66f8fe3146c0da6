"""Compares the files with the index, from either side; safe while the node runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Select, exists, func, select, union

from dicomnode.archive import tables
from dicomnode.archive.contents import miscounted
from dicomnode.archive.database import Database
from dicomnode.archive.discrepancies import Discrepancy, Fault, FileRow, Holding
from dicomnode.archive.files import EVIDENCE, QUARANTINE, FileStore, file_sha256
from dicomnode.archive.landing.journal import dead_journals, read_journal
from dicomnode.archive.recovery import unknown_files

_BATCH = 500
LOST = "its file was lost"  # in the reason of evidence that is kept back for that: told already
_NAME = re.compile(r"[0-9a-f]{64}\.dcm")
_TABLES = {
    Holding.INSTANCES: tables.instances,
    Holding.EVIDENCE: tables.evidence,
    Holding.SUBSTITUTES: tables.substitutes,
}
# Called with the number of rows that were compared, and of those that there are.
Progress = Callable[[int, int], None]


class Comparison:
    """Looks at every row's file and at every file's row; reads all bytes, holds few rows in memory."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def journals(self) -> Iterator[Discrepancy]:
        """Journals of dead processes that tell of arrivals which nobody has taken over yet."""
        for folder in dead_journals(self._files.journals):
            if next(read_journal(folder), None) is not None:
                yield Discrepancy(Fault.NOT_INDEXED, Holding.JOURNAL, folder.relative_to(self._files.root))

    def rows(self, progress: Progress) -> Iterator[Discrepancy]:
        """Rows whose file is not there, or is another."""
        total, done = self._count(), 0
        for holding in _TABLES:
            for row in self._file_rows(holding):
                fault = self.fault_of(row)
                if fault is not None and self._still_there(row):
                    yield Discrepancy(fault, holding, row.path, row.sop_instance_uid)
                done += 1
                progress(done, total)

    def counts(self) -> Iterator[Discrepancy]:
        """Studies whose counts differ from the rows that were counted."""
        for uid in miscounted(self._database):
            yield Discrepancy(Fault.MISCOUNTED, Holding.CONTENTS, Path(), study_instance_uid=uid)

    def strays(self) -> Iterator[Discrepancy]:
        """Files that no row names, and what dead processes left; conflicting instances are meant to have no row."""
        for path in unknown_files(self._database, self._files.root):
            whole = file_sha256(self._files.root / path) == path.stem
            yield Discrepancy(Fault.NO_ROW if whole else Fault.DAMAGED, Holding.INSTANCES, path)
        for path in self._unnamed(QUARANTINE, select(tables.instances.c.path)):
            if _NAME.fullmatch(path.name):
                yield Discrepancy(Fault.NO_ROW, Holding.INSTANCES, path)
        shown = (tables.evidence.c.path, tables.substitutes.c.path, tables.instances.c.path)
        named = union(*map(select, shown)).subquery()
        for path in self._unnamed(EVIDENCE, select(named.c.path)):
            yield Discrepancy(Fault.NO_ROW, Holding.EVIDENCE, path)
        for path in self._files.dead_staging():
            yield Discrepancy(Fault.LEFT_OVER, Holding.STAGING, path)

    def fault_of(self, row: FileRow) -> Fault | None:
        """Look at a row's file."""
        try:
            digest = file_sha256(self._files.root / row.path)
        except FileNotFoundError:
            return Fault.NO_FILE
        except OSError:
            return Fault.OTHER_BYTES  # the disk cannot read it any more
        return None if digest == row.sha256 else Fault.OTHER_BYTES

    def row(self, holding: Holding, sop_instance_uid: str) -> FileRow | None:
        """What the index says of one object."""
        query = _query(holding).where(_TABLES[holding].c.sop_instance_uid == sop_instance_uid)
        with self._database.read() as connection:
            found = connection.execute(query).one_or_none()
        return None if found is None else FileRow(holding, found[0], Path(found[1]), found[2])

    def _count(self) -> int:
        with self._database.read() as connection:
            counts = [connection.execute(select(func.count()).select_from(table)) for table in _TABLES.values()]
            return sum(count.scalar_one() for count in counts)

    def _file_rows(self, holding: Holding) -> Iterator[FileRow]:
        uid, last = _TABLES[holding].c.sop_instance_uid, ""
        while True:
            query = _query(holding).where(uid > last).order_by(uid).limit(_BATCH)
            with self._database.read() as connection:
                batch = connection.execute(query).all()
            for row in batch:
                yield FileRow(holding, row[0], Path(row[1]), row[2])
            if len(batch) < _BATCH:
                return
            last = batch[-1][0]

    def _still_there(self, row: FileRow) -> bool:
        """Whether it is no matter of a moment: the node may have replaced or deleted both meanwhile."""
        return self.row(row.holding, row.sop_instance_uid) == row and self.fault_of(row) is not None

    def _unnamed(self, folder: str, named: Select[Any]) -> Iterator[Path]:
        root = self._files.root
        for shelf in sorted(path for path in (root / folder).iterdir() if path.is_dir()):
            present = {path.relative_to(root).as_posix() for path in shelf.iterdir() if path.suffix == ".dcm"}
            column = named.selected_columns[0]
            with self._database.read() as connection:
                known = set(connection.execute(named.where(column.like(f"{folder}/{shelf.name}/%"))).scalars())
            yield from (Path(path) for path in sorted(present - known))


def _query(holding: Holding) -> Select[Any]:
    columns = _TABLES[holding].c
    query = select(columns.sop_instance_uid, columns.path, columns.sha256)
    if holding is Holding.SUBSTITUTES:
        return query
    if holding is Holding.EVIDENCE:
        return query.where(~columns.reason.contains(LOST))
    # The node's own objects have two rows and one file: their evidence row answers for it.
    twin = tables.evidence.c
    return query.where(~exists().where(twin.sop_instance_uid == columns.sop_instance_uid, twin.path == columns.path))
