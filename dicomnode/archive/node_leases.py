"""Which processes of which node use an index: two nodes must not share it, nor two dispatchers a node."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.files import FileStore
from dicomnode.errors import SettingsError

LEASE_SECONDS = 30.0
_IDENTITY = Path("identity")
_ROWS = tables.node_leases.c


@dataclass(frozen=True, slots=True)
class RoleSeen:
    """A process that has a role, or had it when it died.

    Attributes:
        role: One of `settings.roles.ROLES`.
        owner: The process's name in leases.
        seen: When it said so last.
        runs: Whether it is there: known of this machine's processes, believed of others while their lease lasts.
    """

    role: str
    owner: str
    seen: datetime
    runs: bool


class NodeLeaseStore:
    """One row per process; a process that is dead on this machine has none, one elsewhere until its lease ends."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files
        self._folder = ""

    def claim(self, role: str, now: datetime, seconds: float, *, alone: bool) -> None:
        """Take or renew this process's lease on the index.

        Args:
            role: What this process does.
            now: Present time.
            seconds: The lease ends after this, unless it is renewed.
            alone: Whether only one process of the node may have this role.

        Raises:
            SettingsError: A node with another data folder uses the index, or another process has the role.
        """
        owner, folder = self._files.claim_name(), self._identity()
        name = role if alone else f"{role}-{self._files.owner}"
        with self._database.write() as connection:
            _remove_ended(connection, now - timedelta(seconds=seconds))
            for row in connection.execute(select(tables.node_leases)).all():
                if row.owner != owner and self._is_held(row, now):
                    _refuse_sharing(row, folder, name)
            values = {"owner": owner, "folder": folder, "lease_until": now + timedelta(seconds=seconds)}
            if connection.execute(update(tables.node_leases).where(_ROWS.name == name).values(values)).rowcount == 0:
                connection.execute(insert(tables.node_leases).values(name=name, **values))

    def release(self) -> None:
        """Give up this process's leases."""
        with self._database.write() as connection:
            connection.execute(delete(tables.node_leases).where(_ROWS.owner == self._files.claim_name()))

    def roles(self, now: datetime) -> list[RoleSeen]:
        """Every process of the node that the index knows of."""
        with self._database.read() as connection:
            rows = connection.execute(select(tables.node_leases).order_by(_ROWS.name)).all()
        lease = timedelta(seconds=LEASE_SECONDS)
        return [
            RoleSeen(row.name.partition("-")[0], row.owner, row.lease_until - lease, self._is_held(row, now))
            for row in rows
        ]

    def _is_held(self, row: IndexRow, now: datetime) -> bool:
        lives = self._files.lives(row.owner)
        return bool(row.lease_until > now) if lives is None else lives

    def _identity(self) -> str:
        """Names the data folder for good, wherever it is mounted or moved to."""
        if not self._folder:
            path = self._files.root / _IDENTITY
            if not path.exists():
                with self._files.stage() as staged:
                    staged.write(secrets.token_hex(16).encode("ascii"))
                    self._files.place_once(staged, _IDENTITY)
            self._folder = path.read_text(encoding="ascii")
        return self._folder


def _remove_ended(connection: Connection, before: datetime) -> None:
    """Rows of processes that fell silent long ago and whose name nobody takes over."""
    connection.execute(delete(tables.node_leases).where(_ROWS.lease_until < before, _ROWS.name.like("%-%")))


def _refuse_sharing(row: IndexRow, folder: str, name: str) -> None:
    ends = f"if it died, its lease ends at {row.lease_until:%H:%M:%S} UTC"
    if row.folder != folder:
        raise SettingsError(
            "the index is in use by a node that keeps its files in another folder; give this one an index of its own"
            f" (archive.database_url), or stop the other one ({ends})"
        )
    if row.name == name:
        raise SettingsError(f"another process of this node has the role {name}, and only one may; stop it ({ends})")
