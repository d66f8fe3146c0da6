"""A running node with its peers and senders, as a scenario finds them."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.checking import Held, Verdict, check
from tests.faults.ledger import Ledger
from tests.faults.load import Modality, by_c_store, by_stow
from tests.faults.pacs import MoodyPacs, Wire, held_by_orthanc, wire_to
from tests.node_fixtures import BUNDLES, Node
from tests.peers_fixtures import Orthanc, running_orthanc, wait_for

MODEL = "brain_mri_tumor_classifier"
_STILL_SECONDS = 300.0
_UNSETTLED = {
    "studies": "SELECT count(*) FROM studies WHERE state = 'open' OR routed_generation < generation",
    "jobs": "SELECT count(*) FROM jobs WHERE state IN ('waiting', 'leased')",
    "deliveries": "SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'sending')",
}


@dataclass
class Stage:
    """A node with its peers and senders, as a scenario finds them.

    Attributes:
        node: Runs.
        ledger: What senders saw.
        held: Gives what the PACS holds beside images.
        random: Seeded.
        faults: How many were injected so far.
    """

    node: Node
    ledger: Ledger
    held: Callable[[], dict[str, Held]]
    random: random.Random
    faults: int = 0
    senders: list[Modality] = field(default_factory=list)

    def port(self) -> int | None:
        """The listener's port, None while it is away."""
        return _port(self.node, "receive")

    def stow_url(self) -> str | None:
        """Where STOW-RS is, None while it is away."""
        port = _port(self.node, "web")
        return None if port is None else f"http://127.0.0.1:{port}/dicom-web"

    def sending(self, folder: Path, studies: int | None, *, stow: bool = False) -> None:
        """Start a sender of so many studies, or of as many as come until the end."""
        name = f"m{len(self.senders)}"
        send = by_stow(self.stow_url) if stow else by_c_store(self.port)
        self.senders.append(Modality(name, folder / name, self.ledger, send, studies))
        self.senders[-1].start()

    def come_to_rest(self) -> None:
        """Wait until senders are done, and nothing waits at the node; long work is fine as long as it moves."""
        for sender in self.senders:
            sender.finish()
        while any(left := unsettled(self.node.data_dir).values()):
            before = tuple(left)
            moved = partial(self._has_moved_from, before)
            wait_for(moved, _STILL_SECONDS, f"the node to come to rest from {before}")

    def _has_moved_from(self, before: tuple[int, ...]) -> bool:
        return tuple(unsettled(self.node.data_dir).values()) != before

    def verdict(self) -> Verdict:
        """What the checker says once all has come to rest."""
        self.come_to_rest()
        return check(self.node.data_dir, self.ledger, self.held(), MODEL)


def unsettled(data_dir: Path) -> dict[str, int]:
    """How much of each kind of work is not at its end."""
    with sqlite3.connect(f"file:{data_dir / 'index.sqlite'}?mode=ro", uri=True, timeout=30) as index:
        return {name: index.execute(query).fetchone()[0] for name, query in _UNSETTLED.items()}


def _port(node: Node, role: str) -> int | None:
    try:
        content = json.loads((node.data_dir / "run" / f"{role}.json").read_text())
        os.kill(content["pid"], 0)
    except (OSError, ValueError):
        return None
    return int(content["port"])


def node_settings(port: int, ae_title: str) -> dict[str, Any]:
    """A node that tries again soon, and answers to one PACS on this machine."""
    target = {"name": "pacs", "ae_title": ae_title, "host": "127.0.0.1", "port": port}
    # Orthanc has four threads for DICOM, and flushes its index every ten seconds: it may need a while to answer
    pauses = {"timeout_seconds": 15.0, "maximum_backoff_seconds": 2.0}
    return {
        "receive": {"accept_unknown_peers": True, "network_timeout_seconds": 10.0},
        "web": {"accounts": {"required": False}},
        "storage": {"refuse_below_mib": 64, "accept_above_mib": 64},
        "infer": {"device": "cpu", "lease_seconds": 3.0, "maximum_attempts": 50},
        "targets": [target | pauses],
        "watch": {"echo_minutes": 0},  # what a PACS in a mood is asked, a scenario counts
    }


@contextmanager
def stage(folder: Path, seed: int, port: int, ae_title: str, held: Callable[[], dict[str, Held]]) -> Iterator[Stage]:
    """A running node that answers to the PACS of that port and AE title."""
    node = Node(folder / "node", node_settings(port, ae_title), BUNDLES).deploy(MODEL)
    try:
        yield Stage(node.start(), Ledger(), held, random.Random(seed))
    finally:
        node.stop(60.0)


@contextmanager
def with_orthanc(folder: Path, seed: int) -> Iterator[tuple[Stage, Orthanc, Wire]]:
    """A stage whose PACS is Orthanc, behind a wire that can be cut."""
    with (
        running_orthanc(folder / "orthanc") as orthanc,
        wire_to(orthanc.port) as wire,
        stage(folder, seed, wire.port, orthanc.ae_title, lambda: held_by_orthanc(orthanc)) as made,
    ):
        yield made, orthanc, wire


@contextmanager
def with_moody_pacs(folder: Path, seed: int) -> Iterator[tuple[Stage, MoodyPacs]]:
    """A stage whose PACS misbehaves."""
    pacs = MoodyPacs()
    try:
        with stage(folder, seed, pacs.port, pacs.ae_title, lambda: dict(pacs.held)) as made:
            yield made, pacs
    finally:
        pacs.stop()
