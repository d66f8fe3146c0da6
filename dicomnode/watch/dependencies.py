"""What the node depends on, and how each of it stands: what it cannot work without, and what it can for a while."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicomnode.archive import Archive
from dicomnode.archive.echoes import Echo
from dicomnode.archive.node_leases import RoleSeen
from dicomnode.errors import DicomNodeError, describe
from dicomnode.peers.knocking import peers_of
from dicomnode.security.health import certificate_problems
from dicomnode.settings import Settings
from dicomnode.settings.roles import ROLES

_MIB = 1 << 20
_CLOCKS_APART = timedelta(seconds=30)
_DEVICE_SILENT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency and how it stands.

    Attributes:
        name: Of the dependency.
        problem: What is wrong and what to do, empty if nothing is.
        required: Whether the node cannot work without it.
        found: What was found, for who wants to know more.
        at: When, where it was not looked at just now.
    """

    name: str
    problem: str
    required: bool = False
    found: str = ""
    at: datetime | None = None


def check_dependencies(archive: Archive, settings: Settings) -> tuple[Check, ...]:
    """Look at everything that the node cannot work without."""
    return (
        _required("index", lambda: _index(archive)),
        _required("storage", lambda: _storage(archive, settings)),
        _required("models", lambda: _models(settings)),
    )


def check_surroundings(archive: Archive, settings: Settings, now: datetime) -> tuple[Check, ...]:
    """Look at what the node can do without for a while, as it was noted last: nobody is asked now."""
    try:
        seen = archive.node_leases.roles(now)
        checks = [*_roles(seen), _clock(seen, now), *_peers(archive, settings), *_devices(archive, now)]
    except DicomNodeError as error:
        checks = [Check("roles", describe(error))]
    return (*checks, _certificates(settings, now))


def _required(name: str, look: Callable[[], tuple[str, str]]) -> Check:
    try:
        problem, found = look()
    except (DicomNodeError, OSError) as error:
        problem, found = describe(error), ""
    return Check(name, problem, required=True, found=found)


def _index(archive: Archive) -> tuple[str, str]:
    counts = archive.studies.counts()
    return "", f"{sum(counts.values())} studies, {archive.gauges.database_size() // _MIB} MiB"


def _storage(archive: Archive, settings: Settings) -> tuple[str, str]:
    if not os.access(settings.node.data_dir, os.W_OK):
        return "the data folder cannot be written: check that it exists and who owns it", ""
    space = archive.space.look()
    return space.refusal, f"{space.free // _MIB} MiB free"


def _models(settings: Settings) -> tuple[str, str]:
    folder = settings.models.folder
    if not folder.is_dir():
        return "the models folder does not exist: set models.folder", ""
    return "", f"{sum(1 for item in folder.iterdir() if item.is_dir())} folders"


def _roles(seen: list[RoleSeen]) -> Iterator[Check]:
    for role in ROLES:
        of_role = [item for item in seen if item.role == role]
        running = [item for item in of_role if item.runs]
        last = max((item.seen for item in of_role), default=None)
        problem = "" if running else "no process has this role: `dicomnode serve` starts it, the log says why it ended"
        yield Check(f"role {role}", problem, found=f"{len(running)} process(es)", at=last)


def _clock(seen: list[RoleSeen], now: datetime) -> Check:
    apart = max((item.seen - now for item in seen), default=timedelta(0))
    problem = ""
    if apart > _CLOCKS_APART:
        problem = f"a role's clock is {apart.total_seconds():.0f} s ahead of this one: let both follow one time server"
    return Check("clock", problem)


def _peers(archive: Archive, settings: Settings) -> Iterator[Check]:
    echoes = {(echo.kind, echo.name): echo for echo in archive.echoes.list()}
    for kind, name in peers_of(settings):
        yield _peer(f"{kind} {name}", echoes.get((kind, name)))


def _peer(name: str, echo: Echo | None) -> Check:
    if echo is None:
        return Check(name, "", found="not asked yet")
    if echo.good:
        return Check(name, "", found=f"{echo.detail}; {echo.milliseconds} ms", at=echo.at)
    return Check(name, echo.detail or "it did not answer as it should", at=echo.at)


def _devices(archive: Archive, now: datetime) -> Iterator[Check]:
    for item in archive.devices.list():
        silent = now - item.seen > _DEVICE_SILENT
        problem = "its worker has told nothing since: the log of the role infer says why" if silent else ""
        used = f"{item.memory_used // _MIB} of {item.memory_total // _MIB} MiB used, {len(item.models)} model(s) loaded"
        yield Check(f"device {item.device}", problem, found=f"{item.description}: {used}", at=item.seen)


def _certificates(settings: Settings, now: datetime) -> Check:
    return Check("certificates", "; ".join(certificate_problems(settings, now)))
