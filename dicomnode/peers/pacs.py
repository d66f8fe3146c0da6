"""A PACS of the settings, ready to be asked."""

from __future__ import annotations

from dicomnode.errors import SettingsError
from dicomnode.peers.asking import Pacs
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.dicomweb import DicomWebPeer
from dicomnode.peers.dicomweb_pacs import DicomWebPacs
from dicomnode.peers.dimse_pacs import DimsePacs
from dicomnode.peers.http import WebAccess
from dicomnode.security.tls import client_context
from dicomnode.settings import PacsSettings


def open_pacs(settings: PacsSettings, calling_ae_title: str) -> Pacs:
    """A client of one PACS; close it, or use it as a context. Nothing is asked yet.

    Args:
        settings: Where it is, and how it is asked.
        calling_ae_title: The node's own AE title; what a PACS moves goes there.

    Raises:
        SettingsError: The settings name neither a url nor an application entity, or a certificate that is not there.
    """
    fetched_by, what = settings.fetched_by, f"pacs.{settings.name}"
    if settings.url is not None:
        access = WebAccess.of(what, settings.tls, settings.authorization)
        return DicomWebPacs(DicomWebPeer(settings.url, settings.timeout_seconds, access), fetched_by == "wado")
    if settings.host is None or settings.port is None or settings.ae_title is None or fetched_by == "wado":
        raise SettingsError(f"pacs {settings.name}: give either url, or all of ae_title, host and port")
    tls = client_context(settings.tls, f"{what}.tls")
    peer = DimsePeer(settings.host, settings.port, settings.ae_title, calling_ae_title, settings.timeout_seconds, tls)
    return DimsePacs(peer, fetched_by)
