"""The way to the provider that signs in, and the way back."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from dicomnode.dicom.audit import AuditOutcome
from dicomnode.errors import AccessError, NotFoundError, PeerError, SignInError
from dicomnode.web.access.clients import client_address
from dicomnode.web.access.cookies import PROVIDER, delete_cookie, read_cookie, write_cookie
from dicomnode.web.access.guard import CredentialsOf, NowOf, PrincipalOf
from dicomnode.web.access.login_pages import enter, show_login
from dicomnode.web.access.oidc import Errand, SignInByProvider
from dicomnode.web.dicomweb.addresses import ArchiveOf
from dicomnode.web.pages.frame import PagesOf, who

_BACK = "/login/oidc/back"


def provider_of(request: Request) -> SignInByProvider:
    """What the app was made with; NotFoundError if logins are the node's own only."""
    found = cast(SignInByProvider | None, request.app.state.sign_in_by_provider)
    if found is None:
        raise NotFoundError("no provider signs people in here: web.accounts.oidc names one")
    return found


ProviderOf = Annotated[SignInByProvider, Depends(provider_of)]


def add_oidc_routes(router: APIRouter) -> None:
    """There and back."""
    router.add_api_route("/login/oidc", leave, methods=["GET"])
    router.add_api_route(_BACK, come_back, methods=["GET"])


def leave(request: Request, _guarded: PrincipalOf, provider: ProviderOf) -> Response:
    """Send the browser to the provider."""
    errand = Errand.begin()
    try:
        goal = provider.address(errand, _back_here(request))
    except PeerError as error:
        return show_login(request, HTTPStatus.BAD_GATEWAY, str(error), "/")
    response = RedirectResponse(goal, HTTPStatus.SEE_OTHER)
    # Coming back from the provider is coming from another site, which no stricter cookie survives.
    write_cookie(request, response, PROVIDER, errand.write(), lax=True)
    return response


def come_back(
    request: Request,
    _guarded: PrincipalOf,
    provider: ProviderOf,
    archive: ArchiveOf,
    credentials: CredentialsOf,
    pages: PagesOf,
    now: NowOf,
) -> Response:
    """Begin a login of whom the provider signed in."""
    address = client_address(request)
    try:
        errand = Errand.read(read_cookie(request, PROVIDER))
        person = provider.person(errand, request.query_params, _back_here(request), now)
        account = archive.accounts.add_external(person.name, person.role, now)
        if account.disabled:
            raise SignInError("this account is closed")
    except (AccessError, PeerError) as error:
        outcome, text = AuditOutcome.MINOR_FAILURE, f"by the provider, from {address}: {error}"
        archive.audit.add("login failed", text, now, actor=f"@{address}", outcome=outcome)
        status = HTTPStatus.BAD_GATEWAY if isinstance(error, PeerError) else HTTPStatus.UNAUTHORIZED
        refused = show_login(request, status, str(error), "/")
        delete_cookie(request, refused, PROVIDER)
        return refused
    # A page in between: a redirect would still be the other site's doing, and keep the new cookie back.
    page = pages.show(request, "onward.html", who(request.app.state.settings) | {"next": "/"})
    delete_cookie(request, page, PROVIDER)
    return enter(request, credentials.begin(account, address), page)


def _back_here(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{_BACK}"
