"""Indexes arrivals of a journal in batches; what is not plainly new goes the exact way, one by one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from dicomnode.archive.audit import add_audit
from dicomnode.archive.database import Database
from dicomnode.archive.files import FileStore
from dicomnode.archive.indexing import add_instances, add_origin, contradiction, known_here, patient_of, patients_of
from dicomnode.archive.keeping import Keeper
from dicomnode.archive.landing.backlog import Landed
from dicomnode.archive.records import Kind, Origin
from dicomnode.archive.watermarks import set_watermark, watermark
from dicomnode.errors import ArchiveError, ConflictError

_LOG = logging.getLogger(__name__)


def mark_of(owner: str) -> str:
    """Name of the mark that tells how far a process's journal is indexed."""
    return f"journal {owner}"


class BatchIndex:
    """Gives arrivals their files and rows."""

    def __init__(self, database: Database, files: FileStore, keeper: Keeper) -> None:
        self._database = database
        self._files = files
        self._keeper = keeper

    def index(self, owner: str, batch: Sequence[Landed]) -> None:
        """Index arrivals in their order; doing so again changes nothing.

        Args:
            owner: Process whose journal holds them.
            batch: The oldest of them that are not indexed.

        Raises:
            ArchiveError: The index cannot be written now.
            OSError: A file cannot be.
        """
        if not batch:
            return
        for landed in batch:
            if landed.content:
                self._files.place(landed.content, landed.kept.path)
        try:
            others = self._index_plain(owner, batch)
        except (ArithmeticError, ValueError, ArchiveError) as error:
            # One that the index does not take must not hold up the others, unless it takes nothing at all.
            self._require_writable(owner, error)
            others = list(batch)
        for landed in others:
            self._index_exactly(owner, landed)
        if others:
            with self._database.write() as connection:
                set_watermark(connection, mark_of(owner), str(batch[-1].number))

    def _index_plain(self, owner: str, batch: Sequence[Landed]) -> list[Landed]:
        with self._database.write() as connection:
            plain, others = _sorted_out(connection, self._files.root, batch)
            if plain:
                add_instances(connection, [(landed.kept, landed.entry.at) for landed in plain])
                _add_origins(connection, plain)
            if not others:
                set_watermark(connection, mark_of(owner), str(batch[-1].number))
        return others

    def _index_exactly(self, owner: str, landed: Landed) -> None:
        try:
            self._files.sync_file(landed.kept.path)
            self._keeper.keep(landed.kept, landed.entry.origin, landed.entry.at)
        except FileNotFoundError:
            _LOG.error("the file of instance %s is gone", landed.kept.header.sop_instance_uid)
        except ConflictError as error:
            _LOG.warning("an instance that was acknowledged is in conflict: %s", error)
        except (ArithmeticError, ValueError, ArchiveError) as error:
            self._require_writable(owner, error)
            self._set_aside(landed, error)

    def _require_writable(self, owner: str, error: Exception) -> None:
        """Find out whether it is the index or what it was to take."""
        if isinstance(error, ArchiveError):
            with self._database.write() as connection:
                name = mark_of(owner)
                set_watermark(connection, name, watermark(connection, name) or "0")

    def _set_aside(self, landed: Landed, error: Exception) -> None:
        aside = self._files.set_aside(landed.kept.path)
        header = landed.kept.header
        told = f"{type(error).__name__} on instance {header.sop_instance_uid}"
        text = f"an instance that was acknowledged cannot be indexed ({told}); kept as {aside.as_posix()}"
        _LOG.error("%s", text)
        with self._database.write() as connection:
            add_audit(connection, "instance not indexed", text, landed.entry.at, header.study_instance_uid)


def _sorted_out(connection: Connection, root: Path, batch: Sequence[Landed]) -> tuple[list[Landed], list[Landed]]:
    """Those that are plainly new, and all others."""
    known = known_here(connection, [landed.kept.header.sop_instance_uid for landed in batch])
    patients = patients_of(connection, {landed.kept.header.study_instance_uid for landed in batch})
    plain, others = [], []
    for landed in batch:
        header = landed.kept.header
        strange = header.sop_instance_uid in known or landed.kept.kind is Kind.OWN
        study_patient = patients.setdefault(header.study_instance_uid, patient_of(header))
        # Files go only while nobody else writes to the index, so what is here now stays.
        if strange or contradiction(study_patient, header) or not (root / landed.kept.path).exists():
            others.append(landed)
        else:
            known.add(header.sop_instance_uid)
            plain.append(landed)
    return plain, others


def _add_origins(connection: Connection, plain: Sequence[Landed]) -> None:
    first: dict[tuple[str, Origin], datetime] = {}
    for landed in plain:
        if landed.kept.kind is Kind.SOURCE:
            first.setdefault((landed.kept.header.study_instance_uid, landed.entry.origin), landed.entry.at)
    for (study_instance_uid, origin), at in first.items():
        add_origin(connection, study_instance_uid, origin, at)
