"""How full the node may become, and what it may forget."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from dicomnode.settings.section import Section
from dicomnode.settings.tls import TlsClientSettings


class StorageSettings(Section):
    """Water marks of the data folder's disk; between them the node goes on as it was."""

    refuse_below_mib: int = Field(512, ge=64, description="Refuse what arrives, for now, while less is free.")
    accept_above_mib: int = Field(1024, ge=64, description="Accept again once so much is free.")
    maximum_gib: float | None = Field(
        None, gt=0, description="Refuse what arrives, for now, while the node keeps more."
    )
    durable: bool = Field(
        True,
        description="Success means that an instance survives a power cut; false: only that it survives a kill.",
    )

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.accept_above_mib < self.refuse_below_mib:
            raise ValueError("accept_above_mib must not be below refuse_below_mib")
        return self


class RetentionSettings(Section):
    """What may be deleted: only studies whose every job has ended and whose every result arrived where it should."""

    days: float | None = Field(
        None, gt=0, description="Delete studies so many days after their last arrival; absent: never."
    )
    start_below_mib: int | None = Field(
        None, ge=64, description="Delete only while less is free, oldest first; absent: whatever is old enough."
    )

    @model_validator(mode="after")
    def _age_first(self) -> Self:
        if self.start_below_mib is not None and self.days is None:
            raise ValueError("start_below_mib deletes nothing without days: say how old a study must be")
        return self


class AuditSettings(Section):
    """Where audit messages go (PS3.15 A.5), beside the index."""

    file: bool = Field(True, description="Append them to audit/audit.log in data_dir, chained by digests.")
    syslog_host: str | None = Field(None, description="Audit record repository: syslog over TLS, RFC 5425.")
    syslog_port: int = Field(6514, ge=1, le=65535, description="Its port.")
    syslog_tls: bool = Field(True, description="false: plain TCP (RFC 6587), for a repository on this machine.")
    tls: TlsClientSettings | None = Field(
        None, description="Certificates towards the repository; absent: the system's authorities."
    )
