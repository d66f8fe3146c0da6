"""Does a system of the settings answer: C-ECHO, or a question that costs it nothing, by DICOMweb or C-FIND."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.errors import DicomNodeError, NotFoundError, PeerError, describe
from dicomnode.peers.dicomweb import DicomWebPeer
from dicomnode.peers.echo import echo
from dicomnode.peers.http import WebAccess
from dicomnode.peers.pacs import open_pacs
from dicomnode.security.tls import client_context
from dicomnode.settings import PacsSettings, PollerSettings, Settings, TargetSettings, shown_url

_NO_STUDY = "1.2.840.10008.1.1"  # a UID that no study has: asking for it costs a PACS nothing
_LONGEST_WAIT = 10.0


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Item = TypeVar("Item", bound=_Named)


def peers_of(settings: Settings) -> list[tuple[PeerKind, str]]:
    """Every system that can be asked, in the order of the settings."""
    targets = [(PeerKind.TARGET, item.name) for item in settings.targets]
    pacs = [(PeerKind.PACS, item.name) for item in settings.pacs]
    return [*targets, *pacs, *((PeerKind.POLLER, item.name) for item in settings.pollers)]


def knock(kind: PeerKind, name: str, settings: Settings, now: datetime) -> Echo:
    """Ask a system whether it answers, and tell how that went.

    Args:
        kind: What the node has to do with it.
        name: As in the settings.
        settings: Where it is.
        now: Present time.

    Raises:
        NotFoundError: The settings name no such system.
    """
    if (kind, name) not in peers_of(settings):
        raise NotFoundError(f"the settings name no {kind} {name}")
    start = time.monotonic()
    try:
        words, good = _ask(kind, name, settings), True
    except (DicomNodeError, OSError) as error:
        words, good = describe(error), False
    return Echo(kind, name, now, good, words, round(1000 * (time.monotonic() - start)))


def _ask(kind: PeerKind, name: str, settings: Settings) -> str:
    if kind is PeerKind.TARGET:
        return ask_target(_named(settings.targets, name), settings)
    if kind is PeerKind.PACS:
        return ask_pacs(_named(settings.pacs, name), settings)
    return ask_poller(_named(settings.pollers, name))


def _named(items: Iterable[Item], name: str) -> Item:
    return next(item for item in items if item.name == name)


def ask_target(target: TargetSettings, settings: Settings) -> str:
    """By C-ECHO, or one search of a DICOMweb server; what it said.

    Raises:
        PeerError: It does not answer as it should.
        SettingsError: A file that the settings name cannot be used.
    """
    wait = min(target.timeout_seconds, _LONGEST_WAIT)
    what = f"targets.{target.name}"
    if target.host is None or target.port is None or target.ae_title is None:
        with DicomWebPeer(str(target.url), wait, WebAccess.of(what, target.tls, target.authorization)) as peer:
            peer.health()
        return f"{shown_url(str(target.url))}: answered"
    tls = client_context(target.tls, f"{what}.tls")
    result = echo(target.host, target.port, target.ae_title, settings.node.ae_title, wait, tls)
    if not result.answered:
        raise PeerError(f"{result.text}: check that it runs, its address, and that it knows the node's AE title")
    return result.text


def ask_pacs(pacs: PacsSettings, settings: Settings) -> str:
    """By a question about a study that nobody has.

    Raises:
        PeerError: It does not answer as it should.
        SettingsError: A file that the settings name cannot be used.
    """
    quick = pacs.model_copy(update={"timeout_seconds": min(pacs.timeout_seconds, _LONGEST_WAIT)})
    with open_pacs(quick, settings.node.ae_title) as peer:
        peer.study(_NO_STUDY)
    return "answers questions"


def ask_poller(poller: PollerSettings) -> str:
    """By one search.

    Raises:
        PeerError: It does not answer as it should.
        SettingsError: A file that the settings name cannot be used.
    """
    access = WebAccess.of(f"pollers.{poller.name}", poller.tls, poller.authorization)
    with DicomWebPeer(poller.url, _LONGEST_WAIT, access) as peer:
        peer.health()
    return f"{shown_url(poller.url)}: answered"
