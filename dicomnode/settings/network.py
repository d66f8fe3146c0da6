"""Who the node listens to and whom it asks."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Literal, Self

from pydantic import Field, model_validator

from dicomnode.settings.section import AETitle, Name, Port, Secret, Section
from dicomnode.settings.tls import TlsClientSettings, TlsServerSettings

Service = Literal["echo", "store", "find", "move", "commit"]


class ReceiveSettings(Section):
    """The DIMSE listener."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: Port = Field(11112, description="TCP port; 0 chooses a free one.")
    engine: Literal["own", "pynetdicom"] = Field(
        "own", description="What speaks the upper layer: the node's own, or pynetdicom, several times slower."
    )
    processes: int = Field(1, ge=1, le=16, description="Processes that share the port; 1 with engine = pynetdicom.")
    maximum_pdu_bytes: int = Field(131072, ge=4096, description="Largest PDU that the node accepts.")
    maximum_instance_bytes: int = Field(4 * 1024**3, ge=1024, description="Largest instance.")
    maximum_associations: int = Field(32, ge=1, description="Associations at once; more are rejected for now.")
    network_timeout_seconds: float = Field(60.0, gt=0, description="A silent association is aborted after this.")
    idle_timeout_seconds: float = Field(
        300.0, gt=0, description="An association that stores nothing is aborted after this."
    )
    require_called_ae_title: bool = Field(
        False, description="Refuse calls to an AE title that is neither the node's own nor named in a rule."
    )
    accept_unknown_peers: bool = Field(
        False, description="Let anybody echo and store. Only for a listener that nobody else can reach."
    )
    tls: TlsServerSettings = Field(
        default_factory=lambda: TlsServerSettings.model_validate({}), description="TLS of the listener."
    )

    @model_validator(mode="after")
    def _one_process(self) -> Self:
        if self.processes > 1 and self.engine == "pynetdicom":
            raise ValueError("receive: more than one of processes goes with engine = own")
        return self


class PeerSettings(Section):
    """An application entity that may call the node."""

    name: Name = Field(description="Short name, used in logs and audit.")
    ae_title: AETitle = Field(description="AE title that it calls itself by.")
    addresses: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Addresses or networks that it calls from; empty means any."
    )
    may: tuple[Service, ...] = Field(("echo", "store"), description="What it may do: echo, store, find, move, commit.")
    require_tls: bool = Field(False, description="Refuse it in the clear.")
    certificate_name: str | None = Field(None, description="Name that its client certificate must bear.")
    maximum_associations: int | None = Field(None, ge=1, description="Of it at once; more are rejected for now.")
    maximum_gib_per_day: float | None = Field(
        None, gt=0, description="More is refused for now until the next day (UTC)."
    )


class PacsSettings(Section):
    """An archive that can be asked what it holds, and from which the node may fetch."""

    name: Name = Field(description="Short name, used in traces.")
    url: str | None = Field(
        None, description="DICOMweb base URL, to ask by QIDO-RS and WADO-RS.", pattern=r"^https?://"
    )
    ae_title: AETitle | None = Field(None, description="Called AE title, to ask by C-FIND.")
    host: str | None = Field(None, description="Its address.")
    port: Port | None = Field(None, description="Its port.")
    retrieve: Literal["wado", "c-get", "c-move", "none"] | None = Field(
        None, description="How the node fetches: absent means wado with a url, c-get without."
    )
    timeout_seconds: float = Field(30.0, gt=0, description="For connecting and for each answer.")
    tls: TlsClientSettings | None = Field(None, description="Speak TLS by DIMSE; certificates for https.")
    authorization: Secret | None = Field(
        None, description="For a url: where the Authorization header's value is: file:PATH or env:NAME."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        dimse = (self.ae_title, self.host, self.port)
        if (self.url is None) == (dimse == (None, None, None)) or (self.url is None and None in dimse):
            raise ValueError(f"pacs {self.name}: give either url, or all of ae_title, host and port")
        if (self.retrieve == "wado" and self.url is None) or (self.retrieve in ("c-get", "c-move") and self.url):
            raise ValueError(f"pacs {self.name}: retrieve = wado goes with url, c-get and c-move with ae_title")
        return self

    @property
    def fetched_by(self) -> Literal["wado", "c-get", "c-move", "none"]:
        """How the node fetches from it."""
        return self.retrieve or ("c-get" if self.url is None else "wado")
