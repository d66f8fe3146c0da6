"""Mends what a comparison found; whatever it cannot mend it takes out of service, with an entry in the audit."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Table, delete, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.comparing import LOST, Comparison
from dicomnode.archive.contents import recount
from dicomnode.archive.database import Database
from dicomnode.archive.discrepancies import Discrepancy, Fault, FileRow, Holding
from dicomnode.archive.files import CONFLICTS, INSTANCES, QUARANTINE, FileStore, file_sha256
from dicomnode.archive.indexing import Kept, add_instance, study_generation
from dicomnode.archive.instances import InstanceStore
from dicomnode.archive.records import DeliveryState, EvidenceState, Kind, Origin, StudyState, TraceEntry, Way
from dicomnode.archive.traces import add_trace
from dicomnode.dicom.header import read_header

_UNSENT = (DeliveryState.WAITING, DeliveryState.SENDING)


class Repairs:
    """Repairs one discrepancy at a time; each ends in a sentence that says what was done."""

    def __init__(
        self,
        database: Database,
        files: FileStore,
        instances: InstanceStore,
        comparison: Comparison,
        now: datetime,
        *,
        fetch: bool,
    ) -> None:
        self._database = database
        self._files = files
        self._instances = instances
        self._comparison = comparison
        self._now = now
        self._fetch = fetch

    def repair(self, found: Discrepancy) -> Discrepancy:
        """Mend it, or take it out of service."""
        if found.fault is Fault.MISCOUNTED:
            with self._database.write() as connection:
                recount(connection, found.study_instance_uid)
            return replace(found, outcome="counted anew", mended=True)
        if found.fault is Fault.NOT_INDEXED:
            return replace(found, outcome=f"{self._instances.take_over()} instance(s) indexed", mended=True)
        if found.fault in (Fault.NO_FILE, Fault.OTHER_BYTES):
            return self._row(found)
        if found.fault is Fault.NO_ROW and found.holding is Holding.INSTANCES:
            return self._stray(found)
        if found.fault is Fault.DAMAGED:
            return replace(found, outcome=self._aside(found.path))
        if found.fault is Fault.LEFT_OVER:
            self._files.remove_dead_staging()
            return replace(found, outcome="removed; it was never acknowledged", mended=True)
        return replace(found, outcome="left alone: a worker made it and did not finish; nothing shows or sends it")

    def evidence_found_again(self) -> int:
        """Put back into service what was lost and has its file again, because the model made it anew."""
        rows = tables.evidence
        query = select(rows.c.sop_instance_uid, rows.c.path, rows.c.sha256).where(
            rows.c.state == EvidenceState.QUARANTINED, rows.c.reason.startswith(LOST)
        )
        with self._database.read() as connection:
            lost = [
                FileRow(Holding.EVIDENCE, uid, Path(path), sha256) for uid, path, sha256 in connection.execute(query)
            ]
        found = [row for row in lost if self._comparison.fault_of(row) is None]
        for row in found:
            file = self._files.root / row.path
            kept = Kept(read_header(file), row.path, row.sha256, Kind.OWN, file.stat().st_size)
            with self._database.write() as connection:
                self._restore_evidence(connection, kept)
        return len(found)

    def _restore_evidence(self, connection: Connection, kept: Kept) -> None:
        uid, rows, queue, twins = kept.header.sop_instance_uid, tables.evidence, tables.deliveries, tables.instances
        ready = {"state": EvidenceState.READY, "reason": ""}
        connection.execute(update(rows).where(rows.c.sop_instance_uid == uid).values(ready))
        if connection.execute(select(twins.c.path).where(twins.c.sop_instance_uid == uid)).first() is None:
            add_instance(connection, kept, self._now)
        unsent = update(queue).where(queue.c.sop_instance_uid == uid, queue.c.status == LOST)
        connection.execute(unsent.values(state=DeliveryState.WAITING, next_attempt_at=self._now, updated_at=self._now))
        self._tell(connection, "evidence restored", f"object {uid} is in service again", uid, rows)

    def _row(self, found: Discrepancy) -> Discrepancy:
        row = self._comparison.row(found.holding, found.sop_instance_uid)
        if row is None or self._comparison.fault_of(row) is None:
            return replace(found, outcome="in order by now", mended=True)
        moved = f"{self._aside(row.path)}; " if (self._files.root / row.path).exists() else ""
        for folder in (INSTANCES, QUARANTINE, CONFLICTS):
            spare = Path(folder, row.sha256[:2], f"{row.sha256}.dcm")
            if spare != row.path and self._has_digest(spare, row.sha256):
                self._files.put_back(spare, row.path)
                return replace(found, outcome=f"{moved}restored from {spare.as_posix()}", mended=True)
        return replace(found, outcome=moved + self._withdraw(row))

    def _withdraw(self, row: FileRow) -> str:
        withdraw = {
            Holding.INSTANCES: self._withdraw_instance,
            Holding.EVIDENCE: self._withdraw_evidence,
            Holding.SUBSTITUTES: self._withdraw_substitute,
        }[row.holding]
        with self._database.write() as connection:
            return withdraw(connection, row)

    def _has_digest(self, path: Path, sha256: str) -> bool:
        try:
            return file_sha256(self._files.root / path) == sha256
        except OSError:
            return False

    def _aside(self, path: Path) -> str:
        aside = self._files.set_aside(path)
        with self._database.write() as connection:
            text = f"{path.as_posix()} does not hold what it should; kept as {aside.as_posix()}"
            add_audit(connection, "damaged file", text, self._now)
        return f"its bytes are kept as {aside.as_posix()}"

    def _stray(self, found: Discrepancy) -> Discrepancy:
        path = found.path
        if path.parts[0] != INSTANCES:
            # Quarantine decides again; a file that belongs there goes back.
            path = self._files.move(path, INSTANCES)
        if self._instances.adopt(path, Origin(Way.RECOVERED), self._now):
            return replace(found, outcome="indexed", mended=True)
        if (self._files.root / path).exists():
            return replace(found, outcome=self._aside(path))
        return replace(found, outcome="kept among the conflicting instances: its UID is here with other content")

    def _withdraw_instance(self, connection: Connection, row: FileRow) -> str:
        uid, rows, series = row.sop_instance_uid, tables.instances, tables.series
        text = f"instance {uid} is missing: its file was lost and it is out of service until it comes again"
        self._tell(connection, "instance missing", text, uid, rows)
        place = select(rows.c.study_instance_uid, rows.c.series_instance_uid).where(rows.c.sop_instance_uid == uid)
        study, its_series = connection.execute(place).one()
        connection.execute(delete(rows).where(rows.c.sop_instance_uid == uid))
        recount(connection, study)
        same = rows.c.study_instance_uid == study, rows.c.series_instance_uid == its_series
        if connection.execute(select(rows.c.path).where(*same)).first() is None:
            emptied = series.c.study_instance_uid == study, series.c.series_instance_uid == its_series
            connection.execute(delete(series).where(*emptied))
        if not self._fetch:
            return "taken out of the index, so that it can be sent or fetched again"
        self._open_again(connection, study)
        return "taken out of the index; its study is open again, to be compared with the PACS and fetched"

    def _open_again(self, connection: Connection, study_instance_uid: str) -> None:
        """Let a complete study wait for its end once more: it is compared with a PACS before that."""
        rows = tables.studies
        complete = rows.c.study_instance_uid == study_instance_uid, rows.c.state == StudyState.COMPLETE
        opened = {"state": StudyState.OPEN, "first_arrival": self._now, "last_arrival": self._now}
        connection.execute(update(rows).where(*complete, rows.c.generation > 0).values(opened))

    def _withdraw_evidence(self, connection: Connection, row: FileRow) -> str:
        uid, rows, queue = row.sop_instance_uid, tables.evidence, tables.deliveries
        reason = f"{LOST}: `dicomnode replay` on its study makes it anew"
        study = self._tell(connection, "evidence missing", f"object {uid} is out of service: {reason}", uid, rows)
        one = update(rows).where(rows.c.sop_instance_uid == uid)
        lost = {"state": EvidenceState.QUARANTINED, "reason": reason}
        connection.execute(
            one.where(rows.c.state == EvidenceState.QUARANTINED).values(reason=rows.c.reason + f"; {reason}")
        )
        connection.execute(one.where(rows.c.state != EvidenceState.QUARANTINED).values(lost))
        unsent = update(queue).where(queue.c.sop_instance_uid == uid, queue.c.state.in_(_UNSENT))
        connection.execute(unsent.values(state=DeliveryState.REFUSED, status=LOST, updated_at=self._now))
        twin = tables.instances
        connection.execute(delete(twin).where(twin.c.sop_instance_uid == uid, twin.c.path == row.path.as_posix()))
        recount(connection, study)
        return "kept back, and its deliveries are dead letters"

    def _withdraw_substitute(self, connection: Connection, row: FileRow) -> str:
        rows = tables.substitutes
        connection.execute(delete(rows).where(rows.c.sop_instance_uid == row.sop_instance_uid))
        add_audit(connection, "substitute missing", f"object {row.sop_instance_uid} is made anew if needed", self._now)
        return "taken out of the index; it is made anew if it is needed"

    def _tell(self, connection: Connection, event: str, text: str, uid: str, rows: Table) -> str:
        """Write it into audit and trace; gives the study."""
        add_audit(connection, event, text, self._now)
        query = select(rows.c.study_instance_uid).where(rows.c.sop_instance_uid == uid)
        study: str = connection.execute(query).scalar_one()
        generation = study_generation(connection, study)
        add_trace(connection, TraceEntry(study, generation, event, None, text, self._now))
        return study
