"""Tokens of programs; only their digests are kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.account_records import Account, ApiToken, Role
from dicomnode.archive.accounts import find_account, note_change
from dicomnode.archive.database import Database, IndexRow
from dicomnode.errors import NotFoundError

_ROWS = tables.api_tokens


class TokenStore:
    """Tokens by the digest of their secret; every change is audited."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        account: str,
        label: str,
        role: Role,
        digest: str,
        now: datetime,
        expires: datetime | None,
        actor: str = "",
    ) -> int:
        """Add a token; returns its number.

        Raises:
            NotFoundError: There is no such account.
        """
        values = {"account": account, "label": label, "role": role, "digest": digest, "created": now}
        with self._database.write() as connection:
            if find_account(connection, account) is None:
                raise NotFoundError(f"there is no account {account}: 'dicomnode accounts list' shows them")
            added = connection.execute(insert(_ROWS).values(**values, expires=expires, revoked=False))
            (token_id,) = added.inserted_primary_key or (0,)
            note_change(connection, "token added", f"token {token_id} of {account}: {role}", now, actor)
        return int(token_id)

    def find(self, digest: str) -> tuple[ApiToken, Account] | None:
        """A token and its owner, whether or not they are still good for anything."""
        with self._database.read() as connection:
            row = connection.execute(select(_ROWS).where(_ROWS.c.digest == digest)).one_or_none()
            owner = None if row is None else find_account(connection, row.account)
        return None if row is None or owner is None else (_token(row), owner)

    def list(self, account: str | None = None) -> list[ApiToken]:
        """Tokens of one account or of all, the newest first."""
        query = select(_ROWS).order_by(_ROWS.c.token_id.desc())
        if account is not None:
            query = query.where(_ROWS.c.account == account)
        with self._database.read() as connection:
            return [_token(row) for row in connection.execute(query)]

    def revoke(self, token_id: int, now: datetime, actor: str = "") -> None:
        """End a token.

        Raises:
            NotFoundError: There is no such token.
        """
        with self._database.write() as connection:
            changed = connection.execute(update(_ROWS).where(_ROWS.c.token_id == token_id).values(revoked=True))
            if changed.rowcount == 0:
                raise NotFoundError(f"there is no token {token_id}: 'dicomnode accounts token list' shows them")
            note_change(connection, "token revoked", f"token {token_id}", now, actor)


def _token(row: IndexRow) -> ApiToken:
    return ApiToken(
        token_id=row.token_id,
        account=row.account,
        label=row.label,
        role=Role(row.role),
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
    )
