"""A disk that forgets: what was not synced when the power went may be there or not.

What the model promises is what POSIX promises and no more: `fsync` of a file keeps its bytes and size, `fsync` of a
folder keeps the names in it; a rename happens as a whole or not at all and is kept by a sync of the folder that it
moves to. A folder whose own name was lost takes all that it holds with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tests.faults.crash.events import Create, Event, Remove, Rename, Sync, SyncAll, Truncate, Write

# Asked for each change that no sync covered: bytes of it that reached the disk, all of them (-1), or none (0).
Fate = Callable[["Change"], int]


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is not durable yet.

    Attributes:
        number: Of its event.
        event: What was asked for.
        node: Of the file, for bytes.
        names: Folder, name and what it names from now on (None: nothing), for names.
        kept_by: Number of the folder whose sync keeps the names.
    """

    number: int
    event: Event
    node: int = 0
    names: tuple[tuple[int, str, int | None], ...] = ()
    kept_by: int = 0


@dataclass(slots=True)
class Disk:
    """Durable bytes and names, and the changes that no sync has covered.

    Attributes:
        root: Folder that was durable before the trace began.
    """

    root: PurePosixPath
    _now: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    _names: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    _bytes: dict[int, bytearray] = field(default_factory=dict)
    _pending: list[Change] = field(default_factory=list)
    _next: int = 1
    _count: int = 0

    def apply(self, event: Event) -> None:
        """Take the next event of a trace."""
        match event:
            case Create(path, folder):
                self._name(event, self._new(folder), path)
            case Rename(source, target):
                self._rename(event, source, target)
            case Remove(path):
                parent = self._node(path.parent)
                self._change(Change(self._count, event, names=((parent, path.name, None),), kept_by=parent))
            case Write(path) | Truncate(path):
                self._pending.append(Change(self._count, event, node=self._node(path)))
            case Sync(path, since):
                self._sync(self._node(path), since)
            case SyncAll(since):
                self._sync(None, since)
        self._count += 1

    def skip(self) -> None:
        """Count an event that is left out."""
        self._count += 1

    def tree(self, fate: Fate) -> dict[PurePosixPath, bytes | None]:
        """What is found after a power cut: files with their bytes, folders with None, relative to the root."""
        names = {folder: dict(entries) for folder, entries in self._names.items()}
        content = dict(self._bytes)
        for change in self._pending:
            kept = fate(change)
            if not kept:
                continue
            if change.names:
                _rename(names, change)
            else:
                content[change.node] = bytearray(content[change.node])
                _apply_bytes(content[change.node], change.event, kept)
        return dict(_walk(names, content, 0, PurePosixPath()))

    def _new(self, folder: bool) -> int:
        number = self._next
        self._next += 1
        if folder:
            self._now[number], self._names[number] = {}, {}
        else:
            self._bytes[number] = bytearray()
        return number

    def _node(self, path: PurePosixPath) -> int:
        node = 0
        for part in path.relative_to(self.root).parts:
            node = self._now[node][part]
        return node

    def _name(self, event: Event, node: int, path: PurePosixPath) -> None:
        parent = self._node(path.parent)
        self._change(Change(self._count, event, names=((parent, path.name, node),), kept_by=parent))

    def _rename(self, event: Event, source: PurePosixPath, target: PurePosixPath) -> None:
        node, old, new = self._node(source), self._node(source.parent), self._node(target.parent)
        self._change(
            Change(self._count, event, names=((old, source.name, None), (new, target.name, node)), kept_by=new)
        )

    def _change(self, change: Change) -> None:
        _rename(self._now, change)
        self._pending.append(change)

    def _sync(self, node: int | None, since: int) -> None:
        """Make durable what belongs to a file or folder, or (None) everything."""
        left = []
        for change in self._pending:
            kept_by = change.kept_by if change.names else change.node
            if change.number >= since or node not in (None, kept_by):
                left.append(change)
            elif change.names:
                _rename(self._names, change)
            else:
                _apply_bytes(self._bytes[change.node], change.event, -1)
        self._pending = left


def _rename(names: dict[int, dict[str, int]], change: Change) -> None:
    for folder, name, node in change.names:
        if node is None:
            names[folder].pop(name, None)
        else:
            names[folder][name] = node


def _apply_bytes(content: bytearray, event: Event, kept: int) -> None:
    if isinstance(event, Truncate):
        del content[event.size :]
        content.extend(bytes(event.size - len(content)))
    elif isinstance(event, Write):
        data = event.data if kept < 0 else event.data[:kept]
        content.extend(bytes(max(0, event.offset - len(content))))
        content[event.offset : event.offset + len(data)] = data


def _walk(
    names: dict[int, dict[str, int]], content: dict[int, bytearray], node: int, path: PurePosixPath
) -> Iterator[tuple[PurePosixPath, bytes | None]]:
    for name, child in sorted(names[node].items()):
        if child in names:
            yield path / name, None
            yield from _walk(names, content, child, path / name)
        else:
            yield path / name, bytes(content[child])
