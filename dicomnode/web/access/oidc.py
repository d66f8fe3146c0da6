"""Sign-in by an OpenID Connect provider: authorization code flow with PKCE, state and nonce.

OpenID Connect Core 1.0, Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (the issuer in the answer). The provider's answer
comes through a browser and is believed only as far as the ID token's signature goes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from dicomnode.archive.account_records import Role
from dicomnode.errors import SignInError
from dicomnode.security.passwords import make_secret
from dicomnode.settings import OidcSettings
from dicomnode.web.access.provider import Provider

# Signatures by a key of the provider only: "none" and those by a shared secret are not among them.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_CLOCK_SECONDS = 60
_LONGEST_NAME = 255
_STRONGEST_FIRST = (Role.ADMIN, Role.OPERATOR, Role.VIEWER, Role.SENDER)


@dataclass(frozen=True, slots=True)
class Errand:
    """What a browser keeps in a cookie while its person is away at the provider.

    Attributes:
        state: Comes back in the address: nobody else's answer is taken for ours.
        nonce: Comes back in the ID token: no older token is taken for a new one.
        verifier: Shown to the provider with the code: nobody else can use it (RFC 7636).
    """

    state: str
    nonce: str
    verifier: str

    @classmethod
    def begin(cls) -> Self:
        """A new one."""
        return cls(make_secret(), make_secret(), make_secret())

    @classmethod
    def read(cls, cookie: str) -> Self:
        """The one of a cookie.

        Raises:
            SignInError: There is none.
        """
        parts = cookie.split(".")
        if len(parts) != 3 or not all(parts):
            raise SignInError("the sign-in was begun in another browser or too long ago: begin again")
        return cls(*parts)

    def write(self) -> str:
        """The value of the cookie."""
        return f"{self.state}.{self.nonce}.{self.verifier}"

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier beforehand."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider signed in.

    Attributes:
        name: Of the account here: what the provider calls the person, who can never be one of the node's own accounts.
    """

    name: str
    role: Role


class SignInByProvider:
    """The two halves of the flow: sending a browser away, and reading what it brings back."""

    def __init__(self, settings: OidcSettings, provider: Provider) -> None:
        self._settings = settings
        self._provider = provider

    def address(self, errand: Errand, redirect_uri: str) -> str:
        """Where to send the browser."""
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": errand.state,
            "nonce": errand.nonce,
            "code_challenge": errand.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._provider.endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def person(self, errand: Errand, answer: Mapping[str, str], redirect_uri: str, now: datetime) -> Person:
        """Who came back.

        Raises:
            SignInError: The provider refused, the answer belongs to another sign-in, the ID token cannot be trusted, or
                none of the person's roles is one here.
            PeerError: The provider cannot be asked.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), errand.state.encode()):
            raise SignInError("the answer belongs to another sign-in: begin again")
        if answer.get("iss", self._settings.issuer) != self._settings.issuer:
            raise SignInError("the answer comes from another provider than web.accounts.oidc.issuer")
        if not answer.get("code"):
            raise SignInError("the provider did not sign you in")
        token = self._provider.exchange(answer["code"], errand.verifier, redirect_uri)
        claims = self._claims(token, errand, now)
        return Person(_account_name(self._settings.issuer, claims), self._role(claims))

    def _claims(self, token: str, errand: Errand, now: datetime) -> dict[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(now.timestamp()),
            leeway=_CLOCK_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": errand.nonce},
        )
        try:
            claims = self._decoded(token)
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise SignInError(f"the provider's ID token cannot be trusted ({type(error).__name__})") from None
        # Core 3.1.3.7: a token for several audiences, or with an authorized party, must be meant for this client.
        if claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise SignInError("the provider's ID token was made for another client")
        return claims

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            return dict(jwt.decode(token, self._keys(), algorithms=_ALGORITHMS).claims)
        except (JoseError, ValueError):
            # The provider may have changed its keys; they are read anew, though not at everybody's wish.
            if not self._provider.forget_keys():
                raise
            return dict(jwt.decode(token, self._keys(), algorithms=_ALGORITHMS).claims)

    def _keys(self) -> KeySet:
        return KeySet.import_key_set({"keys": self._provider.keys()})

    def _role(self, claims: Mapping[str, Any]) -> Role:
        found: Any = claims
        for step in self._settings.role_claim.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        values = [found] if isinstance(found, str) else found if isinstance(found, list) else []
        known = self._settings.roles
        roles = {known[value] for value in values if isinstance(value, str) and value in known}
        for role in _STRONGEST_FIRST:
            if role in roles:
                return role
        raise SignInError("none of your roles at the provider is one here: web.accounts.oidc.roles says which are")


def _account_name(issuer: str, claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    name = f"oidc:{subject}@{issuer.partition('://')[2].rstrip('/')}"
    if not isinstance(subject, str) or not subject.isprintable() or not subject or len(name) > _LONGEST_NAME:
        raise SignInError("the provider gives a name (sub) that cannot be used")
    return name
