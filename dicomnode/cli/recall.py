"""`dicomnode recall`: withdraw results of a model that were sent already, and stop those that were not.

A target that hides what a rejection note names (IHE IOCM) gets one; any other gets a report that supersedes the
withdrawn ones and says so. The running node sends them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime

from dicomnode.archive.records import DeploymentState
from dicomnode.cli.existing import open_existing
from dicomnode.cli.periods import first_moment, last_moment
from dicomnode.errors import NotFoundError
from dicomnode.settings import Settings, TargetSettings, load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("recall", help="withdraw results that were sent already", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="whose results")
    parser.add_argument(
        "--from",
        dest="since",
        metavar="DATE",
        type=first_moment,
        required=True,
        help="results made on this day (2026-11-01) or at this time (2026-11-01T08:30) or later; UTC",
    )
    parser.add_argument("--to", dest="until", metavar="DATE", type=last_moment, help="until the end of this day")
    parser.add_argument("--reason", default="", help="one line for the notes, without names or IDs of patients")
    parser.add_argument(
        "--cause",
        choices=("quality", "safety"),
        default="quality",
        help="safety: a PACS must not show the results to anybody any more; quality: on request only",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be withdrawn, and do nothing")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Withdraw."""
    from dicomnode.evidence.withdrawn import Cause
    from dicomnode.jobs.recalling import RecallRequest, foresee, recall

    now = datetime.now(UTC)
    settings = load_settings(arguments.settings)
    reason = " ".join(arguments.reason.split())
    request = RecallRequest(arguments.model, arguments.since, arguments.until or now, reason, Cause(arguments.cause))
    with open_existing(settings) as archive:
        deployment = archive.deployments.get(arguments.model)
        if deployment is None:
            raise NotFoundError(f"model {arguments.model} was never approved; `dicomnode models list` shows all")
        if arguments.dry_run:
            report = foresee(archive, request)
        else:
            report = recall(archive, settings, request, lambda target: _takes_note(settings, target), now)
    if arguments.json:
        print(json.dumps(asdict(report)))
    else:
        verb = "would be withdrawn" if arguments.dry_run else "withdrawn"
        print(f"{report.studies} studies, {report.objects} objects {verb}: {report.sent} deliveries had arrived,")
        print(f"{report.cancelled} are cancelled, {report.notes} deliveries of notes are queued")
        for problem in report.problems:
            print(f"not done: {problem}")
        if deployment.state is DeploymentState.LIVE:
            print(f"the model is still live: `dicomnode models set {arguments.model} off` stops new results")
    return 1 if report.problems else 0


def _takes_note(settings: Settings, target: TargetSettings) -> bool:
    """Whether it is worth a try: only a target that says no gets none."""
    from dicomnode.delivery.address import address_of
    from dicomnode.delivery.capabilities import ask
    from dicomnode.errors import PeerError
    from dicomnode.evidence.ladder import CLASS_OF_ROLE

    try:
        found = ask(address_of(target, settings.node.ae_title), datetime.now(UTC))
    except PeerError:
        return True
    return found.takes(CLASS_OF_ROLE["rejection"])
