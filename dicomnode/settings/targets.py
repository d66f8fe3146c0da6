"""Where answers go, what is polled, and which study is whose business."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from dicomnode.settings.section import AETitle, Name, Port, Secret, Section
from dicomnode.settings.tls import TlsClientSettings


class OutcomeSwitches(Section):
    """Which answers beside findings and no findings a target wants, and which documents of an answer."""

    out_of_scope: bool = Field(True, description="Send the SR that says: not what the model is made for.")
    refused: bool = Field(True, description="Send the SR that says: the images cannot be trusted.")
    failed: bool = Field(True, description="Send the SR that says: processing failed.")
    heat_map: bool = Field(True, description="Send heat maps: fractional segmentations, which not every viewer draws.")
    attention: bool = Field(True, description="Send the SR with boxes of what a network looked at closely.")
    presentation_state: bool = Field(
        True, description="Send presentation states that draw the findings over mammograms and radiographs."
    )
    picture: bool = Field(
        True, description="Send pictures of mammograms and radiographs with the findings burnt in (Secondary Capture)."
    )


class TargetSettings(Section):
    """A system that results are sent to: by C-STORE (host, port, ae_title) or by STOW-RS (url)."""

    name: str = Field(description="Short name, used in traces.", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    ae_title: AETitle | None = Field(None, description="Called AE title, for C-STORE.")
    host: str | None = Field(None, description="Address, for C-STORE.")
    port: Port | None = Field(None, description="Port, for C-STORE.")
    url: str | None = Field(None, description="DICOMweb base URL, for STOW-RS.", pattern=r"^https?://")
    timeout_seconds: float = Field(30.0, gt=0, description="For connecting and for each answer.")
    connections: int = Field(4, ge=1, le=32, description="Associations, or connections by HTTP, at once.")
    deflate: bool = Field(False, description="By C-STORE: deflate segmentations where the target takes them so.")
    maximum_backoff_seconds: float = Field(300.0, gt=0, description="Longest pause between two attempts.")
    tls: TlsClientSettings | None = Field(None, description="Speak TLS by DIMSE; certificates for https.")
    authorization: Secret | None = Field(
        None, description="For a url: where the Authorization header's value is: file:PATH or env:NAME."
    )
    proof: Literal["commitment", "read-back", "none"] | None = Field(
        None,
        description="How a delivery is proven: storage commitment, or asking whether it is there; absent: what works.",
    )
    commitment_timeout_seconds: float = Field(
        900.0, gt=0, description="Storage commitment is asked for again if no report came; longer each time."
    )
    pacs: Name | None = Field(
        None, description="Name of the [[pacs]] that is asked for identity before sending and for proof after it."
    )
    identity: Literal["stop", "follow"] = Field(
        "stop",
        description="Where the pacs tells another patient or accession number: hold the object, or write it anew.",
    )
    absent_study: Literal["send", "wait"] = Field(
        "send", description="Where the pacs does not hold the study: send all the same, or wait until it does."
    )
    fallback: bool = Field(
        True, description="Send an older kind of object where the target does not take the newer one."
    )
    rejection_note: Literal["also", "only", "never"] = Field(
        "also",
        description="What a recall sends: a rejection note (IHE IOCM) beside a report that supersedes, or one of them.",
    )
    send: OutcomeSwitches = Field(default_factory=lambda: OutcomeSwitches.model_validate({}))

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        dimse = (self.ae_title, self.host, self.port)
        if self.url is None and None in dimse:
            raise ValueError(f"target {self.name}: give either url, or all of ae_title, host and port")
        if self.url is not None and dimse != (None, None, None):
            raise ValueError(f"target {self.name}: give url or ae_title, host and port, not both")
        return self


class PollerSettings(Section):
    """A PACS that is asked for new studies by QIDO-RS and read by WADO-RS."""

    name: str = Field(description="Short name, used in traces.", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    url: str = Field(description="DICOMweb base URL.", pattern=r"^https?://")
    interval_seconds: float = Field(30.0, gt=0, description="Pause between two rounds.")
    modality: tuple[str, ...] = Field((), description="Modalities in Study; empty means all.")
    days_back: int = Field(1, ge=0, description="Study Date window: today and this many days before.")
    filters: dict[str, str] = Field(
        default_factory=dict, description="Further QIDO-RS matches: keyword or tag = value."
    )
    page_size: int = Field(100, ge=1, le=5000, description="Studies asked for at once.")
    called_ae_title: AETitle | None = Field(None, description="Route studies as if sent to this AE title.")
    maximum_backoff_seconds: float = Field(300.0, gt=0, description="Longest pause while the PACS is away.")
    tls: TlsClientSettings | None = Field(None, description="Certificates for https; absent: the system's authorities.")
    authorization: Secret | None = Field(
        None, description="Where the Authorization header's value is: file:PATH or env:NAME."
    )


class RuleSettings(Section):
    """Which studies ask for which model, and where its answers go. Empty conditions match everything."""

    model: str = Field(description="Bundle name, or * for every deployed model.")
    called_ae_title: AETitle | None = Field(None, description="Studies sent to this AE title.")
    calling_ae_title: AETitle | None = Field(None, description="Studies sent by this AE title.")
    modality: tuple[str, ...] = Field((), description="Modalities of the series.")
    targets: tuple[str, ...] | None = Field(None, description="Names of targets; absent means all of them.")
    priority: Literal["stat", "routine"] = Field(
        "routine",
        description="stat: before routine studies; of several rules the most urgent one counts.",
    )
