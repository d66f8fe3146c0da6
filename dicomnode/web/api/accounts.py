"""Accounts and tokens for programs. A password or a token is told once, in the answer that makes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from dicomnode.archive.account_records import Account, ApiToken, Role
from dicomnode.security.passwords import make_password
from dicomnode.web.access.accounts import add_account, add_token, find_account, give_password
from dicomnode.web.access.guard import NowOf
from dicomnode.web.access.login_pages import PasswordsOf
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import ArchiveOf

LONGEST_DAYS = 1825
AccountName = Annotated[str, Path(max_length=255, description="Name of the account.")]
TokenId = Annotated[int, Path(ge=0, lt=2**31, description="Number of the token.")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AccountBody(_Body):
    """Somebody who may sign in.

    Attributes:
        one_time_password: Only in the answer that made it.
        by_provider: An OpenID Connect provider signs in, there is no password here.
    """

    name: str
    role: Role
    disabled: bool
    must_change: bool
    by_provider: bool
    created: datetime
    one_time_password: str | None = None


class NewAccount(_Body):
    """An account to be made."""

    name: str
    role: Role


class AccountChange(_Body):
    """What is to change; what is absent stays."""

    role: Role | None = None
    disabled: bool | None = None


class TokenBody(_Body):
    """A secret of a program; ``token`` itself only in the answer that made it."""

    token_id: int
    account: str
    label: str
    role: Role
    created: datetime
    expires: datetime | None
    token: str | None = None


class NewToken(_Body):
    """A token to be made."""

    account: str
    role: Role
    label: str = ""
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] = 365


def add_account_api(router: APIRouter) -> None:
    """Who may use the node."""
    accounts, one = "/api/v1/accounts", "/api/v1/accounts/{name}"
    created = HTTPStatus.CREATED
    router.add_api_route(accounts, list_accounts, methods=["GET"], response_model=list[AccountBody])
    router.add_api_route(accounts, make_account, methods=["POST"], response_model=AccountBody, status_code=created)
    router.add_api_route(one, change_account, methods=["PATCH"], response_model=AccountBody)
    router.add_api_route(f"{one}/password", reset_password, methods=["POST"], response_model=AccountBody)
    router.add_api_route("/api/v1/tokens", list_tokens, methods=["GET"], response_model=list[TokenBody])
    router.add_api_route(
        "/api/v1/tokens",
        make_token,
        methods=["POST"],
        response_model=TokenBody,
        status_code=created,
        responses={404: {"description": "There is no such account.", "content": {"application/problem+json": {}}}},
    )
    router.add_api_route(
        "/api/v1/tokens/{token_id}", revoke_token, methods=["DELETE"], status_code=HTTPStatus.NO_CONTENT
    )


def list_accounts(archive: ArchiveOf) -> list[AccountBody]:
    """Every account."""
    return [_account(account) for account in archive.accounts.list()]


def make_account(
    request: Request, archive: ArchiveOf, passwords: PasswordsOf, now: NowOf, wanted: NewAccount
) -> AccountBody:
    """Add an account; the answer holds its one-time password."""
    password = make_password()
    add_account(archive, passwords, wanted.name, wanted.role, password, now, must_change=True, actor=actor_of(request))
    return _account(find_account(archive, wanted.name), password)


def change_account(
    request: Request, archive: ArchiveOf, now: NowOf, name: AccountName, wanted: AccountChange
) -> AccountBody:
    """Give an account another role, close it, or open it again."""
    find_account(archive, name)
    if wanted.role is not None:
        archive.accounts.set_role(name, wanted.role, now, actor_of(request))
    if wanted.disabled is not None:
        archive.accounts.set_disabled(name, wanted.disabled, now, actor_of(request))
    return _account(find_account(archive, name))


def reset_password(
    request: Request, archive: ArchiveOf, passwords: PasswordsOf, now: NowOf, name: AccountName
) -> AccountBody:
    """Give an account a one-time password, which is in the answer."""
    password = make_password()
    give_password(archive, passwords, name, password, now, must_change=True, actor=actor_of(request))
    return _account(find_account(archive, name), password)


def list_tokens(archive: ArchiveOf, now: NowOf) -> list[TokenBody]:
    """Every token that opens something."""
    return [_token(token) for token in archive.tokens.list() if token.is_valid(now)]


def make_token(request: Request, archive: ArchiveOf, now: NowOf, wanted: NewToken) -> TokenBody:
    """Add a token; the answer holds it."""
    expires = now + timedelta(days=wanted.days)
    made, secret = add_token(archive, wanted.account, wanted.label, wanted.role, now, expires, actor_of(request))
    return next(_token(token, secret) for token in archive.tokens.list() if token.token_id == made)


def revoke_token(request: Request, archive: ArchiveOf, now: NowOf, token_id: TokenId) -> None:
    """End a token."""
    archive.tokens.revoke(token_id, now, actor_of(request))


def _account(account: Account, password: str | None = None) -> AccountBody:
    return AccountBody(
        name=account.name,
        role=account.role,
        disabled=account.disabled,
        must_change=account.must_change,
        by_provider=not account.password_hash,
        created=account.created,
        one_time_password=password,
    )


def _token(token: ApiToken, secret: str | None = None) -> TokenBody:
    return TokenBody(
        token_id=token.token_id,
        account=token.account,
        label=token.label,
        role=token.role,
        created=token.created,
        expires=token.expires,
        token=secret,
    )
