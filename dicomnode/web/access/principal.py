"""Who a request comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dicomnode.archive.account_records import Account, Role
from dicomnode.web.access.rights import RIGHTS, Right


class Way(StrEnum):
    """How somebody showed who they are."""

    NONE = "none"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105  the word, no secret
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from, and what that one may do.

    Attributes:
        name: Of the account, empty if nobody signed in.
        csrf: What forms of this login carry; empty unless a cookie showed who it is.
        must_change: The password has to be changed before anything else.
    """

    name: str
    rights: frozenset[Right]
    way: Way
    csrf: str = ""
    must_change: bool = False

    def may(self, right: Right) -> bool:
        """Whether it has a right."""
        return right in self.rights


ANYBODY = Principal("", frozenset({Right.OPEN}), Way.NONE)

# Without login, on a loopback address: accounts are changed by command only, so that nobody can make one for later.
NO_LOGIN = Principal("", RIGHTS[Role.OPERATOR] - {Right.SELF}, Way.NONE)


def of_session(account: Account, role: Role, csrf: str) -> Principal:
    """Somebody who signed in by a browser; what the role at login allowed and the account still does."""
    return Principal(account.name, RIGHTS[role] & RIGHTS[account.role], Way.SESSION, csrf, account.must_change)


def of_program(account: Account, role: Role, way: Way) -> Principal:
    """A program that shows a token, or a name and a password; it has no login of its own to end."""
    rights = (RIGHTS[role] & RIGHTS[account.role]) - {Right.SELF}
    return Principal(account.name, rights, way, must_change=way is Way.BASIC and account.must_change)
