"""Reads strace's output into events below one folder."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.faults.crash.events import Create, Event, Remove, Rename, Sync, SyncAll, Told, Truncate, Write

_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)")
_UNFINISHED = re.compile(r"(\d+) +(\w+\(.*?),? *<unfinished \.\.\.>$")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>,? ?(.*)$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_HANDLE = re.compile(r"^(\w+)<((?:[^<>]|->)*)>")
_SYNCS = frozenset({"fsync", "fdatasync"})
_SAID = frozenset({"sendto", "sendmsg"})
_REFUSED = frozenset(
    {
        "openat2",
        "mmap",
        "dup",
        "dup2",
        "dup3",
        "pwritev",
        "pwritev2",
        "writev",
        "truncate",
        "fallocate",
        "copy_file_range",
    }
    | {"sendfile", "splice", "sync_file_range", "sync", "link", "linkat", "symlink", "symlinkat"}
)
_C_STORE_RSP = 0x8001


class UnknownCallError(Exception):
    """A call on the recorded folder that the model does not understand."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A finished call: name, arguments as text, result, and the number of events before it was entered."""

    name: str
    arguments: str
    result: int
    since: int

    def path(self, number: int = 0) -> PurePosixPath:
        """The path behind the n-th string argument, joined to the folder handle before it."""
        strings = [_text(match) for match in _STRING.finditer(self.arguments)]
        folders = re.findall(r"(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>, \"", self.arguments)
        return PurePosixPath(_plain(folders[number]) if len(folders) > number else "/", strings[number])

    def handle(self) -> tuple[str, PurePosixPath]:
        """The file handle that the call is about, and its path."""
        match = _HANDLE.match(self.arguments)
        return (match[1], PurePosixPath(_plain(match[2]))) if match else ("", PurePosixPath())

    def mentioned(self) -> list[PurePosixPath]:
        """Every path among the arguments."""
        found = re.findall(r"[<\"]((?:\\x[0-9a-f]{2})+)[>\"]", self.arguments)
        return [PurePosixPath(bytes.fromhex(item.replace("\\x", "")).decode(errors="replace")) for item in found]

    def data(self) -> bytes:
        """The bytes of the first string argument."""
        match = _STRING.search(self.arguments)
        if match is None or match[2]:
            raise UnknownCallError(f"the bytes of {self.name} were not recorded whole")
        return bytes.fromhex(match[1].replace("\\x", ""))


def read_trace(trace: Path, root: Path) -> list[Event]:
    """Events of a trace: changes below a folder, and what was told.

    Raises:
        UnknownCallError: The folder was changed in a way that the model does not know.
    """
    reader = _Reader(PurePosixPath(root))
    waiting: dict[str, tuple[str, int]] = {}
    with trace.open(encoding="ascii") as lines:
        for line in lines:
            text = line.rstrip("\n")
            if unfinished := _UNFINISHED.match(text):
                reader.enter(unfinished[2])
                waiting[unfinished[1]] = (unfinished[2], len(reader.events))
            elif resumed := _RESUMED.match(text):
                begun, since = waiting.pop(resumed[1])
                reader.leave(f"{resumed[1]} {begun}{_joint(begun, resumed[2])}", since)
            else:
                reader.enter(text.partition(" ")[2].lstrip())
                reader.leave(text, len(reader.events))
    return reader.events


def _joint(begun: str, rest: str) -> str:
    return rest if rest.startswith(")") or begun.endswith("(") else f", {rest}"


