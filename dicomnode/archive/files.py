"""The files on disk: staged while they arrive, durable before they are named, never overwritten by others.

A process stages in a folder of its own, guarded by a lock that dies with the process; so another
one can tell files that are still arriving from those that nobody will ever finish.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path

from dicomnode.archive.staged import StagedFile, full_disk_is_refusal
from dicomnode.errors import ArchiveFullError

INSTANCES = "instances"
EVIDENCE = "evidence"
CONFLICTS = "conflicts"
QUARANTINE = "quarantine"
STAGING = "staging"
TRASH = "trash"
JOURNAL = "journal"
RESERVE_BYTES = 64 << 20
IN_MEMORY_BYTES = 1 << 20
_FRESH_SECONDS = 0.02  # how long nobody asks again how much is free: the reserve bears what comes meanwhile
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class FileStore:
    """Folders below the data folder.

    Paths in the index are relative to the root, so that the data folder can be moved.

    Attributes:
        root: The data folder, absolute.
        owner: Name of this process among those that share the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.owner = secrets.token_hex(8)
        self._lock: int | None = None
        self._guard = threading.Lock()
        self._durable: set[Path] = set()
        self._made: set[str] = set()
        self._drafts = count()
        self._free, self._free_at = 0, -_FRESH_SECONDS
        make_folder(self.root)
        for name in (INSTANCES, EVIDENCE, CONFLICTS, QUARANTINE, STAGING, TRASH, JOURNAL):
            (self.root / name).mkdir(exist_ok=True)
        sync_folder(self.root)

    def stage_arrival(self) -> StagedFile:
        """A staging file for bytes from outside.

        Raises:
            ArchiveFullError: Little space is left, and the node needs it for its index and its answers.
        """
        now = time.monotonic()
        if now - self._free_at > _FRESH_SECONDS:
            self._free, self._free_at = shutil.disk_usage(self.root).free, now
        if self._free < RESERVE_BYTES:
            raise ArchiveFullError(
                f"only {self._free >> 20} MiB of disk are left: free some, instances are refused until then"
            )
        return StagedFile(self._new_name, IN_MEMORY_BYTES)

    def stage(self) -> StagedFile:
        """A new file in the same file system as its final place."""
        return StagedFile(self._new_name)

    def keep(self, staged: StagedFile, folder: str) -> Path:
        """Give a finished file its final name, derived from its content, durably; relative to the root.

        The name holds no UID: what a sender writes never becomes a path.
        """
        staged.finish()
        relative = named_by_content(staged.sha256, folder)
        self._rename(staged.path, self.root / relative)
        return relative

    def place(self, content: memoryview, relative: Path) -> None:
        """Make a file whose bytes are safe elsewhere until `sync_all` was called.

        It is made beside others of this process and then named: ext4 puts files where their first folder is, and what
        came together is written and read together.
        """
        target, draft = f"{self.root}/{relative}", f"{self._own_staging()}/{next(self._drafts)}.placed"
        with full_disk_is_refusal():
            _write_new(draft, content)
            folder = relative.parts[1]
            if folder not in self._made:
                (self.root / relative).parent.mkdir(parents=True, exist_ok=True)
                self._made.add(folder)
            os.replace(draft, target)  # noqa: PTH105  half the time of Path's

    def sync_file(self, relative: Path) -> None:
        """Make a file's bytes and its name survive a power cut."""
        with full_disk_is_refusal():
            with (self.root / relative).open("rb") as file:
                os.fdatasync(file.fileno())
            self.settle(relative)

    def sync_all(self) -> None:
        """Make all that was done in the file system of the data folder survive a power cut.

        Raises:
            OSError: Something could not be written.
        """
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(handle):
                raise OSError(ctypes.get_errno(), "syncfs failed", str(self.root))
        finally:
            os.close(handle)

    @property
    def journals(self) -> Path:
        """Folder of the journals of arrivals."""
        return self.root / JOURNAL

    def journal_of(self, owner: str) -> Path:
        """Folder of a process's journal of arrivals, there or not."""
        return self.root / JOURNAL / owner

    def settle(self, relative: Path) -> None:
        """Make the name of a file survive a power cut whose process was killed before it could do that itself."""
        with full_disk_is_refusal():
            self._make_parent(self.root / relative)
            sync_folder((self.root / relative).parent)

    def move(self, relative: Path, folder: str) -> Path:
        """Move a kept file to another folder, durably."""
        target = Path(folder, *relative.parts[1:])
        self._rename(self.root / relative, self.root / target)
        return target

    def put_back(self, aside: Path, relative: Path) -> None:
        """Give a file that was kept elsewhere its place again, durably; both relative to the root."""
        self._rename(self.root / aside, self.root / relative)

    def set_aside(self, relative: Path) -> Path:
        """Keep a file that does not hold what it should where nothing serves it; relative to the root."""
        target = Path(QUARANTINE, *relative.parts[1:-1], f"{relative.name}.{secrets.token_hex(4)}.damaged")
        self._rename(self.root / relative, self.root / target)
        return target

    def write(self, data: bytes, relative: Path) -> None:
        """Write a whole file durably; readers see the old content or the new, nothing between."""
        with self.stage() as staged:
            staged.write(data)
            staged.finish()
            self._rename(staged.path, self.root / relative)

    def to_trash(self, paths: Iterable[Path]) -> None:
        """Take files out of use, durably, in a way that `from_trash` can undo; missing ones are passed over."""
        self._shift((relative, Path(TRASH, relative)) for relative in paths)

    def from_trash(self, paths: Iterable[Path]) -> None:
        """Put files back, durably; what came to their place meanwhile stays."""
        self._shift((Path(TRASH, relative), relative) for relative in paths if not (self.root / relative).exists())

    def in_trash(self) -> list[Path]:
        """Files in the trash, by the paths that they had."""
        trash = self.root / TRASH
        return sorted(path.relative_to(trash) for path in trash.rglob("*") if path.is_file())

    def empty_trash(self, paths: Iterable[Path]) -> None:
        """Delete files of the trash for good."""
        for relative in paths:
            (self.root / TRASH / relative).unlink(missing_ok=True)

    def place_once(self, staged: StagedFile, relative: Path) -> None:
        """Give a file its name durably, unless another process was first."""
        staged.finish()
        with suppress(FileExistsError), full_disk_is_refusal():
            os.link(staged.path, self.root / relative)
        sync_folder((self.root / relative).parent)

    def claim_owner(self) -> str:
        """The name of this process, with its sign of life set up."""
        self._own_staging()
        return self.owner

    def claim_name(self) -> str:
        """A name of this process that tells others on this machine whether it still runs (see `lives`).

        It holds the machine's boot and the data folder, so that nobody else takes it for one of theirs.
        """
        return f"{self._here()}.{self.claim_owner()}"

    def lives(self, name: str) -> bool | None:
        """Whether the process of a name from `claim_name` still runs; None if it is not of this machine and boot."""
        here, _, owner = name.rpartition(".")
        return self.is_alive(owner) if here == self._here() else None

    def is_alive(self, owner: str) -> bool:
        """Whether the process of that name still runs."""
        if owner == self.owner:
            return True
        try:
            handle = os.open(self._lock_path(owner), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def dead_staging(self) -> list[Path]:
        """Staging folders of processes that no longer run, relative to the root."""
        folders = [path for path in (self.root / STAGING).iterdir() if path.is_dir()]
        return [path.relative_to(self.root) for path in sorted(folders) if not self.is_alive(path.name)]

    def remove_dead_staging(self) -> int:
        """Remove files that a dead process never finished; none of them was acknowledged."""
        removed = 0
        for relative in self.dead_staging():
            folder = self.root / relative
            removed += sum(1 for _ in folder.iterdir())
            shutil.rmtree(folder, ignore_errors=True)
            self._lock_path(folder.name).unlink(missing_ok=True)
        return removed

    def close(self) -> None:
        """Give up the sign of life."""
        with self._guard:
            if self._lock is None:
                return
            shutil.rmtree(self.root / STAGING / self.owner, ignore_errors=True)
            self._lock_path(self.owner).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _new_name(self) -> Path:
        return self._own_staging() / secrets.token_hex(16)

    def _own_staging(self) -> Path:
        folder = self.root / STAGING / self.owner
        with self._guard:
            if self._lock is None:
                # The lock comes before the folder: a folder without a held lock is a dead one.
                self._lock = os.open(self._lock_path(self.owner), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                folder.mkdir()
        return folder

    def _here(self) -> str:
        folder = self.root.stat()
        return f"{_BOOT_ID.read_text().strip()}-{folder.st_dev:x}-{folder.st_ino:x}"

    def _lock_path(self, owner: str) -> Path:
        return self.root / STAGING / f"{owner}.lock"

    def _rename(self, source: Path, target: Path) -> None:
        with full_disk_is_refusal():
            self._make_parent(target)
            source.replace(target)
            sync_folder(target.parent)

    def _shift(self, moves: Iterable[tuple[Path, Path]]) -> None:
        """Rename many files; each folder is synced once, at the end."""
        folders: set[Path] = set()
        for source, target in moves:
            self._make_parent(self.root / target)
            with suppress(FileNotFoundError):
                (self.root / source).replace(self.root / target)
                folders |= {(self.root / source).parent, (self.root / target).parent}
        for folder in sorted(folders):
            sync_folder(folder)

    def _make_parent(self, target: Path) -> None:
        if target.parent not in self._durable:
            # Another thread or process may have made it a moment ago, and not be done with the rest.
            make_folder(target.parent)
            self._durable.add(target.parent)


def named_by_content(sha256: str, folder: str) -> Path:
    """Where a file of that digest is kept, relative to the root."""
    return Path(folder, sha256[:2], f"{sha256}.dcm")


def _write_new(path: str, content: memoryview) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        while content:
            content = content[os.write(handle, content) :]
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, so that its name survives a power cut.

    One that is there may have been made by a process that was killed before it synced, so its name is synced too.
    """
    if not folder.exists():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    with suppress(PermissionError):  # not made by this node, which may not even look into the folder above
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
