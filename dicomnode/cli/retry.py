"""`dicomnode retry`: repeat a failed job, or deliveries that were refused or wait for their next attempt.

A study that was quarantined, because it killed or stalled the models' process, is released.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from dicomnode.archive import Archive
from dicomnode.archive.records import JobState
from dicomnode.cli.existing import open_existing
from dicomnode.errors import UsageError
from dicomnode.settings import load_settings

_WHAT = "study: its failed jobs and deliveries; target: everything that it refused or that waits for it"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("retry", help="repeat a failed job or delivery", description=__doc__)
    parser.add_argument("what", choices=("job", "delivery", "study", "target"), help=_WHAT)
    parser.add_argument(
        "which", metavar="WHICH", help="number of the job or delivery, Study Instance UID, or name of the target"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask for another attempt."""
    now = datetime.now(UTC)
    jobs, deliveries = 0, 0
    with open_existing(load_settings(arguments.settings)) as archive:
        if arguments.what == "job":
            job_id = _number(arguments.which)
            archive.jobs.retry(job_id, now)
            archive.quarantine.release(archive.jobs.get(job_id).study_instance_uid, now)
            jobs = 1
        elif arguments.what == "delivery":
            deliveries = archive.deliveries.retry(now, delivery_id=_number(arguments.which))
        elif arguments.what == "target":
            deliveries = archive.deliveries.retry(now, target=arguments.which)
        else:
            jobs, deliveries = _retry_study(archive, arguments.which, now)
    if arguments.json:
        print(json.dumps({"jobs": jobs, "deliveries": deliveries}))
    else:
        print(f"asked for again: {jobs} job(s), {deliveries} delivery(ies)")
    return 0


def _retry_study(archive: Archive, study_instance_uid: str, now: datetime) -> tuple[int, int]:
    archive.studies.record(study_instance_uid)  # raises if there is no such study
    failed = archive.jobs.list(study_instance_uid, JobState.FAILED)
    newest = max((job.generation for job in archive.jobs.list(study_instance_uid)), default=0)
    repeated = [job for job in failed if job.generation == newest]
    for job in repeated:
        archive.jobs.retry(job.job_id, now)
    archive.quarantine.release(study_instance_uid, now)
    return len(repeated), archive.deliveries.retry(now, study_instance_uid=study_instance_uid)


def _number(text: str) -> int:
    if not text.isdigit():
        raise UsageError(f"{text!r} is not a number; `dicomnode trace STUDY` lists jobs and deliveries")
    return int(text)
