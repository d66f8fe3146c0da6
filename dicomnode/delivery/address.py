"""Where a target is."""

from __future__ import annotations

from dicomnode.peers.association import DimsePeer
from dicomnode.security.tls import client_context
from dicomnode.settings import TargetSettings


def address_of(target: TargetSettings, calling_ae_title: str) -> DimsePeer | str:
    """A target's application entity, or its URL.

    Raises:
        SettingsError: Its certificates cannot be read.
    """
    if target.url is not None:
        return target.url
    if target.host is None or target.port is None or target.ae_title is None:
        raise ValueError(f"target {target.name} has neither url nor address")
    tls = client_context(target.tls, f"targets.{target.name}.tls")
    return DimsePeer(target.host, target.port, target.ae_title, calling_ae_title, target.timeout_seconds, tls)
