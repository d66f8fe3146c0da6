"""`dicomnode retry`: repeat a failed job, or deliveries that were refused or wait for their next attempt.

A study that was quarantined, because it killed or stalled the models' process, is released.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from dicomnode.cli.existing import open_existing
from dicomnode.errors import UsageError
from dicomnode.jobs.retrying import retry_job, retry_study
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
            jobs = retry_job(archive, _number(arguments.which), now).jobs
        elif arguments.what == "delivery":
            deliveries = archive.deliveries.retry(now, delivery_id=_number(arguments.which))
        elif arguments.what == "target":
            deliveries = archive.deliveries.retry(now, target=arguments.which)
        else:
            retried = retry_study(archive, arguments.which, now)
            jobs, deliveries = retried.jobs, retried.deliveries
    if arguments.json:
        print(json.dumps({"jobs": jobs, "deliveries": deliveries}))
    else:
        print(f"asked for again: {jobs} job(s), {deliveries} delivery(ies)")
    return 0


def _number(text: str) -> int:
    if not text.isdigit():
        raise UsageError(f"{text!r} is not a number; `dicomnode trace STUDY` lists jobs and deliveries")
    return int(text)
