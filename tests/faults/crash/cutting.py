"""Cuts the power: which states of the disk a trace may leave, and what was promised until then."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tests.faults.crash.disk import Change, Disk, Fate
from tests.faults.crash.events import Event, Sync, SyncAll, Told, Write

Tree = dict[PurePosixPath, bytes | None]


@dataclass(frozen=True, slots=True)
class Remains:
    """What one power cut leaves.

    Attributes:
        cut: Number of events before it.
        fate: What became of changes that were not synced, in words.
        tree: Files and folders.
        told: What had been said to the outside.
    """

    cut: int
    fate: str
    tree: Tree
    told: tuple[str, ...]


def everything_lost(_change: Change) -> int:
    """Nothing that was not synced reached the disk."""
    return 0


def names_kept(change: Change) -> int:
    """Names reached the disk, bytes did not: what a journal of names alone leaves."""
    return -1 if change.names else 0


def bytes_kept(change: Change) -> int:
    """Bytes reached the disk, names did not."""
    return 0 if change.names else -1


def everything_kept(_change: Change) -> int:
    """All of it reached the disk, as after a kill."""
    return -1


def by_chance(seed: int) -> Fate:
    """Each change has a chance of its own; a write may be torn."""
    chance = random.Random(seed)

    def fate(change: Change) -> int:
        if chance.random() < 0.5:
            return 0
        if isinstance(change.event, Write) and chance.random() < 0.3:
            return chance.randrange(len(change.event.data)) // 512 * 512
        return -1

    return fate


PLAIN_FATES: dict[str, Callable[[Change], int]] = {
    "everything unsynced is lost": everything_lost,
    "names are kept, bytes are lost": names_kept,
    "bytes are kept, names are lost": bytes_kept,
    "everything is kept": everything_kept,
}


def cut_before_syncs(
    events: Sequence[Event], root: PurePosixPath, left_out: frozenset[int] = frozenset()
) -> Iterator[Remains]:
    """Cut where it hurts most: when most was promised since the last sync, and at the end; every plain fate."""
    for cut, disk, told in _states(events, root, left_out):
        if cut == len(events) or isinstance(events[cut], Sync | SyncAll):
            yield from _plain_remains(cut, disk, told)


def cut_after_promises(events: Sequence[Event], root: PurePosixPath, left_out: frozenset[int]) -> Iterator[Remains]:
    """Cut as soon as something was promised; every plain fate.

    Args:
        events: A trace.
        root: Its folder.
        left_out: Numbers of syncs that the disk is not asked for.
    """
    for cut, disk, told in _states(events, root, left_out):
        if cut > 0 and isinstance(events[cut - 1], Told):
            yield from _plain_remains(cut, disk, told)


def cut_anywhere(events: Sequence[Event], root: PurePosixPath, seed: int, per_cut: float) -> Iterator[Remains]:
    """Cut at any event, with fates by chance.

    Args:
        events: A trace.
        root: Its folder.
        seed: Of the chances.
        per_cut: Power cuts tried per event; below 1, only some events are cut at.
    """
    chance = random.Random(seed)
    for cut, disk, told in _states(events, root, frozenset()):
        times = int(per_cut) + (chance.random() < per_cut % 1)
        for _ in range(times):
            own_seed = chance.getrandbits(32)
            yield Remains(cut, f"by chance, seed {own_seed}", disk.tree(by_chance(own_seed)), told)


def distinct(remains: Iterator[Remains]) -> list[Remains]:
    """One of those that left the same files: the one with most promises."""
    found: dict[bytes, Remains] = {}
    for item in remains:
        digest = hashlib.sha256()
        for path, content in item.tree.items():
            digest.update(f"{path}\0{-1 if content is None else len(content)}\0".encode())
            digest.update(content or b"")
        found[digest.digest()] = item  # promises only grow
    return list(found.values())


def _plain_remains(cut: int, disk: Disk, told: tuple[str, ...]) -> Iterator[Remains]:
    for words, fate in PLAIN_FATES.items():
        yield Remains(cut, words, disk.tree(fate), told)


def _states(
    events: Sequence[Event], root: PurePosixPath, left_out: frozenset[int]
) -> Iterator[tuple[int, Disk, tuple[str, ...]]]:
    disk = Disk(root)
    told: list[str] = []
    for number, event in enumerate(events):
        yield number, disk, tuple(told)
        if number in left_out:
            disk.skip()
        else:
            disk.apply(event)
        if isinstance(event, Told):
            told.append(event.text)
    yield len(events), disk, tuple(told)
