"""`dicomnode trace STUDY`: what happened to a study, and why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.console import Console

from dicomnode.archive.records import Delivery, Job, ProofState, StudyRecord, TraceEntry
from dicomnode.archive.traces import why_of
from dicomnode.cli.existing import open_existing
from dicomnode.settings import load_settings

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("trace", help="what happened to a study, and why", description=__doc__)
    parser.add_argument("study", metavar="STUDY", help="Study Instance UID")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the trace."""
    with open_existing(load_settings(arguments.settings)) as archive:
        record = archive.studies.record(arguments.study)
        entries = archive.traces.list(arguments.study)
        jobs = archive.jobs.list(arguments.study)
        deliveries = archive.deliveries.list(arguments.study)
    if arguments.json:
        print(json.dumps(_json(record, entries, jobs, deliveries), indent=2))
    else:
        _show(Console(soft_wrap=True), record, entries, jobs, deliveries)
    return 0


def _show(
    console: Console,
    record: StudyRecord,
    entries: Sequence[TraceEntry],
    jobs: Sequence[Job],
    deliveries: Sequence[Delivery],
) -> None:
    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    conflict = f"; patient identity: {record.identity_conflict}" if record.identity_conflict else ""
    conflict += f"; quarantined: {record.quarantined}" if record.quarantined else ""
    counts = f"{record.source_instances} instance(s), {', '.join(record.modalities) or 'no modality'}"
    say(f"study {record.study_instance_uid}: {record.state}, generation {record.generation}, {counts}{conflict}")
    say(f"  arrived {record.first_arrival:{_TIME}} to {record.last_arrival:{_TIME}}")
    for entry in entries:
        model = f" {entry.model_name}:" if entry.model_name else ""
        say(f"  {entry.at:{_TIME}} [{entry.generation}] {entry.event}:{model} {entry.text}")
    for title, lines in (
        ("models", [f"{name}: {text}" for name, text in why_of(record, entries).items()]),
        ("jobs", [_job_line(job) for job in jobs]),
        ("deliveries", [_delivery_line(delivery) for delivery in deliveries]),
    ):
        if lines:
            say(f"{title}:")
        for line in lines:
            say(f"  {line}")


def _job_line(job: Job) -> str:
    state = f"job {job.job_id} [{job.generation}] {job.model_name} {job.kind} {job.state}"
    said = job.error or answer_line(job)
    return f"{state}: {said}" if said else state


def answer_line(job: Job) -> str:
    """What the job answered, such as ``no_findings: nothing found, ...``; empty before."""
    content = json.loads(job.result_json or "{}")
    return f"{content['outcome']}: {content['reason']}" if "outcome" in content and "reason" in content else ""


def _delivery_line(delivery: Delivery) -> str:
    status = f" ({delivery.status})" if delivery.status else ""
    tries = f"{delivery.attempts} attempt(s)"
    said = f"delivery {delivery.delivery_id} to {delivery.target}: {delivery.state}{status}, {tries}"
    proof = f"; proof: {delivery.proof}" if delivery.proof is not ProofState.NONE else ""
    return f"{said}{proof} ({delivery.proof_status})" if proof and delivery.proof_status else f"{said}{proof}"


def _json(
    record: StudyRecord, entries: Sequence[TraceEntry], jobs: Sequence[Job], deliveries: Sequence[Delivery]
) -> dict[str, object]:
    return {
        "study": record.study_instance_uid,
        "state": str(record.state),
        "generation": record.generation,
        "identity_conflict": record.identity_conflict,
        "models": why_of(record, entries),
        "events": [
            {
                "at": entry.at.isoformat(),
                "generation": entry.generation,
                "event": entry.event,
                "model": entry.model_name,
                "text": entry.text,
            }
            for entry in entries
        ],
        "jobs": [
            {
                "job": job.job_id,
                "generation": job.generation,
                "model": job.model_name,
                "state": str(job.state),
                "error": job.error,
                "answer": answer_line(job),
            }
            for job in jobs
        ],
        "deliveries": [
            {
                "delivery": item.delivery_id,
                "object": item.sop_instance_uid,
                "target": item.target,
                "state": str(item.state),
                "status": item.status,
                "attempts": item.attempts,
                "sent_as": item.sent_sop_instance_uid,
                "sent_at": item.sent_at and item.sent_at.isoformat(),
                "proof": str(item.proof),
                "proof_status": item.proof_status,
            }
            for item in deliveries
        ],
    }
