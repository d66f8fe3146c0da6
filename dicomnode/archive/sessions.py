"""Logins; only the digests of their cookies are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.account_records import Account, Role, Session
from dicomnode.archive.accounts import find_account
from dicomnode.archive.database import Database

_ROWS = tables.sessions


class SessionStore:
    """Logins by the digest of their secret."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, digest: str, account: Account, csrf: str, now: datetime, expires: datetime) -> None:
        """Keep a new login, and forget what has ended."""
        values = {"digest": digest, "account": account.name, "role": account.role, "csrf": csrf}
        with self._database.write() as connection:
            connection.execute(delete(_ROWS).where(_ROWS.c.expires <= now))
            connection.execute(insert(_ROWS).values(**values, created=now, last_used=now, expires=expires))

    def find(self, digest: str, now: datetime, idle: timedelta) -> Session | None:
        """A login that has not ended, neither by its age nor for want of use, of an account that is open."""
        alive = (_ROWS.c.digest == digest) & (_ROWS.c.expires > now) & (_ROWS.c.last_used > now - idle)
        with self._database.read() as connection:
            row = connection.execute(select(_ROWS).where(alive)).one_or_none()
            account = None if row is None else find_account(connection, row.account)
        if row is None or account is None or account.disabled:
            return None
        return Session(account, Role(row.role), row.csrf, row.last_used, row.expires)

    def touch(self, digest: str, now: datetime) -> None:
        """Note that a login is in use."""
        with self._database.write() as connection:
            connection.execute(update(_ROWS).where(_ROWS.c.digest == digest).values(last_used=now))

    def end(self, digest: str) -> None:
        """End one login."""
        with self._database.write() as connection:
            connection.execute(delete(_ROWS).where(_ROWS.c.digest == digest))
