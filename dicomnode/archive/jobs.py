"""Jobs: durable, leased to one worker at a time, superseded when their study changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.answers import answer_values
from dicomnode.archive.database import Database
from dicomnode.archive.early_claims import elsewhere
from dicomnode.archive.figures import observe_begin, observe_end
from dicomnode.archive.files import FileStore
from dicomnode.archive.finishing import Answer, add_answer
from dicomnode.archive.indexing import NO_REPLAY
from dicomnode.archive.job_rows import job_from_row, new_job_row, trace_job
from dicomnode.archive.leasing import died_alone, due_query
from dicomnode.archive.priors import await_priors
from dicomnode.archive.records import Job, JobState, NewEvidence, NewJob, StudyState, TraceEntry, Turn
from dicomnode.archive.traces import add_trace
from dicomnode.errors import ArchiveError, NotFoundError

_JOBS = tables.jobs.c
_UNFINISHED = (JobState.WAITING, JobState.LEASED)


class JobStore:
    """Rows of jobs."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def claim_name(self) -> str:
        """A name for this process in leases: others on this machine know at once when it is dead."""
        return self._files.claim_name()

    def unrouted(self, replays: int = 16) -> list[tuple[str, int]]:
        """Complete studies with the generation that routing has yet to decide on, live ones first.

        Args:
            replays: Most replayed studies wanted, so that a long list of them does not keep live ones waiting.
        """
        rows = tables.studies.c
        waiting = select(rows.study_instance_uid, rows.generation).where(
            rows.state == StudyState.COMPLETE, rows.generation > rows.routed_generation
        )
        live, replayed = rows.replay_priority.is_(None), rows.replay_priority.is_not(None)
        with self._database.read() as connection:
            found = [
                *connection.execute(waiting.where(live)),
                *connection.execute(waiting.where(replayed).limit(replays)),
            ]
        return [(row.study_instance_uid, row.generation) for row in found]

    def add_all(
        self,
        study_instance_uid: str,
        generation: int,
        jobs: Sequence[NewJob],
        lines: Sequence[tuple[str | None, str]],
        now: datetime,
    ) -> bool:
        """Write a whole routing decision; a generation that is routed already stays as it is.

        Unfinished jobs of earlier generations become superseded.

        Args:
            study_instance_uid: A complete study.
            generation: The completion that was decided on.
            jobs: At most one per model.
            lines: Trace lines: model name (or None) and text.
            now: Time of the decision.

        Returns:
            False if another process routed this generation, or a later one, before.
        """
        rows = tables.studies
        with self._database.write() as connection:
            study = rows.c.study_instance_uid == study_instance_uid
            known = connection.execute(select(rows).where(study)).one_or_none()
            if known is None:
                raise NotFoundError(f"study {study_instance_uid} is not in the archive")
            if known.routed_generation >= generation:
                return False
            connection.execute(update(rows).where(study).values(routed_generation=generation, **NO_REPLAY))
            _supersede(connection, study_instance_uid, generation, now)
            for job in jobs:
                row = new_job_row(study_instance_uid, generation, job, now)
                if known.replay_priority is not None:
                    row["priority"] = known.replay_priority
                connection.execute(insert(tables.jobs).values(row))
                if job.awaits_priors:
                    await_priors(connection, study_instance_uid, job.model_name)
            for model_name, text in lines:
                add_trace(connection, TraceEntry(study_instance_uid, generation, "routing", model_name, text, now))
        return True

    def lease(self, owner: str, now: datetime, lease_seconds: float, turn: Turn = Turn.URGENT_FIRST) -> Job | None:
        """Take the next job that is due, or whose worker fell silent; None if there is none.

        Live work goes first. Among equals, jobs that were tried less often go first, so that one that kills or stalls
        its worker never keeps the others waiting for more than one attempt.

        A worker that died with several jobs leaves open which of them it died of: none of these attempts counts then.
        Each of the jobs has an error from then on, by which workers know to run it alone.

        Args:
            owner: Name of the worker, from `claim_name`.
            now: Present time.
            lease_seconds: The job is given to another worker after this, unless renewed.
            turn: Which of the jobs that are due.
        """
        if not self.has_work():
            return None  # an idle worker asks often, and the whole question takes longer to put
        query = due_query(turn, now, self._dead()).where(~elsewhere(owner, now))
        with self._database.read() as connection:
            if connection.execute(query).first() is None:
                return None  # an idle worker asks often, and must not queue with the writers for it
        with self._database.write() as connection:
            row = connection.execute(query).one_or_none()
            while row is not None and row.state == JobState.LEASED and not died_alone(connection, row, now):
                row = connection.execute(query).one_or_none()
            if row is None:
                return None
            taken: dict[str, Any] = {
                "state": JobState.LEASED,
                "attempts": row.attempts + 1,
                "lease_owner": owner,
                "lease_until": now + timedelta(seconds=lease_seconds),
                "started_at": now,
            }
            if row.state == JobState.LEASED:
                taken["error"] = f"its worker died, or did not answer any more, during attempt {row.attempts}"
                trace_job(connection, row.job_id, "attempt failed", taken["error"], now)
            observe_begin(connection, row, now)
            connection.execute(update(tables.jobs).where(_JOBS.job_id == row.job_id).values(taken))
            return job_from_row(connection.execute(select(tables.jobs).where(_JOBS.job_id == row.job_id)).one())

    def renew(self, job_id: int, owner: str, until: datetime) -> bool:
        """Keep a lease; False if it was lost (taken over, or the job superseded)."""
        with self._database.write() as connection:
            return _change_leased(connection, job_id, owner, {"lease_until": until})

    def finish(
        self,
        job_id: int,
        owner: str,
        evidence: Sequence[NewEvidence],
        result_json: str,
        now: datetime,
        *,
        targets: Sequence[str] | None = None,
        error: str = "",
    ) -> bool:
        """End a job with its answer: state, evidence, deliveries and trace in one transaction.

        Evidence that is here already keeps its stored bytes; what was queued for a target before is
        not queued again.

        Args:
            job_id: A leased job.
            owner: Worker that leased it.
            evidence: What was written; quarantined objects go to no target.
            result_json: The answer, for pages and `status`.
            now: Time of the end.
            targets: Names of targets, in place of the job's own. A silent job goes to none.
            error: If not empty, the job counts as failed, for this reason; its evidence says so.

        Returns:
            False if the lease was lost; nothing was written then.
        """
        answer = Answer.read(evidence, self._files.root)
        state = JobState.FAILED if error else JobState.DONE
        ended = _ended(state, error, now) | {"result_json": result_json} | answer_values(result_json)
        with self._database.write() as connection:
            if not _change_leased(connection, job_id, owner, ended):
                return False
            observe_end(connection, job_id, str(ended["outcome"] or state), now)
            job = job_from_row(connection.execute(select(tables.jobs).where(_JOBS.job_id == job_id)).one())
            if targets is not None:
                job = replace(job, targets=tuple(targets))
            add_answer(connection, job, answer, now)
        return True

    def retry_later(
        self, job_id: int, owner: str, error: str, at: datetime, now: datetime, *, counted: bool = True
    ) -> bool:
        """Give a job back for another attempt, not before `at`; False if the lease was lost.

        Args:
            job_id: A leased job.
            owner: Worker that leased it.
            error: Why, one line.
            at: Not before this.
            now: Present time.
            counted: False if neither the study nor the model is to blame, so that this was no attempt.
        """
        values: dict[str, object] = {"state": JobState.WAITING, "error": error, "next_attempt_at": at}
        values |= _NO_LEASE | ({} if counted else {"attempts": _JOBS.attempts - 1})
        with self._database.write() as connection:
            if not _change_leased(connection, job_id, owner, values):
                return False
            trace_job(connection, job_id, "attempt failed", error, now)
        return True

    def fail(self, job_id: int, owner: str, error: str, now: datetime) -> bool:
        """End a job without any answer; False if the lease was lost."""
        with self._database.write() as connection:
            if not _change_leased(connection, job_id, owner, _ended(JobState.FAILED, error, now)):
                return False
            observe_end(connection, job_id, str(JobState.FAILED), now)
            trace_job(connection, job_id, "failed", error, now)
        return True

    def retry(self, job_id: int, now: datetime) -> None:
        """Let a failed job (or one that waits for its next attempt) start anew at once.

        Raises:
            NotFoundError: No such job.
            ArchiveError: It is running, done or superseded.
        """
        values = {"state": JobState.WAITING, "attempts": 0, "next_attempt_at": now, "finished_at": None} | _NO_LEASE
        with self._database.write() as connection:
            state = connection.execute(select(_JOBS.state).where(_JOBS.job_id == job_id)).scalar_one_or_none()
            if state is None:
                raise NotFoundError(f"there is no job {job_id}")
            if state not in (JobState.FAILED, JobState.WAITING):
                raise ArchiveError(f"job {job_id} is {state}: only failed and waiting jobs can be retried")
            connection.execute(update(tables.jobs).where(_JOBS.job_id == job_id).values(values))
            trace_job(connection, job_id, "retry", "asked for again", now)

    def get(self, job_id: int) -> Job:
        """One job.

        Raises:
            NotFoundError: No such job.
        """
        with self._database.read() as connection:
            row = connection.execute(select(tables.jobs).where(_JOBS.job_id == job_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no job {job_id}")
        return job_from_row(row)

    def list(
        self, study_instance_uid: str | None = None, state: JobState | None = None, limit: int | None = None
    ) -> list[Job]:
        """Jobs in the order in which they were made, of one study or of all."""
        query = select(tables.jobs).order_by(_JOBS.job_id).limit(limit)
        if study_instance_uid is not None:
            query = query.where(_JOBS.study_instance_uid == study_instance_uid)
        if state is not None:
            query = query.where(_JOBS.state == state)
        with self._database.read() as connection:
            return [job_from_row(row) for row in connection.execute(query)]

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        with self._database.read() as connection:
            rows = connection.execute(select(_JOBS.state, func.count()).group_by(_JOBS.state))
            return {JobState(state): count for state, count in rows}

    def has_work(self) -> bool:
        """Whether a job waits, now or for its next attempt, or is under way."""
        query = select(_JOBS.job_id).where(_JOBS.state.in_(_UNFINISHED)).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def _dead(self) -> tuple[str, ...]:
        """Workers that hold a lease and are known to be dead."""
        owners = select(_JOBS.lease_owner).where(_JOBS.state == JobState.LEASED).distinct()
        with self._database.read() as connection:
            names = connection.execute(owners).scalars().all()
        return tuple(name for name in names if self._files.lives(name) is False)


_NO_LEASE: dict[str, object] = {"lease_owner": None, "lease_until": None}


def _ended(state: JobState, error: str, now: datetime) -> dict[str, object]:
    return {"state": state, "error": error, "finished_at": now} | _NO_LEASE


def _change_leased(connection: Connection, job_id: int, owner: str, values: dict[str, object]) -> bool:
    held = and_(_JOBS.job_id == job_id, _JOBS.state == JobState.LEASED, _JOBS.lease_owner == owner)
    return connection.execute(update(tables.jobs).where(held).values(values)).rowcount == 1


def _supersede(connection: Connection, study_instance_uid: str, generation: int, now: datetime) -> None:
    old = and_(
        _JOBS.study_instance_uid == study_instance_uid,
        _JOBS.generation < generation,
        _JOBS.state.in_(_UNFINISHED),
    )
    for row in connection.execute(select(_JOBS.job_id).where(old)).all():
        trace_job(connection, row.job_id, "superseded", f"the study came to generation {generation}", now)
    connection.execute(update(tables.jobs).where(old).values(_ended(JobState.SUPERSEDED, "", now)))
