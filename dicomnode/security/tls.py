"""TLS contexts from settings; they follow their files, so that certificates are exchanged without a restart."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from dicomnode.errors import SettingsError
from dicomnode.security.profiles import PROFILES
from dicomnode.settings import TlsClientSettings, TlsServerSettings, read_secret
from dicomnode.settings.section import SECRET_FILE

_LOG = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int] | None, ...]


class FollowedFiles:
    """A context that is made anew when one of its files changes.

    Args:
        make: Makes it from the files as they are.
        files: Those files.
        what: The setting, for the log.
    """

    def __init__(self, make: Callable[[], ssl.SSLContext], files: Sequence[Path], what: str) -> None:
        self._make = make
        self._files = tuple(files)
        self._what = what
        self._guard = Lock()
        self._stamp = self._look()
        self._context = make()

    def current(self) -> ssl.SSLContext:
        """The context of the files as they are now; of what they were if they cannot be used."""
        stamp = self._look()
        with self._guard:
            if stamp != self._stamp:
                self._stamp = stamp
                self._renew()
            return self._context

    def _renew(self) -> None:
        try:
            self._context = self._make()
        except SettingsError as error:
            _LOG.error("%s: the changed files cannot be used, those before stay in force: %s", self._what, error)
        else:
            _LOG.info("%s: certificates read anew", self._what)

    def _look(self) -> Stamp:
        return tuple(_stamp(path) for path in self._files)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class FollowingContext(ssl.SSLContext):
    """A context whose every handshake uses the certificates that lie on the disk.

    A new context for new files, rather than new certificates in an old context: a session of the old one cannot be
    resumed, so nobody comes in past the new revocation list.
    """

    followed: FollowedFiles

    @classmethod
    def of(cls, followed: FollowedFiles) -> FollowingContext:
        """A context that looks like the present one."""
        present = followed.current()
        context = cls(present.protocol)
        context.check_hostname = present.check_hostname
        context.verify_mode = present.verify_mode
        context.followed = followed
        return context

    def wrap_socket(self, sock: Any, server_side: bool = False, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Wrap a socket; a server's handshake is left to the caller, whose loop it must not hold up."""
        if server_side:
            options["do_handshake_on_connect"] = False
        return self.followed.current().wrap_socket(sock, server_side, *arguments, **options)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """As asyncio asks for it."""
        return self.followed.current().wrap_bio(*arguments, **options)


def server_context(settings: TlsServerSettings, what: str) -> ssl.SSLContext | None:
    """The context of a listener, None if it listens in the clear.

    Args:
        settings: Its certificate, and whom it believes.
        what: The setting's name, such as ``receive.tls``, for messages.

    Raises:
        SettingsError: A file cannot be used; names it.
    """
    if settings.certificate is None:
        return None
    files = _files(settings, settings.client_ca)
    return FollowingContext.of(FollowedFiles(lambda: _make_server(settings, what), files, what))


def client_context(settings: TlsClientSettings | None, what: str) -> ssl.SSLContext | None:
    """The context for calling a peer, None if it is called in the clear.

    Args:
        settings: Whom the node believes, and what it shows.
        what: The setting's name, for messages.

    Raises:
        SettingsError: A file cannot be used; names it.
    """
    if settings is None:
        return None
    files = _files(settings, settings.ca)
    return FollowingContext.of(FollowedFiles(lambda: _make_client(settings, what), files, what))


def certificate_names(connection: ssl.SSLSocket | ssl.SSLObject) -> tuple[str, ...]:
    """The names that the peer's verified certificate bears: common name and subject alternative names."""
    certificate: Any = connection.getpeercert() or {}
    subject = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return tuple(dict.fromkeys([*subject, *(value for _, value in certificate.get("subjectAltName", ()))]))


def failure_of(error: Exception) -> str:
    """Why a handshake failed, in OpenSSL's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no handshake in time"
    return _reason(error)


def handshake_failure(context: ssl.SSLContext, host: str, port: int, timeout: float) -> str | None:
    """Try a handshake as a client; why it fails, None if it does not.

    Raises:
        OSError: Nothing can be connected to.
    """
    with socket.create_connection((host, port), timeout) as plain:
        try:
            context.wrap_socket(plain, server_hostname=host).close()
        except (OSError, ValueError) as error:
            return failure_of(error)
    return None


def _make_server(settings: TlsServerSettings, what: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    PROFILES[settings.profile].apply(context)
    # A resumed session would not look at the client's certificate again
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    _show_certificate(context, settings, what)
    if settings.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        _believe(context, settings.client_ca, f"{what}.client_ca")
        _refuse_revoked(context, settings, what)
    return context


def _make_client(settings: TlsClientSettings, what: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    PROFILES[settings.profile].apply(context)
    context.check_hostname = settings.check_hostname
    if settings.ca is None:
        context.load_default_certs()
    else:
        _believe(context, settings.ca, f"{what}.ca")
    _show_certificate(context, settings, what)
    _refuse_revoked(context, settings, what)
    return context


def _show_certificate(context: ssl.SSLContext, settings: TlsServerSettings | TlsClientSettings, what: str) -> None:
    if settings.certificate is None or settings.key is None:
        return
    where = settings.key_password
    password = read_secret(where, f"{what}.key_password") if where else ""
    try:
        # An empty password, rather than none: OpenSSL would ask for it on the terminal
        context.load_cert_chain(settings.certificate, settings.key, password)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{what}: certificate {settings.certificate} and key {settings.key} cannot be used "
            f"({_reason(error)}): give PEM files that belong together"
        ) from error


def _believe(context: ssl.SSLContext, path: Path, what: str) -> None:
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{what}: {path} cannot be used ({_reason(error)}): give a PEM file") from error


def _refuse_revoked(context: ssl.SSLContext, settings: TlsServerSettings | TlsClientSettings, what: str) -> None:
    if settings.revocation_list is not None:
        _believe(context, settings.revocation_list, f"{what}.revocation_list")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _files(settings: TlsServerSettings | TlsClientSettings, authorities: Path | None) -> list[Path]:
    paths = [settings.certificate, settings.key, settings.revocation_list, authorities]
    if settings.key_password and settings.key_password.startswith(SECRET_FILE):
        paths.append(Path(settings.key_password.removeprefix(SECRET_FILE)))
    return [path for path in paths if path is not None]


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__)
