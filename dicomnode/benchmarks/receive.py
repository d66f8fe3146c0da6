"""Rates of C-STORE receivers, by turns, as DCMTK's storescu sees them with one or more associations."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from dicomnode.benchmarks.receive_files import Load, study_uid_of, write_files
from dicomnode.errors import DicomNodeError, UsageError

Progress: TypeAlias = Callable[[str], None]
_SEND_SECONDS = 600.0
_SENDER = "BENCH"
_NO_DISK = ("tmpfs", "ramfs", "devtmpfs")


class Receiver(Protocol):
    """Something that listens to C-STORE on this machine."""

    @property
    def name(self) -> str:
        """For the report."""

    @property
    def port(self) -> int:
        """On 127.0.0.1."""

    @property
    def ae_title(self) -> str:
        """It is called by this."""

    def settled(self, study_instance_uid: str, instances: int) -> float:
        """Wait until it holds the whole study, and can find it; seconds that this took.

        Raises:
            DicomNodeError: It never did.
        """


@dataclass(slots=True)
class Column:
    """What one load gave with so many associations at once.

    Attributes:
        load: Its name.
        associations: At once.
        instances: In one run.
        rates: Instances a second of each run, by receiver.
        settled: Seconds until all were found after a run, by receiver.
    """

    load: str
    associations: int
    instances: int
    rates: dict[str, list[float]] = field(default_factory=dict)
    settled: dict[str, list[float]] = field(default_factory=dict)

    def median(self, receiver: str) -> float:
        """Instances a second."""
        return statistics.median(self.rates[receiver])

    def ratio(self, receiver: str, other: str) -> float:
        """Median over the runs of one receiver's rate over another's in the same turn."""
        pairs = zip(self.rates[receiver], self.rates[other], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        loads: What is sent.
        associations: Numbers of senders at once.
        repeats: Turns of all receivers.
    """

    loads: tuple[Load, ...]
    associations: tuple[int, ...]
    repeats: int


def measure_load(
    load: Load, receivers: Sequence[Receiver], plan: Plan, folder: Path, progress: Progress
) -> Iterator[Column]:
    """Send one load to each receiver by turns, so that whatever else the machine does meets all of them alike.

    Every turn sends new instances, which lie in the system's memory when it begins; what earlier ones left to be
    written is on the disk by then.

    Args:
        load: What is sent.
        receivers: Where to.
        plan: How often, and with how many associations.
        folder: For the files, an empty one.
        progress: Told what is done.
    """
    for place, associations in enumerate(plan.associations):
        column = Column(load.name, associations, load.count)
        for turn in range(plan.repeats):
            number = place * plan.repeats + turn
            parts = write_files(load, number, associations, folder)
            ordered = receivers if turn % 2 == 0 else receivers[::-1]
            for receiver in ordered:
                progress(f"{load.name}, {associations} associations, turn {turn + 1}: {receiver.name}")
                os.sync()
                seconds = send(parts, receiver)
                settled = receiver.settled(study_uid_of(load, number), load.count)
                column.rates.setdefault(receiver.name, []).append(load.count / seconds)
                column.settled.setdefault(receiver.name, []).append(settled)
        yield column


def send(parts: Sequence[Path], receiver: Receiver) -> float:
    """Send folders, each by a storescu of its own, all at once; seconds until the last one ended.

    Raises:
        DicomNodeError: One of them failed.
    """
    command = storescu_command()
    # Without TCP_NODELAY Debian's DCMTK waits for an ACK after each small write.
    environment = {**os.environ, "TCP_NODELAY": "1"}
    words = [command, "-aec", receiver.ae_title, "-aet", _SENDER, "-to", str(int(_SEND_SECONDS)), "+sd"]
    words += ["127.0.0.1", str(receiver.port)]
    started = time.perf_counter()
    senders = [
        subprocess.Popen([*words, str(part)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for part in parts
    ]
    said = [sender.communicate(timeout=_SEND_SECONDS)[1] for sender in senders]
    seconds = time.perf_counter() - started
    for sender, words_of in zip(senders, said, strict=True):
        if sender.returncode != 0 or words_of:
            text = words_of.decode(errors="replace")[:300]
            raise DicomNodeError(f"storescu to {receiver.name} ended with status {sender.returncode}: {text}")
    return seconds


def storescu_command() -> str:
    """DCMTK's storescu.

    Raises:
        UsageError: It is not installed.
    """
    command = shutil.which("storescu")
    if command is None:
        raise UsageError("storescu is not on this machine: install DCMTK (Debian: dcmtk)")
    return command


def file_system_of(folder: Path) -> str:
    """Kind of the file system that a folder lies on.

    Raises:
        UsageError: It is in memory, where durable costs nothing.
    """
    kinds: Mapping[Path, str] = {
        Path(words[1].replace("\\040", " ")): words[2]
        for words in map(str.split, Path("/proc/mounts").read_text().splitlines())
    }
    kind = next(kinds[place] for place in (folder.resolve(), *folder.resolve().parents) if place in kinds)
    if kind in _NO_DISK:
        raise UsageError(f"{folder} is in memory ({kind}): name a folder on a disk with --folder")
    return kind
