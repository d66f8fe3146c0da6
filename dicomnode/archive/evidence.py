"""Evidence objects: what the models answered, as stored files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import and_, func, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.files import EVIDENCE, FileStore
from dicomnode.archive.records import Evidence, EvidenceState

_EVIDENCE = tables.evidence.c


@dataclass(frozen=True, slots=True)
class Newest:
    """The current object of a series.

    Attributes:
        sop_instance_uid: (0008,0018).
        sop_class_uid: (0008,0016).
        instance_number: (0020,0013), the highest of the series.
    """

    sop_instance_uid: str
    sop_class_uid: str
    instance_number: int


class EvidenceStore:
    """Files and rows of the node's own objects; `JobStore.finish` adds the rows."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def write_file(self, data: bytes, sop_instance_uid: str) -> Path:
        """Write an object's file (PS3.10) durably, before its row.

        Other bytes for the same UID (a worker that lost its lease writes them) get another path: what
        a row points at never changes.

        Raises:
            ArchiveFullError: The disk is full.
        """
        name = hashlib.sha256(sop_instance_uid.encode()).hexdigest()[:32]
        relative = Path(EVIDENCE, name[:2], f"{name}-{hashlib.sha256(data).hexdigest()[:32]}.dcm")
        if (self._files.root / relative).exists():
            self._files.settle(relative)
        else:
            self._files.write(data, relative)
        return self._files.root / relative

    def get(self, sop_instance_uid: str) -> Evidence | None:
        """The object of that UID, None if the node never made it."""
        query = select(tables.evidence).where(_EVIDENCE.sop_instance_uid == sop_instance_uid)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else self._evidence(row)

    def list(self, study_instance_uid: str) -> list[Evidence]:
        """A study's objects by model, role and Instance Number."""
        query = (
            select(tables.evidence)
            .where(_EVIDENCE.study_instance_uid == study_instance_uid)
            .order_by(_EVIDENCE.model_name, _EVIDENCE.role, _EVIDENCE.instance_number)
        )
        with self._database.read() as connection:
            return [self._evidence(row) for row in connection.execute(query)]

    def previous(self, series_instance_uid: str) -> Newest | None:
        """The current object of a series (highest Instance Number), which the next one supersedes.

        What was deleted here is still at the targets, so it counts.
        """
        gone = tables.evidence_numbers
        ready = and_(_EVIDENCE.series_instance_uid == series_instance_uid, _EVIDENCE.state == EvidenceState.READY)
        queries = (
            select(tables.evidence).where(ready).order_by(_EVIDENCE.instance_number.desc()).limit(1),
            select(gone).where(gone.c.series_instance_uid == series_instance_uid),
        )
        with self._database.read() as connection:
            found = [row for query in queries for row in connection.execute(query)]
        newest = max(found, key=lambda row: row.instance_number, default=None)
        if newest is None:
            return None
        return Newest(newest.sop_instance_uid, newest.sop_class_uid, newest.instance_number)

    def counts(self) -> dict[EvidenceState, int]:
        """How many objects are in each state."""
        with self._database.read() as connection:
            rows = connection.execute(select(_EVIDENCE.state, func.count()).group_by(_EVIDENCE.state))
            return {EvidenceState(state): count for state, count in rows}

    def _evidence(self, row: IndexRow) -> Evidence:
        return Evidence(
            row.sop_instance_uid,
            row.sop_class_uid,
            row.transfer_syntax_uid,
            row.series_instance_uid,
            row.study_instance_uid,
            row.model_name,
            row.role,
            self._files.root / row.path,
            row.sha256,
            row.instance_number,
            EvidenceState(row.state),
            row.reason,
            row.job_id,
            row.created,
            row.recall_id,
        )
