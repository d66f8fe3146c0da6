"""What is asked of an OpenID Connect provider directly: its description, its keys, and a token for a code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from dicomnode.errors import PeerRefusedError, PeerUnavailableError, SignInError
from dicomnode.settings import OidcSettings, read_secret
from dicomnode.web.access.clients import is_loopback

_DISCOVERY = "/.well-known/openid-configuration"
_TIMEOUT_SECONDS = 10
_MOST_BYTES = 512 * 1024
_KEPT_SECONDS, _LEAST_SECONDS_BETWEEN_KEYS = 3600.0, 60.0


class Provider:
    """An OpenID Connect provider; what it says of itself is kept for an hour."""

    def __init__(self, settings: OidcSettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = Lock()

    def endpoint(self, name: str) -> str:
        """An address of its description.

        Raises:
            PeerError: It cannot be asked, or describes itself as somebody else.
        """
        described = self._document(f"{self._settings.issuer.rstrip('/')}{_DISCOVERY}")
        if described.get("issuer") != self._settings.issuer:
            raise PeerRefusedError("the provider calls itself otherwise than web.accounts.oidc.issuer", 200)
        address = described.get(name)
        if not isinstance(address, str):
            raise PeerRefusedError(f"the provider's description names no {name}", 200)
        return address

    def keys(self) -> list[dict[str, Any]]:
        """Its public keys for signatures; kinds of key that nobody here knows are left out."""
        keys = self._document(self.endpoint("jwks_uri")).get("keys")
        listed = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
        return [key for key in listed if key.get("kty") in ("RSA", "EC") and key.get("use", "sig") == "sig"]

    def forget_keys(self) -> bool:
        """Read the keys anew at the next need; false if they are fresh."""
        address = self.endpoint("jwks_uri")
        with self._lock:
            at, _ = self._kept.get(address, (float("-inf"), {}))
            stale = self._monotonic() - at > _LEAST_SECONDS_BETWEEN_KEYS
            if stale:
                self._kept.pop(address, None)
        return stale

    def exchange(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The ID token for a code.

        Raises:
            SignInError: The provider does not take the code.
            PeerError: It cannot be asked.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        secret = read_secret(self._settings.client_secret, "web.accounts.oidc.client_secret")
        # RFC 6749 2.3.1: both are encoded as in a form before they become a Basic authorization.
        who = (quote(self._settings.client_id, safe=""), quote(secret, safe=""))
        status, content = _ask("POST", self.endpoint("token_endpoint"), data=form, auth=who)
        token = content.get("id_token")
        if status != requests.codes.ok or not isinstance(token, str):
            raise SignInError("the provider did not take the code of this sign-in: begin again")
        return token

    def _document(self, address: str) -> dict[str, Any]:
        with self._lock:
            at, content = self._kept.get(address, (float("-inf"), {}))
        if self._monotonic() - at < _KEPT_SECONDS:
            return content
        status, content = _ask("GET", address)
        if status != requests.codes.ok:
            raise PeerRefusedError(f"the provider answered {status}: check web.accounts.oidc.issuer", status)
        with self._lock:
            self._kept[address] = (self._monotonic(), content)
        return content


def _ask(method: str, address: str, **more: Any) -> tuple[int, dict[str, Any]]:
    _check_encrypted(address)
    try:
        with requests.request(
            method, address, timeout=_TIMEOUT_SECONDS, allow_redirects=False, stream=True, **more
        ) as answer:
            body = next(answer.iter_content(_MOST_BYTES), b"")
            content = json.loads(body) if body else {}
            return answer.status_code, content if isinstance(content, dict) else {}
    except (requests.RequestException, ValueError) as error:
        raise PeerUnavailableError(f"the provider that signs in cannot be asked ({type(error).__name__})") from error


def _check_encrypted(address: str) -> None:
    parts = urlsplit(address)
    here = parts.hostname is not None and (parts.hostname == "localhost" or is_loopback(parts.hostname))
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise PeerRefusedError("the provider that signs in is asked over https only", 0)
