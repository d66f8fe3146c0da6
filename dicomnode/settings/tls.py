"""Certificates: what the node shows of itself, and whom it believes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from dicomnode.settings.section import Secret, Section


class TlsServerSettings(Section):
    """TLS of a listener; without a certificate it listens in the clear."""

    certificate: Path | None = Field(None, description="PEM file: the certificate, then its intermediate ones.")
    key: Path | None = Field(None, description="PEM file of its private key.")
    key_password: Secret | None = Field(None, description="Where the key's password is: file:PATH or env:NAME.")
    client_ca: Path | None = Field(
        None, description="PEM file of the authorities that clients must show; absent: none."
    )
    revocation_list: Path | None = Field(
        None, description="PEM file of revoked certificates; read anew when it changes."
    )
    profile: Literal["bcp195", "non-downgrading", "extended"] = Field(
        "non-downgrading", description="Secure Transport Connection Profile of PS3.15 Annex B."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give certificate and key together")
        if self.certificate is None and (self.client_ca or self.revocation_list):
            raise ValueError("client_ca and revocation_list need certificate and key")
        return self

    @property
    def enabled(self) -> bool:
        """Whether the listener speaks TLS."""
        return self.certificate is not None


class TlsClientSettings(Section):
    """TLS towards a peer."""

    ca: Path | None = Field(
        None, description="PEM file of the authorities that the peer may show; absent: the system's."
    )
    certificate: Path | None = Field(None, description="PEM file that the node shows if the peer asks.")
    key: Path | None = Field(None, description="PEM file of its private key.")
    key_password: Secret | None = Field(None, description="Where the key's password is: file:PATH or env:NAME.")
    revocation_list: Path | None = Field(None, description="PEM file of revoked certificates.")
    profile: Literal["bcp195", "non-downgrading", "extended"] = Field(
        "non-downgrading", description="Secure Transport Connection Profile of PS3.15 Annex B."
    )
    check_hostname: bool = Field(True, description="The peer's certificate must name the host that was called.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give certificate and key together")
        return self
