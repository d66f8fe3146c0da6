"""Where traces go, for who runs a collector."""

from __future__ import annotations

from pydantic import Field

from dicomnode.settings.section import Secret, Section


class TelemetrySettings(Section):
    """OpenTelemetry traces, one for each completion of a study; UIDs and times, no patients."""

    endpoint: str | None = Field(
        None,
        description="OTLP/HTTP address that takes traces, with its path; absent: none are sent.",
        pattern=r"^https?://",
    )
    service_name: str = Field("dicomnode", min_length=1, description="The node's name in the traces.")
    authorization: Secret | None = Field(
        None, description="Where the Authorization header's value is: file:PATH or env:NAME."
    )
    hide_uids: bool = Field(False, description="Send a digest in the place of each Study Instance UID.")
    patience_hours: float = Field(
        24.0, gt=0, description="Work that has not come to rest after this is sent as it stands."
    )
