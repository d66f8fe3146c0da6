"""Who may use the pages and the interfaces."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.account_records import Account, Role
from dicomnode.archive.audit import add_event
from dicomnode.archive.database import Database, IndexRow
from dicomnode.dicom.audit import AuditEvent, kind_of
from dicomnode.errors import NotFoundError, UsageError

_ROWS = tables.accounts


class AccountStore:
    """Accounts; every change is audited and ends the account's sessions. Passwords come as hashes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Account | None:
        """An account, None if there is none of that name."""
        with self._database.read() as connection:
            row = connection.execute(select(_ROWS).where(_ROWS.c.name == name)).one_or_none()
        return None if row is None else _account(row)

    def list(self) -> list[Account]:
        """Every account by name."""
        with self._database.read() as connection:
            return [_account(row) for row in connection.execute(select(_ROWS).order_by(_ROWS.c.name))]

    def add(self, name: str, role: Role, password_hash: str, now: datetime, must_change: bool, actor: str = "") -> None:
        """Add an account.

        Raises:
            UsageError: There is one of that name.
        """
        with self._database.write() as connection:
            if find_account(connection, name) is not None:
                raise UsageError(f"there is an account {name} already")
            _insert(connection, name, role, password_hash, now, must_change)
            note_change(connection, "account added", f"{name}: {role}", now, actor)

    def add_first(self, name: str, password_hash: str, now: datetime) -> bool:
        """Add the first account, an administrator; false if there is any account already."""
        with self._database.write() as connection:
            if connection.execute(select(func.count()).select_from(_ROWS)).scalar_one():
                return False
            _insert(connection, name, Role.ADMIN, password_hash, now, must_change=True)
            note_change(connection, "account added", f"{name}: {Role.ADMIN}, at the first start", now)
        return True

    def add_external(self, name: str, role: Role, now: datetime) -> Account:
        """The account of somebody whom a provider signed in, with the role that the provider gives now."""
        with self._database.write() as connection:
            known = find_account(connection, name)
            if known is None:
                _insert(connection, name, role, "", now, must_change=False)
                note_change(connection, "account added", f"{name}: {role}, by its provider", now)
            elif known.role is not role:
                connection.execute(update(_ROWS).where(_ROWS.c.name == name).values(role=role))
                note_change(connection, "account role changed", f"{name}: {role}, by its provider", now)
            found = find_account(connection, name)
        if found is None:
            raise NotFoundError(f"there is no account {name}")
        return found

    def set_role(self, name: str, role: Role, now: datetime, actor: str = "") -> None:
        """Give an account another role.

        Raises:
            NotFoundError: There is no such account.
            UsageError: It is the last administrator.
        """
        with self._database.write() as connection:
            if role is not Role.ADMIN:
                _keep_an_admin(connection, name)
            _change(connection, name, {"role": role})
            note_change(connection, "account role changed", f"{name}: {role}", now, actor)

    def set_disabled(self, name: str, disabled: bool, now: datetime, actor: str = "") -> None:
        """Close an account, with its tokens, or open it again.

        Raises:
            NotFoundError: There is no such account.
            UsageError: It is the last administrator.
        """
        with self._database.write() as connection:
            if disabled:
                _keep_an_admin(connection, name)
            _change(connection, name, {"disabled": disabled, "failures": 0, "locked_until": None})
            note_change(connection, "account disabled" if disabled else "account enabled", name, now, actor)

    def set_password(self, name: str, password_hash: str, now: datetime, must_change: bool, actor: str = "") -> None:
        """Give an account another password, and listen to it again from everywhere.

        Raises:
            NotFoundError: There is no such account.
        """
        values = {"password_hash": password_hash, "must_change": must_change, "failures": 0, "locked_until": None}
        with self._database.write() as connection:
            _change(connection, name, values)
            note_change(connection, "password reset" if must_change else "password changed", name, now, actor)

    def note_failure(self, name: str, locked_until: datetime | None) -> None:
        """Count a wrong password; lock the account towards addresses that are not known."""
        values: dict[str, Any] = {"failures": _ROWS.c.failures + 1}
        if locked_until is not None:
            values["locked_until"] = locked_until
        with self._database.write() as connection:
            connection.execute(update(_ROWS).where(_ROWS.c.name == name).values(values))

    def note_success(self, name: str) -> None:
        """Forget wrong passwords."""
        with self._database.write() as connection:
            connection.execute(update(_ROWS).where(_ROWS.c.name == name).values(failures=0, locked_until=None))


def note_change(connection: Connection, event: str, detail: str, now: datetime, actor: str = "") -> None:
    """Write down who changed what an account may do, in the transaction that does it."""
    add_event(connection, AuditEvent(event, detail, kind_of(event), actor), now)


def _account(row: IndexRow) -> Account:
    return Account(
        name=row.name,
        role=Role(row.role),
        password_hash=row.password_hash,
        must_change=row.must_change,
        disabled=row.disabled,
        failures=row.failures,
        locked_until=row.locked_until,
        created=row.created,
    )


def find_account(connection: Connection, name: str) -> Account | None:
    """An account, in a transaction that does more."""
    row = connection.execute(select(_ROWS).where(_ROWS.c.name == name)).one_or_none()
    return None if row is None else _account(row)


def _insert(
    connection: Connection, name: str, role: Role, password_hash: str, now: datetime, must_change: bool
) -> None:
    values = {"name": name, "role": role, "password_hash": password_hash, "must_change": must_change, "created": now}
    connection.execute(insert(_ROWS).values(**values, disabled=False, failures=0))


def _change(connection: Connection, name: str, values: dict[str, Any]) -> None:
    changed = connection.execute(update(_ROWS).where(_ROWS.c.name == name).values(values))
    if changed.rowcount == 0:
        raise NotFoundError(f"there is no account {name}: 'dicomnode accounts list' shows them")
    connection.execute(delete(tables.sessions).where(tables.sessions.c.account == name))


def _keep_an_admin(connection: Connection, name: str) -> None:
    """Refuse to take the last administrator away; one whom a provider signs in does not count."""
    local = (_ROWS.c.role == Role.ADMIN) & (_ROWS.c.disabled.is_(False)) & (_ROWS.c.password_hash != "")
    admins = connection.execute(select(_ROWS.c.name).where(local)).scalars().all()
    if admins == [name]:
        raise UsageError(f"{name} is the last administrator: make another one first")
