"""Login, logout, and one's own password: plain forms that work without scripts."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from dicomnode.errors import (
    AccessError,
    ConflictError,
    NotFoundError,
    PeerError,
    SignInError,
    TooManyTriesError,
    UsageError,
)
from dicomnode.security.passwords import Passwords, check_new_password, make_secret
from dicomnode.web.access.clients import client_address, keeps_passwords_unseen
from dicomnode.web.access.cookies import BEFORE, SESSION, delete_cookie, read_cookie, write_cookie
from dicomnode.web.access.credentials import NewLogin
from dicomnode.web.access.forms import Form, FormOf
from dicomnode.web.access.guard import CredentialsOf, NowOf, PrincipalOf, wants_page
from dicomnode.web.access.principal import Way
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import SERVICE, ArchiveOf
from dicomnode.web.pages.frame import PagesOf, who
from dicomnode.web.problems import problem, status_of

_CHALLENGE = 'Bearer realm="dicomnode"'
# What people are told by a page
_TOLD = (AccessError, UsageError, ConflictError, NotFoundError, PeerError)
_BASIC = f'{_CHALLENGE}, Basic realm="dicomnode", charset="UTF-8"'


def passwords_of(request: Request) -> Passwords:
    """What the app was made with."""
    return cast(Passwords, request.app.state.passwords)


PasswordsOf = Annotated[Passwords, Depends(passwords_of)]


def add_login_routes(router: APIRouter) -> None:
    """Signing in and out."""
    router.add_api_route("/login", login_page, methods=["GET"])
    router.add_api_route("/login", login, methods=["POST"])
    router.add_api_route("/logout", logout, methods=["POST"])
    router.add_api_route("/password", password_page, methods=["GET"])
    router.add_api_route("/password", change_password, methods=["POST"])


def add_access_handlers(app: FastAPI) -> None:
    """Answer people who may not do something, or ask for what cannot be, with a page, and programs with a problem."""
    for refusal in _TOLD:
        app.add_exception_handler(refusal, _refused)


def login_page(request: Request, principal: PrincipalOf, next: str = "/") -> Response:
    """The form; who is signed in already has nothing to do here."""
    if principal.way is Way.SESSION or not request.app.state.settings.web.accounts.required:
        return RedirectResponse(_local(next), HTTPStatus.SEE_OTHER)
    return show_login(request, HTTPStatus.OK, "", next)


def login(request: Request, _guarded: PrincipalOf, credentials: CredentialsOf, form: FormOf) -> Response:
    """Sign in by name and password; a new login begins, whatever cookie came along."""
    goal = _local(form.get("next", "/"))
    try:
        begun = credentials.sign_in(form.get("name", ""), form.get("password", ""), client_address(request))
    except (SignInError, TooManyTriesError) as error:
        return show_login(request, status_of(error), str(error), goal, error)
    return enter(request, begun, RedirectResponse(goal, HTTPStatus.SEE_OTHER))


def enter(request: Request, begun: NewLogin, response: Response) -> Response:
    """Give a browser the cookie of a login that has begun."""
    if begun.must_change:
        response = RedirectResponse("/password", HTTPStatus.SEE_OTHER)
    write_cookie(request, response, SESSION, begun.secret)
    delete_cookie(request, response, BEFORE)
    return response


def logout(request: Request, _guarded: PrincipalOf, credentials: CredentialsOf) -> Response:
    """End this login."""
    credentials.end(request)
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    delete_cookie(request, response, SESSION)
    return response


def password_page(request: Request, principal: PrincipalOf, pages: PagesOf) -> Response:
    """The form to change one's password."""
    return pages.show(request, "password.html", _password_content(request, principal.must_change))


def change_password(
    request: Request,
    principal: PrincipalOf,
    archive: ArchiveOf,
    passwords: PasswordsOf,
    credentials: CredentialsOf,
    pages: PagesOf,
    form: FormOf,
    now: NowOf,
) -> Response:
    """Change one's password, which ends all logins of the account, and begin a new one."""
    name, address = principal.name, client_address(request)
    try:
        account = credentials.check(name, form.get("old", ""), address)
        _check_choice(name, form)
    except (UsageError, AccessError) as error:
        content = _password_content(request, principal.must_change) | {"error": str(error)}
        return pages.show(request, "password.html", content, HTTPStatus.BAD_REQUEST)
    archive.accounts.set_password(name, passwords.hash(form["new"]), now, must_change=False, actor=actor_of(request))
    begun = credentials.begin(replace(account, must_change=False), address)
    return enter(request, begun, RedirectResponse("/", HTTPStatus.SEE_OTHER))


def _check_choice(name: str, form: Form) -> None:
    new = form.get("new", "")
    if new != form.get("again"):
        raise UsageError("the new password was typed in two ways")
    if new == form.get("old"):
        raise UsageError("the new password is the old one")
    check_new_password(name, new)


def show_login(request: Request, status: HTTPStatus, error: str, goal: str, why: AccessError | None = None) -> Response:
    """The login page, as the answer to anything that needs a login."""
    before = read_cookie(request, BEFORE) or make_secret()
    settings = request.app.state.settings
    content = who(settings) | {
        "error": error,
        "csrf": before,
        "next": _local(goal),
        "provider": settings.web.accounts.oidc is not None,
        "unencrypted": not keeps_passwords_unseen(request),
    }
    response: Response = request.app.state.pages.show(request, "login.html", content, status)
    write_cookie(request, response, BEFORE, before)
    if isinstance(why, TooManyTriesError):
        response.headers["Retry-After"] = str(why.seconds)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = _CHALLENGE
    return response


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, _TOLD)  # noqa: S101  registered for these classes only
    status = status_of(error)
    if request.method == "GET" and wants_page(request) and isinstance(error, SignInError):
        return _to_login(request, status)
    if wants_page(request):
        content = who(request.app.state.settings) | {"error": str(error)}
        page: Response = request.app.state.pages.show(request, "refused.html", content, status)
        return page
    headers = {"Retry-After": str(error.seconds)} if isinstance(error, TooManyTriesError) else {}
    if status == HTTPStatus.UNAUTHORIZED:
        is_service = request.url.path.startswith(SERVICE) and keeps_passwords_unseen(request)
        headers["WWW-Authenticate"] = _BASIC if is_service else _CHALLENGE
    return problem(status, str(error), headers)


def _to_login(request: Request, status: HTTPStatus) -> Response:
    """The login page; who came by a link from elsewhere is sent round once, since browsers kept the cookie back."""
    goal = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    if request.headers.get("sec-fetch-site") == "cross-site" and not read_cookie(request, SESSION):
        content = who(request.app.state.settings) | {"next": _local(goal)}
        page: Response = request.app.state.pages.show(request, "onward.html", content)
        return page
    return show_login(request, status, "", goal)


def _password_content(request: Request, must_change: bool) -> dict[str, object]:
    return who(request.app.state.settings) | {"must_change": must_change, "error": ""}


def _local(goal: str) -> str:
    """A path of this site; the overview in place of anything that leads elsewhere."""
    parts = urlsplit(goal)
    plain = goal.isascii() and goal.isprintable() and "\\" not in goal
    if not plain or parts.scheme or parts.netloc or not goal.startswith("/") or goal.startswith("//"):
        return "/"
    return goal
