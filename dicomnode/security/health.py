"""What an administrator should mend about certificates, keys and secrets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509

from dicomnode.errors import SettingsError
from dicomnode.security.tls import client_context, server_context
from dicomnode.settings import Section, Settings, TlsClientSettings, TlsServerSettings
from dicomnode.settings.section import SECRET_FILE

_EXPIRES_SOON_DAYS = 30
_OTHERS_MAY_READ = 0o004


def certificate_problems(settings: Settings, now: datetime) -> list[str]:
    """One line for each TLS setting whose files cannot be used or whose certificate ends soon."""
    found: list[str] = []
    for what, tls in _sections("", settings):
        if not isinstance(tls, TlsServerSettings | TlsClientSettings):
            continue
        try:
            if isinstance(tls, TlsServerSettings):
                server_context(tls, what)
            else:
                client_context(tls, what)
        except SettingsError as error:
            found.append(f"{error}; a role that runs keeps to what it read before")
        found += _expiry(what, tls.certificate, now)
    return found


def open_secrets(settings: Settings) -> list[str]:
    """One line for each key or secret file that everybody on the machine may read."""
    paths: dict[Path, str] = {}
    for what, section in _sections("", settings):
        for name, value in section:
            if isinstance(value, str) and value.startswith(SECRET_FILE):
                paths[Path(value.removeprefix(SECRET_FILE))] = f"{what}.{name}".lstrip(".")
            elif name == "key" and isinstance(value, Path):
                paths[value] = f"{what}.{name}".lstrip(".")
    return [
        f"{what}: everybody on this machine may read {path}; `chmod 600` it"
        for path, what in paths.items()
        if path.is_file() and path.stat().st_mode & _OTHERS_MAY_READ
    ]


def _expiry(what: str, path: Path | None, now: datetime) -> Iterator[str]:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes()) if path else None
    except (OSError, ValueError):
        return  # told above
    if certificate is None:
        return
    days = (certificate.not_valid_after_utc - now).total_seconds() / 86400
    if days <= 0:
        yield f"{what}: certificate {path} has expired"
    elif days < _EXPIRES_SOON_DAYS:
        yield f"{what}: certificate {path} expires in {days:.0f} day(s)"


def _sections(what: str, section: Section) -> Iterator[tuple[str, Section]]:
    yield what, section
    for name, value in section:
        inner = f"{what}.{name}".lstrip(".")
        if isinstance(value, Section):
            yield from _sections(inner, value)
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, Section):
                    yield from _sections(f"{inner}.{getattr(item, 'name', '')}".rstrip("."), item)
