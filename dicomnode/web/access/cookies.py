"""The two cookies: of a login, and of a form that somebody fills in before there is one."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

SESSION, BEFORE, PROVIDER = "dicomnode-session", "dicomnode-before", "dicomnode-provider"
_MOST_CHARACTERS = 512


def read_cookie(request: Request, name: str) -> str:
    """A cookie that `write_cookie` wrote; empty if there is none."""
    value = request.cookies.get(_full_name(request, name), "")
    return value if len(value) <= _MOST_CHARACTERS else ""


def write_cookie(request: Request, response: Response, name: str, value: str, *, lax: bool = False) -> None:
    """Set a cookie that ends with the browser, no script reads and no other site sends.

    Args:
        request: Over TLS the cookie stays within TLS, and its name promises that no other host has set it.
        response: It goes with this.
        name: One of this module.
        value: Letters that need no quotes.
        lax: Sent also when another site leads here: the way back from a provider.
    """
    response.set_cookie(
        _full_name(request, name),
        value,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax" if lax else "strict",
    )


def delete_cookie(request: Request, response: Response, name: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(_full_name(request, name), secure=_is_secure(request), httponly=True, path="/")


def _full_name(request: Request, name: str) -> str:
    return f"__Host-{name}" if _is_secure(request) else name


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
