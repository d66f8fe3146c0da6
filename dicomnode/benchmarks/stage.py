"""Everything that takes part in `dicomnode bench study`: a node of its own, an Orthanc, and the rivals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState
from dicomnode.benchmarks.rivals import Order
from dicomnode.benchmarks.studies import CT, Shape, pixels_of
from dicomnode.bundles import install_bundle, list_bundles, load_bundle
from dicomnode.bundles.bundle import Bundle
from dicomnode.delivery.document import Document
from dicomnode.demo.orthanc import OrthancProcess
from dicomnode.demo.processes import System
from dicomnode.errors import DicomNodeError, UsageError
from dicomnode.settings import Settings, load_settings
from dicomnode.settings.roles import ROLES

NODE_AE_TITLE, SENDER_AE_TITLE = "DICOMNODE", "BENCH"
_START_SECONDS = 180.0
_SEND_SECONDS = 600.0
_RESCALE = {CT: (1.0, -1024.0)}


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running.

    Attributes:
        folder: All of it lies in there.
        archive: The node's.
        orthanc: Takes the reports.
        rivals: What the node is compared with.
        port: Where the node listens to C-STORE.
        processes: Of the node's roles.
    """

    folder: Path
    archive: Archive
    orthanc: OrthancProcess
    rivals: Rivals
    port: int
    processes: tuple[int, ...]


class Rivals:
    """The process of the bare models and the naive chain."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._answer()["port"])

    def bare_seconds(self, modality: str) -> float:
        """Run the bare model once on the pixels of one study."""
        if self._process.stdin is None:
            raise DicomNodeError("the rivals listen to nothing")
        self._process.stdin.write(f"{modality}\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def answered_at(self, study_instance_uid: str) -> float:
        """Wait until the naive chain has answered the study; seconds since the epoch."""
        answer = self._answer()
        if answer["study"] != study_instance_uid:
            raise DicomNodeError(f"the naive chain answered {answer['study']}, not {study_instance_uid}")
        return float(answer["at"])

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise DicomNodeError("the process of the bare models and the naive chain ended; its log is rivals.log")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def staged(folder: Path, shapes: Mapping[str, Shape], models: Mapping[str, Path]) -> Iterator[Stage]:
    """Start all of them; they end with the block.

    Args:
        folder: An empty one on the disk that is measured.
        shapes: What studies are like, by modality.
        models: Folder of the bundle that answers each modality.
    """
    with ExitStack() as running:
        orthanc = running.enter_context(OrthancProcess(folder / "orthanc", dicom=True))
        settings_path = _write_settings(folder, orthanc.dicom_port or 0)
        settings = load_settings(settings_path)
        archive = running.enter_context(Archive.open(settings))
        _approve(archive, settings, models)
        system = System("node", settings_path, settings.node.data_dir, ROLES, folder / "node.log")
        running.enter_context(system)
        rivals = running.enter_context(_rivals(folder, shapes, models, orthanc.dicom_port or 0))
        ready = system.wait_ready(_START_SECONDS)
        processes = tuple(presence.pid for presence in ready.values())
        yield Stage(folder, archive, orthanc, rivals, ready["receive"].port or 0, processes)


def storescu(documents: Sequence[Document], port: int, ae_title: str) -> subprocess.Popen[bytes]:
    """Start DCMTK's storescu on a study's folder.

    Raises:
        UsageError: It is not installed.
    """
    command = shutil.which("storescu")
    if command is None:
        raise UsageError("storescu is not on this machine: install DCMTK (Debian: dcmtk)")
    words = [command, "-aec", ae_title, "-aet", SENDER_AE_TITLE, "-to", str(int(_SEND_SECONDS)), "-pdu", "131072"]
    words += ["+sd", "127.0.0.1", str(port), str(documents[0].path.parent)]
    # Without TCP_NODELAY Debian's DCMTK waits for an ACK after each small write.
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(sender: subprocess.Popen[bytes]) -> None:
    """Wait until storescu has sent everything.

    Raises:
        DicomNodeError: It could not.
    """
    _, said = sender.communicate(timeout=_SEND_SECONDS)
    if sender.returncode != 0 or said:
        raise DicomNodeError(f"storescu ended with status {sender.returncode}: {said.decode(errors='replace')[:500]}")


def _write_settings(folder: Path, target_port: int) -> Path:
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
viewer = {{ folder = {json.dumps(str(folder / "viewer"))}, port = 0 }}
[completion]
# As of a sender that is known to end each study with its only association: only the warm-up is waited for
adaptive_after_studies = 1
[infer]
device = "cpu"
[models]
folder = {json.dumps(str(folder / "models"))}
[[targets]]
name = "orthanc"
ae_title = "ORTHANC"
host = "127.0.0.1"
port = {target_port}
proof = "none"
""",
        encoding="utf-8",
    )
    return path


def _approve(archive: Archive, settings: Settings, models: Mapping[str, Path]) -> None:
    for path in models.values():
        install_bundle(load_bundle(path), settings.models.folder, replace=False)
    for bundle in list_bundles(settings.models.folder):
        if isinstance(bundle, Bundle):
            archive.deployments.approve(bundle.name, bundle.digest, DeploymentState.LIVE, datetime.now(UTC))


@contextmanager
def _rivals(
    folder: Path, shapes: Mapping[str, Shape], models: Mapping[str, Path], target_port: int
) -> Iterator[Rivals]:
    place = folder / "rivals"
    place.mkdir()
    pixels = {}
    for modality, shape in shapes.items():
        pixels[modality] = str(place / f"{modality}.npy")
        np.save(pixels[modality], pixels_of(shape))
    rescale = {modality: _RESCALE.get(modality, (1.0, 0.0)) for modality in shapes}
    bundles = {modality: str(path) for modality, path in models.items()}
    order = Order(str(place), bundles, pixels, rescale, target_port)
    with (folder / "rivals.log").open("wb") as log:
        process = subprocess.Popen(
            order.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield Rivals(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
