"""Names and passwords, checked in one place for the login page and for HTTP Basic."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock

from dicomnode.archive.account_records import Account
from dicomnode.archive.archive import Archive
from dicomnode.dicom.audit import AuditOutcome
from dicomnode.errors import SignInError, TooManyTriesError
from dicomnode.security.passwords import MOST_CHARACTERS, Passwords
from dicomnode.web.access.clients import client_key, is_loopback
from dicomnode.web.access.throttle import Throttle

_FREE_FOR_ACCOUNT_AND_ADDRESS, _FREE_FOR_ADDRESS = 5, 30
_FAILURES_THAT_LOCK, _LOCK = 100, timedelta(minutes=15)
_REMEMBERED, _REMEMBERED_FOR = 1000, timedelta(minutes=5)


class SigningIn:
    """Checks names and passwords, slows guessing down, and audits it.

    Who guesses waits: an address for one account after 5 failures, an address at all after 30. An account that got 100
    wrong passwords from many addresses is closed for a while towards addresses it never signed in from; this machine
    and addresses that gave the right password before are not locked out with them.
    """

    def __init__(self, archive: Archive, passwords: Passwords) -> None:
        self._archive = archive
        self._passwords = passwords
        self._pairs = Throttle(_FREE_FOR_ACCOUNT_AND_ADDRESS)
        self._addresses = Throttle(_FREE_FOR_ADDRESS)
        self._known = _Recent(timedelta(days=30))
        self._verified = _Recent(_REMEMBERED_FOR)
        self._key = secrets.token_bytes(32)

    def check(self, name: str, password: str, address: str, now: datetime) -> Account:
        """The account of a name and a password.

        Raises:
            SignInError: They open nothing; it is not told whether there is such an account.
            TooManyTriesError: This address has to wait.
        """
        client = client_key(address)
        account = self._account(name)
        self._wait(name, client, account, now)
        fits = len(password) <= MOST_CHARACTERS and self._fits(account, password)
        if account is None or not fits or account.disabled:
            self._note_failure(name, client, account, now)
            raise SignInError("name or password is wrong")
        self._note_success(account, client, now)
        return account

    def check_repeated(self, name: str, password: str, address: str, now: datetime) -> Account:
        """As `check`, for clients that send their password with every request: one seen lately is not hashed again.

        Raises:
            SignInError: They open nothing; it is not told whether there is such an account.
            TooManyTriesError: This address has to wait.
        """
        account = self._account(name)
        if account is not None and not account.disabled and self._verified.has(self._mark(account, password), now):
            return account
        account = self.check(name, password, address, now)
        self._archive.audit.add("login", f"{name} from {address}, by HTTP Basic", now, actor=f"{name}@{address}")
        self._verified.add(self._mark(account, password), now)
        return account

    def _account(self, name: str) -> Account | None:
        return self._archive.accounts.get(name) if name.isprintable() else None

    def _mark(self, account: Account, password: str) -> str:
        # Keyed by random bytes of this process; another password of the account makes another mark.
        text = f"{account.name}\0{account.password_hash}\0{password}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

    def _fits(self, account: Account | None, password: str) -> bool:
        return self._passwords.match("" if account is None else account.password_hash, password)

    def _wait(self, name: str, client: str, account: Account | None, now: datetime) -> None:
        wait = self._pairs.wait(_pair(name, client), now)
        if not is_loopback(client) and not self._known.has(_pair(name, client), now):
            locked = account.locked_until if account is not None else None
            wait = max(wait, self._addresses.wait(client, now), locked - now if locked else timedelta())
        if wait > timedelta():
            raise TooManyTriesError("too many wrong passwords", wait.total_seconds())

    def _note_failure(self, name: str, client: str, account: Account | None, now: datetime) -> None:
        self._pairs.fail(_pair(name, client), now)
        self._addresses.fail(client, now)
        # A name that is no account may be a password typed into the wrong field: it is not written down.
        who = name if account else "an unknown account"
        actor, outcome = f"{name if account else ''}@{client}", AuditOutcome.MINOR_FAILURE
        self._archive.audit.add("login failed", f"{who} from {client}", now, actor=actor, outcome=outcome)
        if account is not None:
            locks = account.failures + 1 >= _FAILURES_THAT_LOCK
            self._archive.accounts.note_failure(name, now + _LOCK if locks else None)

    def _note_success(self, account: Account, client: str, now: datetime) -> None:
        self._pairs.forget(_pair(account.name, client))
        self._known.add(_pair(account.name, client), now)
        if account.failures:
            self._archive.accounts.note_success(account.name)


class _Recent:
    """Marks that were set within some time; the oldest are forgotten first."""

    def __init__(self, lasting: timedelta) -> None:
        self._lasting = lasting
        self._set: OrderedDict[str, datetime] = OrderedDict()
        self._lock = Lock()

    def add(self, mark: str, now: datetime) -> None:
        with self._lock:
            self._set.pop(mark, None)
            self._set[mark] = now
            if len(self._set) > _REMEMBERED:
                self._set.popitem(last=False)

    def has(self, mark: str, now: datetime) -> bool:
        with self._lock:
            at = self._set.get(mark)
        return at is not None and timedelta() <= now - at < self._lasting


def _pair(name: str, client: str) -> str:
    return f"{client} {name}"
