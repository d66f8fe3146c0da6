"""Accounts, tokens and sessions, as the index gives them out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What an account or a token is for."""

    SENDER = "sender"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in.

    Attributes:
        name: Of a person, a device, or ``oidc:`` and what a provider calls the person.
        password_hash: Argon2; empty where a provider signs in.
        must_change: The password was made by somebody else.
        failures: Wrong passwords since the last right one.
        locked_until: Until then, addresses that never gave the right password are not listened to.
    """

    name: str
    role: Role
    password_hash: str
    must_change: bool
    disabled: bool
    failures: int
    locked_until: datetime | None
    created: datetime


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A secret that a program shows in place of a name and a password.

    Attributes:
        account: Its owner.
        label: What it is for.
        expires: None: never.
    """

    token_id: int
    account: str
    label: str
    role: Role
    created: datetime
    expires: datetime | None
    revoked: bool

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens anything at a time."""
        return not self.revoked and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class Session:
    """A login.

    Attributes:
        account: As it is now.
        role: As it was at login.
        csrf: What every form of this login carries.
    """

    account: Account
    role: Role
    csrf: str
    last_used: datetime
    expires: datetime
