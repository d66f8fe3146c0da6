"""The guard that every request to a route passes: who it is, what it may, and whether it was meant."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from dicomnode.errors import AccessError, SignInError
from dicomnode.settings import Settings
from dicomnode.web.access.cookies import BEFORE, read_cookie
from dicomnode.web.access.credentials import Credentials
from dicomnode.web.access.forms import Form, FormOf
from dicomnode.web.access.principal import ANYBODY, Principal, Way
from dicomnode.web.access.rights import ROUTES, VIEWER_ROUTES, Right

CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_METRICS = "/metrics"
_PASSWORD_PAGE = frozenset({"/password", "/logout"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for.

    Attributes:
        path: Of the route, with its parameters in braces.
        right: None: the route is in no table, and refused.
    """

    method: str
    path: str
    right: Right | None


def credentials_of(request: Request) -> Credentials:
    """What the app was made with."""
    return cast(Credentials, request.app.state.credentials)


def now_of(request: Request) -> datetime:
    """The time, by the app's clock."""
    return cast(Callable[[], datetime], request.app.state.clock)()


CredentialsOf = Annotated[Credentials, Depends(credentials_of)]
NowOf = Annotated[datetime, Depends(now_of)]


def guard(request: Request, credentials: CredentialsOf, form: FormOf) -> Principal:
    """Let a request pass, or refuse it.

    Raises:
        SignInError: Nobody signed in, or with something that opens nothing.
        AccessError: Who signed in may not do this, or another site is behind it.
        TooManyTriesError: Too many passwords were wrong.
    """
    asked = _asked(request)
    principal = _principal(request, credentials, asked)
    request.state.principal = principal  # also of a request that is refused: its page and its audit entry say who asked
    if asked.right is None or not principal.may(asked.right):
        raise _refusal(principal, asked)
    if principal.must_change and asked.right is not Right.OPEN and asked.path not in _PASSWORD_PAGE:
        _send_to_password_page(request)
    if request.method not in _SAFE_METHODS:
        _check_meant(request, principal, form)
    return principal


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer."""
    return "text/html" in request.headers.get("accept", "")


PrincipalOf = Annotated[Principal, Depends(guard)]


def _asked(request: Request) -> Asked:
    route = cast(BaseRoute, request.scope["route"])
    path = str(getattr(route, "path", ""))
    asked = request.method, path
    right = ROUTES.get(asked) or VIEWER_ROUTES.get(asked)
    if path == _METRICS and cast(Settings, request.app.state.settings).web.metrics == "open":
        right = Right.OPEN
    return Asked(request.method, path, right)


def _principal(request: Request, credentials: Credentials, asked: Asked) -> Principal:
    try:
        return credentials.principal(request)
    except AccessError:
        if asked.right is Right.OPEN:
            return ANYBODY
        raise


def _refusal(principal: Principal, asked: Asked) -> AccessError:
    if principal is ANYBODY:
        return SignInError("sign in first: by a token in the Authorization header, or at /login")
    return AccessError(f"this needs the right to {asked.right or 'do what no role may'}: ask an administrator")


def _send_to_password_page(request: Request) -> None:
    if wants_page(request):
        raise HTTPException(HTTPStatus.SEE_OTHER, "change your password first", {"Location": "/password"})
    raise AccessError("this password was made by somebody else: change it first, at /password")


def _check_meant(request: Request, principal: Principal, form: Form) -> None:
    """Refuse what another site makes a browser send; programs, which send none of these headers, are asked nothing."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "none")
    own = request.headers.get("host", "")
    if site not in ("same-origin", "none") or (origin is not None and urlsplit(origin).netloc.lower() != own.lower()):
        raise AccessError("this request comes from another site than this one")
    if principal.way is Way.SESSION:
        expected = principal.csrf
    elif _asked(request).right is Right.OPEN:
        expected = read_cookie(request, BEFORE)  # a form before login: only this site could set the cookie to it
    else:
        return
    shown = form.get(CSRF_FIELD) or request.headers.get(CSRF_HEADER, "")
    if not expected or not hmac.compare_digest(shown.encode(), expected.encode()):
        raise AccessError("the form is too old or not of this site: load the page again and send it once more")
