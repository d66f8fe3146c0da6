"""What pages and commands do to accounts, with the rules that hold for both."""

from __future__ import annotations

import re
from datetime import datetime

from dicomnode.archive.account_records import Account, Role
from dicomnode.archive.archive import Archive
from dicomnode.errors import NotFoundError, UsageError
from dicomnode.security.passwords import Passwords, make_password, make_secret, secret_digest
from dicomnode.web.access.rights import includes

FIRST = "admin"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_LONGEST_LABEL = 100
# Found by scanners of leaked secrets, and by people in settings files.
_TOKEN_MARK = "dicomnode_"  # noqa: S105  no secret itself


def add_account(
    archive: Archive,
    passwords: Passwords,
    name: str,
    role: Role,
    password: str,
    now: datetime,
    must_change: bool,
    actor: str = "",
) -> None:
    """Add an account.

    Raises:
        UsageError: The name is taken or cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError("the name of an account is 1 to 64 letters, digits, dots, hyphens, underscores and @")
    archive.accounts.add(name, role, passwords.hash(password), now, must_change, actor)


def add_first_account(archive: Archive, passwords: Passwords, now: datetime) -> str | None:
    """Make the account `FIRST`, an administrator, if there is no account at all.

    Returns:
        Its one-time password, which is kept nowhere else; None if nothing was made.
    """
    if archive.accounts.list():
        return None
    password = make_password()
    return password if archive.accounts.add_first(FIRST, passwords.hash(password), now) else None


def give_password(
    archive: Archive,
    passwords: Passwords,
    name: str,
    password: str,
    now: datetime,
    must_change: bool,
    actor: str = "",
) -> None:
    """Give an account another password.

    Raises:
        NotFoundError: There is no such account.
        UsageError: A provider signs it in.
    """
    if not find_account(archive, name).password_hash:
        raise UsageError(f"{name} has no password here: the provider that signs in has")
    archive.accounts.set_password(name, passwords.hash(password), now, must_change, actor)


def add_token(
    archive: Archive, name: str, label: str, role: Role, now: datetime, expires: datetime | None, actor: str = ""
) -> tuple[int, str]:
    """Add a token to an account.

    Returns:
        Its number, and the token itself, which is kept nowhere.

    Raises:
        NotFoundError: There is no such account.
        UsageError: The role is more than the account's, or the label is too long.
    """
    account = find_account(archive, name)
    if not includes(account.role, role):
        raise UsageError(f"{name} is {account.role}: its tokens cannot be {role}")
    if len(label) > _LONGEST_LABEL or not label.isprintable():
        raise UsageError(f"a label is a line of at most {_LONGEST_LABEL} characters")
    token = f"{_TOKEN_MARK}{make_secret()}"
    return archive.tokens.add(name, label, role, secret_digest(token), now, expires, actor), token


def find_account(archive: Archive, name: str) -> Account:
    """An account by name.

    Raises:
        NotFoundError: There is none.
    """
    account = archive.accounts.get(name)
    if account is None:
        raise NotFoundError(f"there is no account {name}: 'dicomnode accounts list' shows them")
    return account
