"""How soon a started node listens, is ready and has answered a study; what it uses while nothing happens."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias, TypeVar

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState, JobState
from dicomnode.benchmarks.processes import memory, processor_seconds
from dicomnode.benchmarks.studies import CT, Shape, pixels_of, study_uid_of, write_study
from dicomnode.bundles import Bundle, load_bundle
from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.document import Document
from dicomnode.errors import DicomNodeError
from dicomnode.node.presence import Presence, is_running, read_presence
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.echo import echo
from dicomnode.settings import Settings, load_settings
from dicomnode.settings.roles import ROLES

Progress: TypeAlias = Callable[[str], None]
T = TypeVar("T")
_LOOK_SECONDS = 0.01
_PATIENCE_SECONDS = 300.0
_CALM_SECONDS = 3.0
_ANSWER_SECONDS = 30.0
_AE_TITLE = "BENCH"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        repeats: Starts of the node.
        slices: Of the CT study that each start is followed by.
        idle_seconds: For so long the idle node is watched after each.
    """

    repeats: int
    slices: int
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class Started:
    """One start; times in seconds since `dicomnode serve` was called.

    Attributes:
        help: Seconds that `dicomnode --help` took.
        listening: Until the listener answered a C-ECHO.
        ready: Until every role had announced itself.
        answered: Until the model had answered a study that was sent as soon as somebody listened.
        processor: Seconds of processor time of all processes until then.
        idle_percent: Of one core, of all processes together, while nothing happens.
        idle_bytes: Memory of all processes together then (PSS).
    """

    help: float
    listening: float
    ready: float
    answered: float
    processor: float
    idle_percent: float
    idle_bytes: int


def measure_starts(plan: Plan, model: Path, folder: Path, progress: Progress) -> list[Started]:
    """Start the same node again and again, each time with a new study.

    Args:
        plan: What to measure.
        model: Folder of a bundle that answers CT studies; approved here.
        folder: An empty one, for the node and what it is sent.
        progress: Told what is done.
    """
    settings_path = _write_settings(folder, model.parent)
    settings = load_settings(settings_path)
    shape = Shape(CT, plan.slices, 512, 512)
    pixels = pixels_of(shape)
    with Archive.open(settings) as archive:
        _approve(archive, model)
        found = []
        for number in range(plan.repeats):
            progress(f"start {number + 1} of {plan.repeats}")
            documents = write_study(shape, pixels, f"start {number}", folder / f"study{number}")
            found.append(_start(settings_path, settings, archive, documents, f"start {number}", plan.idle_seconds))
    return found


def _start(
    settings_path: Path, settings: Settings, archive: Archive, documents: Sequence[Document], name: str, idle: float
) -> Started:
    help_seconds = _help_seconds()
    began = time.monotonic()
    with _serving(settings_path) as pid:
        listener = _until(lambda: _listener(settings), "the listener")
        listening = time.monotonic() - began
        for _ in CStoreSender(listener).send(documents):
            pass
        ready = _until(lambda: _all_ready(settings) and time.monotonic() - began, "every role")
        study = study_uid_of(name)
        _until(lambda: archive.jobs.list(study, JobState.DONE), "the answer")
        answered, processor = time.monotonic() - began, processor_seconds([pid])
        time.sleep(_CALM_SECONDS)
        before = processor_seconds([pid])
        time.sleep(idle)
        percent = 100 * (processor_seconds([pid]) - before) / idle
        return Started(help_seconds, listening, ready, answered, processor, percent, memory([pid]))


def _help_seconds() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "dicomnode", "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


@contextmanager
def _serving(settings_path: Path) -> Iterator[int]:
    """A whole node, as its users start it; gives the supervisor's process id."""
    command = [sys.executable, "-m", "dicomnode", "serve", "--settings", str(settings_path)]
    with settings_path.with_name("node.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _listener(settings: Settings) -> DimsePeer | None:
    """The listener once it answers a C-ECHO."""
    presence = _running(settings, "receive")
    if presence is None or presence.port is None:
        return None
    if not echo("127.0.0.1", presence.port, settings.node.ae_title, _AE_TITLE, _ANSWER_SECONDS).answered:
        return None
    return DimsePeer("127.0.0.1", presence.port, settings.node.ae_title, _AE_TITLE, _ANSWER_SECONDS)


def _all_ready(settings: Settings) -> bool:
    return all(_running(settings, role) for role in ROLES)


def _running(settings: Settings, role: str) -> Presence | None:
    presence = read_presence(settings.node.data_dir, role)
    return presence if is_running(presence) else None


def _until(look: Callable[[], T | None], what: str) -> T:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(_LOOK_SECONDS)
    raise DicomNodeError(f"waited {_PATIENCE_SECONDS:.0f} s in vain for {what}")


def _approve(archive: Archive, model: Path) -> None:
    bundle: Bundle = load_bundle(model)
    archive.deployments.approve(bundle.name, bundle.digest, DeploymentState.LIVE, datetime.now(UTC))


def _write_settings(folder: Path, models: Path) -> Path:
    path = folder / "dicomnode.toml"
    path.write_text(
        f"""
[node]
data_dir = {json.dumps(str(folder / "node"))}
[receive]
port = 0
accept_unknown_peers = true
[web]
port = 0
accounts = {{ required = false }}
[completion]
quiet_period_seconds = 0.5
[infer]
device = "cpu"
[models]
folder = {json.dumps(str(models))}
""",
        encoding="utf-8",
    )
    return path
