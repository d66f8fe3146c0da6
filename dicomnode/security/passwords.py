"""Passwords and random secrets: argon2id for what people choose, a plain digest for what 256 random bits protect."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from dicomnode.errors import TooManyTriesError, UsageError

LEAST_CHARACTERS, MOST_CHARACTERS = 12, 256
_LEAST_DIFFERENT = 5
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without what is read as something else
_GROUPS, _GROUP_CHARACTERS = 5, 5
_AT_ONCE, _IN_LINE = 2, 8
_SECRET_BYTES = 32
_AGAIN_SECONDS = 2


class Passwords:
    """Argon2id with 2 passes over 19 MiB in one lane, which OWASP's Password Storage Cheat Sheet names as enough.

    At most two are computed at once and eight wait: a flood of logins must take neither the memory nor the threads that
    the node needs.
    """

    def __init__(self, passes: int = 2, memory_kib: int = 19 * 1024, lanes: int = 1) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes, type=Type.ID)
        self._line, self._turns = BoundedSemaphore(_IN_LINE), BoundedSemaphore(_AT_ONCE)
        self._decoy = ""

    def hash(self, password: str) -> str:
        """What is stored of a password: parameters, salt and hash in one string.

        Raises:
            TooManyTriesError: Too many wait already.
        """
        with self._turn():
            return self._hasher.hash(password)

    def match(self, stored: str, password: str) -> bool:
        """Whether a password is the one that a hash was made of; takes as long for an empty hash, which fits none.

        Raises:
            TooManyTriesError: Too many wait already.
        """
        # The time of an answer must not tell which names exist: where there is no account, a decoy is verified.
        if not (stored or self._decoy):
            self._decoy = self.hash(make_secret())
        with self._turn():
            try:
                fits = self._hasher.verify(stored or self._decoy, password)
            except (VerificationError, InvalidHashError):
                return False
        return fits and bool(stored)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._line.acquire(blocking=False):
            raise TooManyTriesError("too many logins at once", _AGAIN_SECONDS)
        try:
            with self._turns:
                yield
        finally:
            self._line.release()


def check_new_password(name: str, password: str) -> None:
    """Refuse a password that would be guessed (NIST SP 800-63B 3.1.1: length counts, not kinds of characters).

    Raises:
        UsageError: It is too short, too long, holds the account's name or little else than one character.
    """
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise UsageError(f"a password has {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters")
    if name.casefold() in password.casefold():
        raise UsageError("a password must not hold the name of its account")
    if len(set(password)) < _LEAST_DIFFERENT:
        raise UsageError(f"a password needs at least {_LEAST_DIFFERENT} different characters")


def make_password() -> str:
    """A random password of 125 bits that can be read out and typed."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARACTERS)) for _ in range(_GROUPS))
    return "-".join(groups)


def make_secret() -> str:
    """256 random bits as text, for tokens and sessions."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def secret_digest(secret: str) -> str:
    """SHA-256 of a random secret in hexadecimal: what the index keeps in its place."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
