"""The listener: C-STORE, C-ECHO and storage commitment reports (PS3.4 annexes A, B and J)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.errors import SettingsError
from dicomnode.intake.doorkeeper import Doorkeeper
from dicomnode.intake.stock_engine import StockEngine
from dicomnode.intake.upper_layer.engine import OwnEngine, listening_socket
from dicomnode.security.tls import server_context
from dicomnode.settings import Settings

_LOG = logging.getLogger(__name__)
Clock = Callable[[], datetime]


def serve_dimse(
    settings: Settings,
    archive: Archive,
    stop: threading.Event,
    ready: Callable[[int], None],
    clock: Clock = lambda: datetime.now(UTC),
) -> None:
    """Listen for associations until `stop` is set.

    First puts right what a killed predecessor left.

    Args:
        settings: Host, port and limits.
        archive: Where instances go.
        stop: Ends the listener; open associations are aborted, what they were answered for is safe.
        ready: Called with the port once associations are accepted.
        clock: Present time.

    Raises:
        SettingsError: The address cannot be listened on.
    """
    if not settings.storage.durable:
        _LOG.warning("storage.durable = false: a power cut loses instances that senders were told are safe")
    recovered = archive.instances.recover(Origin(Way.RECOVERED), clock())
    if recovered:
        _LOG.warning("indexed %d instances that a killed process had stored but not indexed", recovered)
    archive.associations.close_dead(clock())
    doorkeeper = Doorkeeper(settings, archive, clock)
    receive = settings.receive
    try:
        engine = _engine(settings, doorkeeper)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {receive.host} port {receive.port} ({error.strerror}): "
            "change receive.host or receive.port"
        ) from error
    with doorkeeper.beside(stop):
        ready(engine.port)
        stop.wait()
        engine.close()


class _Engine(Protocol):
    """What speaks the upper layer (PS3.8)."""

    @property
    def port(self) -> int:
        """That it listens on."""

    def close(self) -> None:
        """Stop listening, abort what is open."""


def _engine(settings: Settings, doorkeeper: Doorkeeper) -> _Engine:
    receive = settings.receive
    tls = server_context(receive.tls, "receive.tls")
    if receive.engine == "pynetdicom":
        return StockEngine(settings, doorkeeper, tls)
    return OwnEngine(settings, doorkeeper, tls, listening_socket(receive.host, receive.port))
