"""A PACS of the settings, ready to be asked."""

from __future__ import annotations

from dicomnode.errors import SettingsError
from dicomnode.peers.asking import Pacs
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.dicomweb import DicomWebPeer
from dicomnode.peers.dicomweb_pacs import DicomWebPacs
from dicomnode.peers.dimse_pacs import DimsePacs
from dicomnode.settings import PacsSettings


def open_pacs(settings: PacsSettings, calling_ae_title: str) -> Pacs:
    """A client of one PACS; close it, or use it as a context. Nothing is asked yet.

    Args:
        settings: Where it is, and how it is asked.
        calling_ae_title: The node's own AE title; what a PACS moves goes there.

    Raises:
        SettingsError: The settings name neither a url nor an application entity.
    """
    fetched_by = settings.fetched_by
    if settings.url is not None:
        return DicomWebPacs(DicomWebPeer(settings.url, settings.timeout_seconds), fetched_by == "wado")
    if settings.host is None or settings.port is None or settings.ae_title is None or fetched_by == "wado":
        raise SettingsError(f"pacs {settings.name}: give either url, or all of ae_title, host and port")
    peer = DimsePeer(settings.host, settings.port, settings.ae_title, calling_ae_title, settings.timeout_seconds)
    return DimsePacs(peer, fetched_by)
