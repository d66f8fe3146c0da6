"""Security profiles, from the settings (PS3.15)."""

from __future__ import annotations

from collections.abc import Sequence

from dicomnode.conformance.document import Block, Heading, Paragraph, Table, table
from dicomnode.security.profiles import PROFILES
from dicomnode.settings import PacsSettings, Settings, TargetSettings, TlsServerSettings

_NAMES = {
    "bcp195": "BCP 195 TLS (Annex B.9, as it stands today B.12)",
    "non-downgrading": "Non-Downgrading BCP 195 TLS (Annex B.10)",
    "extended": "Extended BCP 195 TLS (Annex B.11)",
}


def securing(settings: Settings) -> Sequence[Block]:
    """Section 9."""
    return (
        Heading(2, "9 Security"),
        Heading(3, "9.1 Secure transport"),
        _transport(settings),
        *_suites(settings),
        Heading(3, "9.2 Users and peers"),
        Paragraph(_users(settings)),
        Heading(3, "9.3 Audit"),
        Paragraph(_audit(settings)),
        Heading(3, "9.4 Digital signatures, de-identification"),
        Paragraph("Neither is made nor checked."),
    )


def _transport(settings: Settings) -> Table:
    rows = [("DIMSE listener", *_server(settings.receive.tls)), ("Web server", *_server(settings.web.tls))]
    for item in _called(settings):
        tls = item.tls
        shown = "shown" if tls is not None and tls.certificate is not None else "none"
        rows.append((f"To {item.name}", "clear" if tls is None else _NAMES[tls.profile], shown))
    return table(("Connection", "Profile", "Client certificate"), rows)


def _called(settings: Settings) -> tuple[TargetSettings | PacsSettings, ...]:
    return (*settings.targets, *settings.pacs)


def _server(tls: TlsServerSettings) -> tuple[str, str]:
    if not tls.enabled:
        return "clear", "not asked for"
    return _NAMES[tls.profile], "required" if tls.client_ca is not None else "not asked for"


def _suites(settings: Settings) -> Sequence[Block]:
    servers = [tls.profile for tls in (settings.receive.tls, settings.web.tls) if tls.enabled]
    clients = [item.tls.profile for item in _called(settings) if item.tls is not None]
    used = sorted({*servers, *clients})
    if not used:
        return ()
    rows = (
        (name, " ".join(PROFILES[name].cipher_suites), f"TLS 1.2 to {PROFILES[name].maximum_version.name}")
        for name in used
    )
    return (table(("Profile", "Cipher suites of TLS 1.2", "Versions"), rows),)


def _users(settings: Settings) -> str:
    accounts = settings.web.accounts
    if not accounts.required:
        return "The web server listens on a loopback address and asks for no login."
    oidc = " or by an OpenID Connect provider" if accounts.oidc is not None else ""
    return (
        f"Pages and DICOMweb want a login by an account of the node{oidc}, or a token, each with a role. DIMSE peers "
        "are known by AE title, address and, where set, certificate name."
    )


def _audit(settings: Settings) -> str:
    ways = ["the node's index"]
    if settings.audit.file:
        ways.append("a file whose lines are chained by digests")
    if settings.audit.syslog_host is not None:
        protocol = "TLS (RFC 5425)" if settings.audit.syslog_tls else "TCP (RFC 6587)"
        ways.append(f"syslog over {protocol} to {settings.audit.syslog_host}:{settings.audit.syslog_port}")
    return f"Security-relevant events go to {', '.join(ways)} (Audit Trail Message Format Profile, PS3.15 A.5)."
