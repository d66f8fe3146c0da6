"""Looks at everything that the node depends on, and says what to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from dicomnode.archive import Archive
from dicomnode.archive.integrity import index_damage
from dicomnode.errors import DicomNodeError, describe
from dicomnode.node.supervisor import ROLES, running_roles
from dicomnode.peers.knocking import ask_pacs, ask_poller, ask_target
from dicomnode.security.health import certificate_problems, open_secrets
from dicomnode.settings import Settings
from dicomnode.watch.dependencies import check_dependencies
from dicomnode.web.viewer.installing import HOW_TO_GET_IT, find_installed


class Verdict(StrEnum):
    """How a part of the node stands."""

    OK = "ok"
    NOTE = "note"  # nothing is wrong, and yet somebody may not expect it
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the node and how it stands.

    Attributes:
        name: Of the part.
        verdict: Whether something is wrong.
        text: What was seen; where something is wrong, what to do.
    """

    name: str
    verdict: Verdict
    text: str


Look = Callable[[], str]


def examine(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Every part, one after the other; settings are sound already, or could not have been read."""
    yield Finding("settings", Verdict.OK, "read")
    yield from _certificates(settings, now)
    yield from _roles(settings)
    yield from _kept(settings)
    yield _attempt("device", lambda: _device(settings.infer.device))
    yield _viewer(settings.web.viewer.folder)
    for target in settings.targets:
        yield _attempt(f"target {target.name}", lambda target=target: ask_target(target, settings))  # type: ignore[misc]
    for pacs in settings.pacs:
        yield _attempt(f"pacs {pacs.name}", lambda pacs=pacs: ask_pacs(pacs, settings))  # type: ignore[misc]
    for poller in settings.pollers:
        yield _attempt(f"poller {poller.name}", lambda poller=poller: ask_poller(poller))  # type: ignore[misc]


def _attempt(name: str, look: Look) -> Finding:
    try:
        return Finding(name, Verdict.OK, look())
    except (DicomNodeError, OSError) as error:
        return Finding(name, Verdict.WRONG, describe(error))


def _certificates(settings: Settings, now: datetime) -> Iterator[Finding]:
    problems = [*certificate_problems(settings, now), *open_secrets(settings)]
    yield from (Finding("certificates and secrets", Verdict.WRONG, problem) for problem in problems)
    if not problems:
        yield Finding("certificates and secrets", Verdict.OK, "every file that the settings name can be used")


def _roles(settings: Settings) -> Iterator[Finding]:
    running = running_roles(settings.node.data_dir, ROLES)
    if not any(running.values()):
        yield Finding("roles", Verdict.NOTE, "the node does not run: `dicomnode serve` starts it")
        return
    for role, presence in running.items():
        if presence is None:
            text = "does not run, while others do: its log says why, unless it runs on another machine"
            yield Finding(f"role {role}", Verdict.WRONG, text)
        else:
            yield Finding(f"role {role}", Verdict.OK, "runs" + (f" on port {presence.port}" if presence.port else ""))


def _kept(settings: Settings) -> Iterator[Finding]:
    """What lies in the data folder; nothing is founded there."""
    if not settings.node.data_dir.is_dir():
        yield Finding("storage", Verdict.NOTE, f"no node has run on {settings.node.data_dir} yet")
        return
    try:
        damage = index_damage(settings.database_url, thorough=False)
    except DicomNodeError as error:
        damage = describe(error)
    if damage:
        yield Finding("index", Verdict.WRONG, damage)
        return
    try:
        with Archive.open(settings) as archive:
            for check in check_dependencies(archive, settings):
                yield Finding(check.name, Verdict.WRONG if check.problem else Verdict.OK, check.problem or "in order")
            yield from _models(archive, settings)
    except DicomNodeError as error:
        yield Finding("archive", Verdict.WRONG, describe(error))


def _models(archive: Archive, settings: Settings) -> Iterator[Finding]:
    if not settings.models.folder.is_dir():
        return
    from dicomnode.archive.records import DeploymentState
    from dicomnode.jobs.deployed import Shelf, deployed_models

    models = deployed_models(Shelf(settings.models.folder), archive.deployments)
    for model in models:
        broken = bool(model.problem) and (not model.digest or model.state is not DeploymentState.OFF)
        verdict = Verdict.WRONG if broken else Verdict.NOTE if model.problem else Verdict.OK
        yield Finding(f"model {model.name}", verdict, model.problem or str(model.state))
    known = {"*", *(model.name for model in models)}
    for rule in settings.rules:
        if rule.model not in known:
            text = f"a rule names it, and {settings.models.folder.name}/ holds no such bundle: add it or mend the rule"
            yield Finding(f"model {rule.model}", Verdict.WRONG, text)


def _device(name: str) -> str:
    from dicomnode.inference.devices import choose_device

    return str(choose_device(name))


def _viewer(folder: Path) -> Finding:
    installed = find_installed(folder)
    if installed is None:
        return Finding(
            "viewer", Verdict.NOTE, f"OHIF is not in {folder}: `{HOW_TO_GET_IT}` fetches it, if it is wanted"
        )
    return Finding("viewer", Verdict.OK, f"OHIF {installed.version}")
