"""Two nodes never share data: a folder belongs to one index, an index to one folder, a node has one dispatcher."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.node_leases import LEASE_SECONDS
from dicomnode.errors import ArchiveError, SettingsError
from dicomnode.settings import Settings

_log = logging.getLogger(__name__)
_RENEW_SECONDS = 10.0
_ALONE = frozenset({"dispatch"})


@contextmanager
def holding(
    role: str, settings: Settings, archive: Archive, clock: Callable[[], datetime]
) -> Iterator[Callable[[threading.Event], None]]:
    """While this process has a role; gives the part that keeps its lease.

    Raises:
        SettingsError: The folder or the index belongs to another node, or the role to another process.
    """
    with _one_index(settings):
        archive.node_leases.claim(role, clock(), LEASE_SECONDS, alone=role in _ALONE)

        def keep(stop: threading.Event) -> None:
            while not stop.wait(_RENEW_SECONDS):
                try:
                    archive.node_leases.claim(role, clock(), LEASE_SECONDS, alone=role in _ALONE)
                except ArchiveError as error:
                    _log.warning("the lease on the index is renewed later: %s", error)

        try:
            yield keep
        finally:
            with suppress(ArchiveError):  # it ends by itself
                archive.node_leases.release()


@contextmanager
def _one_index(settings: Settings) -> Iterator[None]:
    """All processes on a folder use one index; the lock is released by the system however a process ends."""
    index = hashlib.sha256(settings.database_url.encode()).hexdigest()  # it may hold a password
    folder = settings.node.data_dir / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "index.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            fcntl.flock(lock, fcntl.LOCK_SH)
        else:
            lock.truncate(0)
            lock.write(index)
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_SH)
        lock.seek(0)
        if lock.read() != index:
            where = settings.node.data_dir
            raise SettingsError(
                f"a node with another archive.database_url runs on {where}; stop it or set node.data_dir"
            )
        yield
