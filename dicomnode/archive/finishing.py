"""What the end of a job writes: evidence, its place in the searchable archive, and its deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, insert, select

from dicomnode.archive import tables
from dicomnode.archive.database import IndexRow
from dicomnode.archive.files import file_sha256
from dicomnode.archive.indexing import Kept, add_instance
from dicomnode.archive.records import (
    DeliveryState,
    DeploymentState,
    EvidenceState,
    Job,
    Kind,
    NewEvidence,
    TraceEntry,
)
from dicomnode.archive.traces import add_trace
from dicomnode.dicom.header import read_header


@dataclass(frozen=True, slots=True)
class Answer:
    """Evidence of one job with what its files say, read before the transaction begins."""

    objects: tuple[tuple[NewEvidence, Kept], ...]

    @classmethod
    def read(cls, evidence: Sequence[NewEvidence], root: Path) -> Self:
        """Read headers and digests of the files."""
        return cls(
            tuple(
                (
                    new,
                    Kept(
                        read_header(new.path),
                        new.path.relative_to(root),
                        file_sha256(new.path),
                        Kind.OWN,
                        new.path.stat().st_size,
                    ),
                )
                for new in evidence
            )
        )


def add_answer(connection: Connection, job: Job, answer: Answer, now: datetime) -> None:
    """Write evidence, deliveries and trace of a job that just ended."""
    queued = 0
    silent = job.silent or is_silenced(connection, job.model_name)
    for new, kept in answer.objects:
        known = _known(connection, new.sop_instance_uid)
        if known is None:
            add_evidence(connection, job.job_id, new, kept, now)
        withdrawn = known is not None and known.recall_id is not None
        if known is not None and withdrawn:
            text = f"{new.role} {new.sop_instance_uid} is the same as before, which recall {known.recall_id} withdrew"
            _trace(connection, job, "recalled", f"{text}: it stays withdrawn", now)
        if new.state is EvidenceState.READY and not silent and not withdrawn:
            wanting = [target for target in job.targets if target not in new.unwanted_by]
            queued += queue(connection, new.sop_instance_uid, wanting, now)
    states = [new.state for new, _ in answer.objects]
    for new, _ in answer.objects:
        if new.state is EvidenceState.QUARANTINED:
            _trace(connection, job, "quarantined", f"{new.role} {new.sop_instance_uid}: {new.reason}", now)
    parts = [f"{states.count(EvidenceState.READY)} evidence object(s) made", f"{queued} new delivery(ies)"]
    if silent:
        parts.append("silent model: nothing is sent")
    if job.error:
        parts.insert(0, f"failed: {job.error}")
    _trace(connection, job, "answered", ", ".join(parts), now)


def is_silenced(connection: Connection, model_name: str) -> bool:
    """Whether an administrator silenced the model or switched it off since, up to this very transaction."""
    rows = tables.deployments
    state = connection.execute(select(rows.c.state).where(rows.c.model_name == model_name)).scalar_one_or_none()
    return state is not None and state != DeploymentState.LIVE


def _known(connection: Connection, sop_instance_uid: str) -> IndexRow | None:
    rows = tables.evidence
    return connection.execute(select(rows).where(rows.c.sop_instance_uid == sop_instance_uid)).one_or_none()


def add_evidence(connection: Connection, job_id: int, new: NewEvidence, kept: Kept, now: datetime) -> None:
    """Write an object's row, and index it with what came in."""
    connection.execute(
        insert(tables.evidence).values(
            sop_instance_uid=new.sop_instance_uid,
            sop_class_uid=new.sop_class_uid,
            transfer_syntax_uid=kept.header.transfer_syntax_uid,
            series_instance_uid=new.series_instance_uid,
            study_instance_uid=new.study_instance_uid,
            model_name=new.model_name,
            role=new.role,
            path=kept.path.as_posix(),
            sha256=kept.sha256,
            instance_number=new.instance_number,
            state=new.state,
            reason=new.reason,
            job_id=job_id,
            created=now,
        )
    )
    rows = tables.instances.c.sop_instance_uid
    came_back = connection.execute(select(rows).where(rows == new.sop_instance_uid)).first() is not None
    if new.state is EvidenceState.READY and not came_back:
        add_instance(connection, kept, now)


def queue(connection: Connection, sop_instance_uid: str, targets: Sequence[str], now: datetime) -> int:
    """Queue an object for targets that it was not queued for before; returns for how many."""
    rows = tables.deliveries
    query = select(rows.c.target).where(rows.c.sop_instance_uid == sop_instance_uid)
    known = set(connection.execute(query).scalars())
    missing = [target for target in dict.fromkeys(targets) if target not in known]
    for target in missing:
        connection.execute(
            insert(rows).values(
                sop_instance_uid=sop_instance_uid,
                target=target,
                state=DeliveryState.WAITING,
                attempts=0,
                next_attempt_at=now,
                status="",
                updated_at=now,
            )
        )
    return len(missing)


def _trace(connection: Connection, job: Job, event: str, text: str, now: datetime) -> None:
    add_trace(connection, TraceEntry(job.study_instance_uid, job.generation, event, job.model_name, text, now))
