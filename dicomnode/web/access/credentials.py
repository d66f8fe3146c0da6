"""What a request shows of who it comes from: an Authorization header or a login's cookie."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request

from dicomnode.archive.account_records import Account, Session
from dicomnode.archive.archive import Archive
from dicomnode.errors import AccessError, SignInError
from dicomnode.security.passwords import make_secret, secret_digest
from dicomnode.settings import AccountsSettings
from dicomnode.web.access.clients import client_address, keeps_passwords_unseen
from dicomnode.web.access.cookies import SESSION, read_cookie
from dicomnode.web.access.principal import ANYBODY, NO_LOGIN, Principal, Way, of_program, of_session
from dicomnode.web.access.signing_in import SigningIn

_TOUCH_AFTER = timedelta(seconds=30)
_BY_ITSELF = "auto"


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A login that has just begun.

    Attributes:
        secret: For the cookie; kept nowhere.
        must_change: The password has to be changed first.
    """

    secret: str
    must_change: bool


class Credentials:
    """Finds out who a request comes from, and begins and ends logins."""

    def __init__(
        self, archive: Archive, settings: AccountsSettings, signing_in: SigningIn, clock: Callable[[], datetime]
    ) -> None:
        self._archive = archive
        self._settings = settings
        self._signing_in = signing_in
        self._clock = clock

    def principal(self, request: Request) -> Principal:
        """Who a request comes from; an Authorization header counts before a cookie.

        Raises:
            SignInError: What it shows opens nothing.
            TooManyTriesError: Its address has to wait.
            AccessError: It shows a password in the clear.
        """
        header = request.headers.get("authorization")
        if not self._settings.required:
            return NO_LOGIN
        if header is not None:
            return self._of_header(request, header)
        session = self._session(request)
        return ANYBODY if session is None else of_session(session.account, session.role, session.csrf)

    def sign_in(self, name: str, password: str, address: str) -> NewLogin:
        """Begin a login by name and password.

        Raises:
            SignInError: They open nothing.
            TooManyTriesError: This address has to wait.
        """
        return self.begin(self.check(name, password, address), address)

    def check(self, name: str, password: str, address: str) -> Account:
        """The account of a name and a password, without a login.

        Raises:
            SignInError: They open nothing.
            TooManyTriesError: This address has to wait.
        """
        return self._signing_in.check(name, password, address, self._clock())

    def begin(self, account: Account, address: str) -> NewLogin:
        """Begin a login of an account."""
        secret, now = make_secret(), self._clock()
        expires = now + timedelta(hours=self._settings.session_hours)
        self._archive.sessions.begin(secret_digest(secret), account, make_secret(), now, expires)
        self._archive.audit.add("login", f"{account.name} from {address}", now, actor=f"{account.name}@{address}")
        return NewLogin(secret, account.must_change)

    def end(self, request: Request) -> None:
        """End the login whose cookie a request shows."""
        session = self._session(request)
        if session is not None:
            self._archive.sessions.end(secret_digest(read_cookie(request, SESSION)))
            name = session.account.name
            self._archive.audit.add("logout", name, self._clock(), actor=name)

    def _session(self, request: Request) -> Session | None:
        secret, now = read_cookie(request, SESSION), self._clock()
        if not secret:
            return None
        digest = secret_digest(secret)
        session = self._archive.sessions.find(digest, now, timedelta(minutes=self._settings.idle_minutes))
        # A page that loads itself anew is not somebody who is there.
        is_used = _BY_ITSELF not in request.query_params
        if session is not None and is_used and now - session.last_used > _TOUCH_AFTER:
            self._archive.sessions.touch(digest, now)
        return session

    def _of_header(self, request: Request, header: str) -> Principal:
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer":
            return self._of_token(value.strip())
        if scheme.lower() == "basic":
            return self._of_basic(request, value.strip())
        raise SignInError("the Authorization header must be Bearer and a token, or Basic")

    def _of_token(self, token: str) -> Principal:
        found = self._archive.tokens.find(secret_digest(token))
        if found is None:
            raise SignInError("this token is not known here")
        kept, owner = found
        if not kept.is_valid(self._clock()) or owner.disabled:
            raise SignInError("this token has expired or was revoked: ask an administrator for another one")
        return of_program(owner, kept.role, Way.TOKEN)

    def _of_basic(self, request: Request, encoded: str) -> Principal:
        if not keeps_passwords_unseen(request):
            raise AccessError("a password in the clear is not taken: use HTTPS, or a token")
        try:
            name, separator, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            separator = ""
        if not separator:
            raise SignInError("the Basic authorization is not NAME:PASSWORD in base64 (RFC 7617)")
        account = self._signing_in.check_repeated(name, password, client_address(request), self._clock())
        return of_program(account, account.role, Way.BASIC)
