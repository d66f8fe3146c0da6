"""Accounts and tokens, for administrators."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from dicomnode.archive.account_records import Role
from dicomnode.archive.archive import Archive
from dicomnode.errors import UsageError
from dicomnode.security.passwords import make_password
from dicomnode.web.access.accounts import add_account, add_token, give_password
from dicomnode.web.access.forms import Form, FormOf
from dicomnode.web.access.guard import NowOf, PrincipalOf
from dicomnode.web.access.login_pages import PasswordsOf
from dicomnode.web.api.accounts import LONGEST_DAYS
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import ArchiveOf
from dicomnode.web.languages import marked
from dicomnode.web.pages.frame import PagesOf, who

_DAYS = (30, 90, 365, LONGEST_DAYS)
_PASSWORD_TITLE = marked("One-time password of %(name)s")
_TOKEN_TITLE = marked("Token of %(name)s")


def add_account_routes(router: APIRouter) -> None:
    """The page and what its forms do."""
    router.add_api_route("/accounts", accounts_page, methods=["GET"])
    router.add_api_route("/accounts/add", add, methods=["POST"])
    router.add_api_route("/accounts/role", set_role, methods=["POST"])
    router.add_api_route("/accounts/disable", disable, methods=["POST"])
    router.add_api_route("/accounts/enable", enable, methods=["POST"])
    router.add_api_route("/accounts/reset", reset_password, methods=["POST"])
    router.add_api_route("/tokens/add", new_token, methods=["POST"])
    router.add_api_route("/tokens/revoke", revoke_token, methods=["POST"])


def accounts_page(request: Request, _guarded: PrincipalOf, archive: ArchiveOf, pages: PagesOf, now: NowOf) -> Response:
    """Every account and every token."""
    return pages.show(request, "accounts.html", _content(request, archive, now))


def add(
    request: Request, archive: ArchiveOf, passwords: PasswordsOf, pages: PagesOf, form: FormOf, now: NowOf
) -> Response:
    """Add an account; its one-time password is shown this once."""
    name, password = form.get("name", ""), make_password()
    add_account(archive, passwords, name, _role(form), password, now, must_change=True, actor=actor_of(request))
    return _shown(request, archive, pages, now, _PASSWORD_TITLE, name, password)


def set_role(request: Request, archive: ArchiveOf, form: FormOf, now: NowOf) -> Response:
    """Give an account another role."""
    archive.accounts.set_role(form.get("name", ""), _role(form), now, actor_of(request))
    return _back()


def disable(request: Request, archive: ArchiveOf, form: FormOf, now: NowOf) -> Response:
    """Close an account."""
    archive.accounts.set_disabled(form.get("name", ""), True, now, actor_of(request))
    return _back()


def enable(request: Request, archive: ArchiveOf, form: FormOf, now: NowOf) -> Response:
    """Open an account again."""
    archive.accounts.set_disabled(form.get("name", ""), False, now, actor_of(request))
    return _back()


def reset_password(
    request: Request, archive: ArchiveOf, passwords: PasswordsOf, pages: PagesOf, form: FormOf, now: NowOf
) -> Response:
    """Give an account a one-time password, which is shown this once."""
    name, password = form.get("name", ""), make_password()
    give_password(archive, passwords, name, password, now, must_change=True, actor=actor_of(request))
    return _shown(request, archive, pages, now, _PASSWORD_TITLE, name, password)


def new_token(request: Request, archive: ArchiveOf, pages: PagesOf, form: FormOf, now: NowOf) -> Response:
    """Add a token; it is shown this once."""
    days = form.get("days", "")
    if not (days.isascii() and days.isdigit() and 0 < int(days[:6]) <= LONGEST_DAYS):
        raise UsageError(f"a token lasts 1 to {LONGEST_DAYS} days")
    name, expires = form.get("name", ""), now + timedelta(days=int(days))
    _, token = add_token(archive, name, form.get("label", ""), _role(form), now, expires, actor_of(request))
    return _shown(request, archive, pages, now, _TOKEN_TITLE, name, token)


def revoke_token(request: Request, archive: ArchiveOf, form: FormOf, now: NowOf) -> Response:
    """End a token."""
    number = form.get("token", "")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise UsageError("name the token by its number")
    archive.tokens.revoke(int(number), now, actor_of(request))
    return _back()


def _shown(
    request: Request, archive: Archive, pages: PagesOf, now: datetime, title: str, owner: str, secret: str
) -> Response:
    content = _content(request, archive, now) | {"title": title, "owner": owner, "secret": secret}
    return pages.show(request, "accounts.html", content)


def _content(request: Request, archive: Archive, now: datetime) -> dict[str, object]:
    return who(request.app.state.settings) | {
        "accounts": archive.accounts.list(),
        "tokens": [token for token in archive.tokens.list() if token.is_valid(now)],
        "roles": [str(role) for role in Role],
        "days": _DAYS,
    }


def _role(form: Form) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError:
        raise UsageError(f"a role is one of {', '.join(Role)}") from None


def _back() -> Response:
    return RedirectResponse("/accounts", HTTPStatus.SEE_OTHER)
