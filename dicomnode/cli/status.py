"""`dicomnode status`: what is here, what waits, which roles run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from dicomnode.archive import Archive
from dicomnode.archive.records import Delivery, DeliveryState, EvidenceState, JobState
from dicomnode.cli.existing import open_existing
from dicomnode.cli.status_intake import Intake, read_intake, told
from dicomnode.node.supervisor import ROLES, running_roles
from dicomnode.security.health import certificate_problems
from dicomnode.settings import Settings, load_settings

_TROUBLED = (DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.REFUSED, DeliveryState.HELD)
_MOST_LINES = 20
State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Status:
    """Counts by state, and what needs attention.

    Attributes:
        roles: Port (or None) of each role that runs; a role that does not is left out.
        studies: Studies by state.
        jobs: Jobs by state.
        deliveries: Deliveries by target and state.
        proofs: By target, how many of the delivered objects are in each state of proof.
        evidence: Evidence objects by state.
        models: Deployed models by name.
        intake: Room on the disk, and what each peer sent today.
        attention: One line each: failed jobs, quarantined studies, deliveries in trouble, certificates to mend.
    """

    roles: dict[str, int | None]
    studies: dict[str, int]
    jobs: dict[str, int]
    deliveries: dict[str, dict[str, int]]
    proofs: dict[str, dict[str, int]]
    evidence: dict[str, int]
    models: dict[str, str]
    intake: Intake
    attention: tuple[str, ...]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("status", help="what is here, what waits, which roles run", description=__doc__)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the status."""
    settings = load_settings(arguments.settings)
    with open_existing(settings) as archive:
        status = read_status(archive, settings)
    if arguments.json:
        print(json.dumps(_json(status), indent=2))
    else:
        _show(status, Console())
    return 0


def read_status(archive: Archive, settings: Settings) -> Status:
    """Ask the index and the run files."""
    deliveries: dict[str, dict[str, int]] = {}
    for (target, state), count in archive.deliveries.counts().items():
        deliveries.setdefault(target, {})[state] = count
    proofs: dict[str, dict[str, int]] = {}
    for (target, proof), count in archive.proofs.counts().items():
        proofs.setdefault(target, {})[proof] = count
    evidence = _plain(archive.evidence.counts())
    intake = read_intake(archive, settings, datetime.now(UTC))
    present = running_roles(settings.node.data_dir, ROLES)
    return Status(
        roles={role: presence.port for role, presence in present.items() if presence is not None},
        studies=_plain(archive.studies.counts()),
        jobs=_plain(archive.jobs.counts()),
        deliveries=deliveries,
        proofs=proofs,
        evidence=evidence,
        models={item.model_name: str(item.state) for item in archive.deployments.list()},
        intake=intake,
        attention=(
            *intake.attention,
            *_failed_jobs(archive),
            *_quarantined_studies(archive),
            *_disputed_studies(archive),
            *_quarantined(evidence),
            *_troubled_deliveries(archive, settings),
            *certificate_problems(settings, datetime.now(UTC)),
        ),
    )


def _plain(counts: Mapping[State, int]) -> dict[str, int]:
    return {str(state): count for state, count in counts.items()}


def _failed_jobs(archive: Archive) -> list[str]:
    failed = archive.jobs.list(state=JobState.FAILED)[-_MOST_LINES:]
    waiting = [job for job in archive.jobs.list(state=JobState.WAITING, limit=_MOST_LINES) if job.error]
    return [
        f"job {job.job_id} ({job.model_name} on study {job.study_instance_uid}) {job.state}: {job.error}"
        for job in (*failed, *waiting)
    ]


def _disputed_studies(archive: Archive) -> list[str]:
    return [
        f"study {study}: {reason}; no model runs on it until `dicomnode identity settle` says whose it is"
        for study, reason in archive.settling.conflicts()[:_MOST_LINES]
    ]


def _quarantined_studies(archive: Archive) -> list[str]:
    return [
        f"study {uid} is quarantined: {reason}; `dicomnode retry study {uid}` releases it"
        for uid, reason in archive.quarantine.list()
    ]


def _quarantined(evidence: Mapping[str, int]) -> list[str]:
    count = evidence.get(EvidenceState.QUARANTINED, 0)
    return [f"{count} evidence object(s) failed the gate and are kept back; the traces say why"] if count else []


def _troubled_deliveries(archive: Archive, settings: Settings) -> list[str]:
    known = {target.name for target in settings.targets}
    found = [item for state in _TROUBLED for item in archive.deliveries.list(state=state, limit=_MOST_LINES)]
    return [_delivery_line(item, known) for item in found if item.status or item.target not in known]


def _delivery_line(delivery: Delivery, known: set[str]) -> str:
    line = f"delivery {delivery.delivery_id} to {delivery.target} {delivery.state}: {delivery.status or 'not sent yet'}"
    if delivery.target not in known:
        return f"{line}; no such target in the settings, so it is not sent"
    if delivery.state is DeliveryState.SENDING:
        return f"{line}; attempt {delivery.attempts} is under way"
    if delivery.state is DeliveryState.WAITING:
        return f"{line}; attempt {delivery.attempts + 1} at {delivery.next_attempt_at:%Y-%m-%dT%H:%M:%SZ}"
    again = f"`dicomnode retry delivery {delivery.delivery_id}` tries again"
    if delivery.state is DeliveryState.HELD:
        return f"{line}; {again}, `dicomnode deliveries release {delivery.delivery_id}` sends it as it is"
    return f"{line}; {again}"


def _json(status: Status) -> dict[str, object]:
    roles = {role: {"running": role in status.roles, "port": status.roles.get(role)} for role in ROLES}
    return {
        "roles": roles,
        "studies": status.studies,
        "jobs": status.jobs,
        "deliveries": status.deliveries,
        "proofs": status.proofs,
        "evidence": status.evidence,
        "models": status.models,
        "storage": {"free_mib": status.intake.free_mib, "refusal": status.intake.refusal},
        "peers": status.intake.peers,
        "attention": list(status.attention),
    }


def _show(status: Status, console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for role in ROLES:
        port = status.roles.get(role)
        where = "runs" if port is None else f"runs, port {port}"
        table.add_row("role", role, where if role in status.roles else "[red]does not run[/red]")
    for kind, counts in (("studies", status.studies), ("jobs", status.jobs), ("evidence", status.evidence)):
        table.add_row(kind, "", _counts(counts))
    for target, counts in status.deliveries.items():
        table.add_row("deliveries", target, _counts(counts))
    for target, counts in status.proofs.items():
        table.add_row("proof", target, _counts(counts))
    table.add_row("storage", "", f"{status.intake.free_mib} MiB free")
    for name, counts_in_words in told(status.intake.peers):
        table.add_row("came today", name, counts_in_words)
    for name, state in status.models.items():
        table.add_row("model", name, state)
    console.print(table)
    for line in status.attention:
        console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"
