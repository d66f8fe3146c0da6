"""The HTTP listener and who may use it."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from dicomnode.settings.section import Port, Secret, Section
from dicomnode.settings.tls import TlsServerSettings


class OidcSettings(Section):
    """Sign-in by an OpenID Connect provider, beside the node's own accounts."""

    issuer: str = Field(description="Issuer URL; its discovery document tells the rest.", pattern=r"^https?://")
    client_id: str = Field(description="The node's client ID there.")
    client_secret: Secret = Field(description="Where the client secret is: file:PATH or env:NAME.")
    role_claim: str = Field("roles", description="Claim of the ID token that lists roles; dots lead into objects.")
    roles: dict[str, Literal["sender", "viewer", "operator", "admin"]] = Field(
        default_factory=dict, description="Value of the claim = viewer, operator or admin; others may not sign in."
    )


class AccountsSettings(Section):
    """Who may use the pages and the interfaces."""

    required: bool = Field(True, description="false: no login. Allowed only while web.host is a loopback address.")
    session_hours: float = Field(8.0, gt=0, description="A login ends after this.")
    idle_minutes: float = Field(30.0, gt=0, description="A login without use ends after this.")
    oidc: OidcSettings | None = Field(None, description="Sign-in by an OpenID Connect provider.")


class ViewerSettings(Section):
    """The radiologist's viewer OHIF, which `dicomnode viewer install` puts beside the node."""

    folder: Path = Field(Path("viewer"), description="Where it is installed; without it everything else still works.")
    port: Port = Field(
        8081, description="TCP port on web.host, listened on once it is installed; 0 chooses a free one."
    )
    address: str = Field(
        "",
        description="How browsers reach that port by a reverse proxy; empty: as they reach the node.",
        pattern=r"^(https?://[^/?#]+)?$",
    )


class ReviewSettings(Section):
    """A table of training images that is looked through and corrected at /review."""

    table: Path | None = Field(None, description="The table (CSV); changes go to a copy beside it.")
    data: Path | None = Field(None, description="Folder of its pictures.")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.table is None) != (self.data is None):
            raise ValueError("web.review needs both table and data, or neither")
        return self


class WebSettings(Section):
    """The HTTP listener: DICOMweb, pages, health."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8080, description="TCP port; 0 chooses a free one.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Names that the node may be asked for under, beside localhost, addresses and web.host."
    )
    proxies: tuple[str, ...] = Field(
        (), description="Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."
    )
    requests_per_minute: int = Field(6000, ge=60, description="Of one client; more are answered with 429 for now.")
    metrics: Literal["open", "token"] = Field(
        "token", description="Who may read /metrics: whoever may read pages, or everybody that reaches the port."
    )
    reports: Path | None = Field(
        None, description="Folder of reports that train and evaluate --report wrote; the page /reports shows them."
    )
    maximum_request_bytes: int = Field(4 * 1024**3, ge=1024, description="Largest STOW-RS request body.")
    maximum_results: int = Field(
        5000, ge=1, description="Matches of one QIDO-RS answer; a client asks for further ones by offset."
    )
    review: ReviewSettings = Field(
        default_factory=lambda: ReviewSettings.model_validate({}), description="Review of training images."
    )
    tls: TlsServerSettings = Field(default_factory=lambda: TlsServerSettings.model_validate({}), description="HTTPS.")
    accounts: AccountsSettings = Field(
        default_factory=lambda: AccountsSettings.model_validate({}), description="Who may use it."
    )
    viewer: ViewerSettings = Field(
        default_factory=lambda: ViewerSettings.model_validate({}), description="The radiologist's viewer."
    )

    @property
    def in_the_clear(self) -> bool:
        """Whether passwords and images cross a network unencrypted."""
        return not (self.tls.enabled or self.proxies or _is_loopback(self.host))

    @model_validator(mode="after")
    def _nobody_outside_without_login(self) -> Self:
        if not self.accounts.required and not _is_loopback(self.host):
            raise ValueError(f"web.accounts.required = false is for loopback addresses, and web.host is {self.host}")
        if not self.accounts.required and self.proxies:
            raise ValueError(
                "web.accounts.required = false lets everybody in who comes by a proxy: take web.proxies out"
            )
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
