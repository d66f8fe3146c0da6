"""`dicomnode deliveries`: what is on its way to the targets, what they refused and why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from dicomnode.archive.records import Delivery, DeliveryState, ProofState
from dicomnode.cli.existing import open_existing
from dicomnode.errors import UsageError
from dicomnode.settings import load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("deliveries", help="what the targets got, and refused", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    shown = actions.add_parser("list", help="list deliveries, such as those that were refused (--state refused)")
    shown.add_argument("--state", choices=[str(state) for state in DeliveryState], help="only those in this state")
    shown.add_argument("--target", metavar="NAME", help="only those to this target")
    shown.add_argument("--study", metavar="UID", help="only those of this study")
    shown.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many, the oldest first")
    shown.set_defaults(run=list_deliveries)
    released = actions.add_parser(
        "release", help="send a held object as it is, although the PACS tells another identity"
    )
    released.add_argument("number", type=int, metavar="NUMBER", help="number of the delivery")
    released.set_defaults(run=release)


def list_deliveries(arguments: argparse.Namespace) -> int:
    """Print deliveries with what their targets said."""
    if arguments.limit < 1:
        raise UsageError("--limit takes a number from 1 up")
    state = None if arguments.state is None else DeliveryState(arguments.state)
    with open_existing(load_settings(arguments.settings)) as archive:
        found = archive.deliveries.list(arguments.study, state, arguments.limit, arguments.target)
    if arguments.json:
        print(json.dumps([as_json(delivery) for delivery in found], indent=2))
    else:
        _show(found)
    return 0


def release(arguments: argparse.Namespace) -> int:
    """Have a held delivery sent."""
    with open_existing(load_settings(arguments.settings)) as archive:
        archive.deliveries.release(arguments.number, datetime.now(UTC))
    print(
        json.dumps({"released": arguments.number}) if arguments.json else f"delivery {arguments.number} is sent as is"
    )
    return 0


def as_json(delivery: Delivery) -> dict[str, object]:
    """A delivery with everything that is known of it."""
    return {
        "delivery": delivery.delivery_id,
        "study": delivery.study_instance_uid,
        "model": delivery.model_name,
        "document": delivery.role,
        "object": delivery.sop_instance_uid,
        "sent_as": delivery.sent_sop_instance_uid,
        "target": delivery.target,
        "state": str(delivery.state),
        "status": delivery.status,
        "answer": delivery.answer,
        "attempts": delivery.attempts,
        "updated_at": delivery.updated_at.isoformat(),
        "next_attempt_at": delivery.next_attempt_at.isoformat() if delivery.state is DeliveryState.WAITING else None,
        "sent_at": delivery.sent_at and delivery.sent_at.isoformat(),
        "proof": str(delivery.proof),
        "proof_status": delivery.proof_status,
    }


def _show(found: Sequence[Delivery]) -> None:
    console = Console(soft_wrap=True)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    for item in found:
        what = f"{item.role} of {item.model_name} on study {item.study_instance_uid}"
        proof = f", proof: {item.proof}" if item.proof is not ProofState.NONE else ""
        status = f" ({item.status})" if item.status else ""
        say(f"delivery {item.delivery_id} to {item.target}: {item.state}{status}{proof}; {what}")
        if item.answer:
            say(f"  it said: {item.answer}")
    if not found:
        say("none")