class _Reader:
    """Keeps what a line alone does not say: how far each handle has written, which folders and files there are."""

    def __init__(self, root: PurePosixPath) -> None:
        self.events: list[Event] = []
        self._root = root
        self._known: set[PurePosixPath] = {root}
        self._sizes: dict[PurePosixPath, int] = {}
        self._offsets: dict[str, int] = {}

    def enter(self, call: str) -> None:
        """A peer may have heard what is said as soon as the call is entered."""
        name, _, arguments = call.partition("(")
        if name in _SAID or (name == "write" and _HANDLE.match(arguments) and "/" not in _target(arguments)):
            match = _STRING.search(arguments)
            said = bytes.fromhex(match[1].replace("\\x", "")) if match else b""
            self.events += _told(said)

    def leave(self, text: str, since: int) -> None:
        """What a finished call changed; calls that failed changed nothing."""
        match = _CALL.match(text)
        if match is None or int(match[4]) < 0:
            return
        call = _Call(match[2], match[3], int(match[4]), since)
        self.events += [event for event in self._changes(call) if event is not None]

    def _changes(self, call: _Call) -> Iterator[Event | None]:
        name = call.name
        if name in ("open", "openat", "creat"):
            yield from self._opened(call)
        elif name in ("mkdir", "mkdirat"):
            yield self._named(call.path(), folder=True)
        elif name in ("unlink", "unlinkat", "rmdir"):
            yield self._below(Remove(call.path()), call.path())
        elif name in ("rename", "renameat", "renameat2"):
            yield self._renamed(call.path(0), call.path(1))
        else:
            yield from self._on_handle(call)

    def _on_handle(self, call: _Call) -> Iterator[Event | None]:
        if call.name in _REFUSED and any(map(self._inside, call.mentioned())):
            raise UnknownCallError(f"{call.name} of {call.mentioned()}")
        number, path = call.handle()
        if not self._inside(path):
            return
        if call.name == "lseek":
            self._offsets[number] = call.result
        elif call.name == "syncfs":
            yield SyncAll(call.since)
        elif call.name in _SYNCS:
            yield Sync(path, call.since)
        elif call.name == "ftruncate":
            self._sizes[path] = int(call.arguments.rsplit(", ", 1)[1])
            yield Truncate(path, self._sizes[path])
        elif call.name in ("write", "pwrite64"):
            yield self._written(call, number, path)

    def _opened(self, call: _Call) -> Iterator[Event | None]:
        path, number = call.path(), str(call.result)
        self._offsets[number] = self._sizes.get(path, 0) if "O_APPEND" in call.arguments else 0
        if "O_CREAT" in call.arguments or call.name == "creat":
            yield self._named(path, folder=False)
        if "O_TRUNC" in call.arguments:
            self._sizes[path] = 0
            yield self._below(Truncate(path, 0), path)

    def _named(self, path: PurePosixPath, folder: bool) -> Event | None:
        if path in self._known or not self._inside(path):
            return None
        self._known.add(path)
        self._sizes[path] = 0
        return Create(path, folder)

    def _renamed(self, source: PurePosixPath, target: PurePosixPath) -> Event | None:
        if not self._inside(target):
            return None
        self._known.discard(source)
        self._known.add(target)
        self._sizes[target] = self._sizes.pop(source, 0)
        return Rename(source, target)

    def _below(self, event: Event, path: PurePosixPath) -> Event | None:
        if not self._inside(path):
            return None
        if isinstance(event, Remove):
            self._known.discard(path)
        return event

    def _written(self, call: _Call, number: str, path: PurePosixPath) -> Write:
        data = call.data()[: call.result]
        if call.name == "pwrite64":
            offset = int(call.arguments.rsplit(", ", 1)[1])
        else:
            offset = self._offsets[number]
            self._offsets[number] = offset + len(data)
        self._sizes[path] = max(self._sizes.get(path, 0), offset + len(data))
        return Write(path, offset, data)

    def _inside(self, path: PurePosixPath) -> bool:
        # SQLite's shared memory is no data: it is built anew by whoever opens the index first.
        return path.is_relative_to(self._root) and not path.name.endswith("-shm")


def _plain(hexadecimal: str) -> str:
    if not hexadecimal.startswith("\\x"):
        return hexadecimal
    return bytes.fromhex(hexadecimal.replace("\\x", "")).decode()


def _text(match: re.Match[str]) -> str:
    return bytes.fromhex(match[1].replace("\\x", "")).decode()


def _target(arguments: str) -> str:
    match = _HANDLE.match(arguments)
    return _plain(match[2]) if match else ""


def _told(said: bytes) -> list[Event]:
    """What a message means: a line of ours on a pipe, or the response to a C-STORE (PS3.7 9.3.1.2, PS3.8 9.3.5)."""
    if said[:1] == b"\x04":
        elements = _command(said[12:])
        if elements.get(0x0100) == struct.pack("<H", _C_STORE_RSP) and elements.get(0x0900) == b"\0\0":
            return [Told(f"stored {elements[0x1000].rstrip(bytes(1)).decode()}")]
        return []
    lines = said.decode(errors="replace").splitlines() if said[:9] == b"promise: " else []
    return [Told(line.removeprefix("promise: ")) for line in lines]


def _command(content: bytes) -> dict[int, bytes]:
    """Elements of a command set (group 0000, Implicit VR Little Endian)."""
    elements: dict[int, bytes] = {}
    while len(content) >= 8:
        group, element, length = struct.unpack_from("<HHI", content)
        if group != 0:
            break
        elements[element] = content[8 : 8 + length]
        content = content[8 + length :]
    return elements
