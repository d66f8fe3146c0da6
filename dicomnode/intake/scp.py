"""The listener: C-STORE, C-ECHO and storage commitment reports (PS3.4 annexes A, B and J)."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.errors import SettingsError
from dicomnode.intake.doorkeeper import Doorkeeper
from dicomnode.intake.seats import Seats
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
    recover(settings, archive, clock)
    doorkeeper = Doorkeeper(settings, archive, clock)
    if settings.receive.engine == "pynetdicom":
        try:
            engine: _Engine = StockEngine(settings, doorkeeper, server_context(settings.receive.tls, "receive.tls"))
        except OSError as error:
            raise _cannot_listen(settings, error) from error
        _serve(engine, doorkeeper, stop, ready)
        return
    with bound(settings) as listener:
        _serve(_own_engine(settings, doorkeeper, listener), doorkeeper, stop, ready)


def recover(settings: Settings, archive: Archive, clock: Clock) -> None:
    """Put right what a killed predecessor left, before anybody listens."""
    if not settings.storage.durable:
        _LOG.warning("storage.durable = false: a power cut loses instances that senders were told are safe")
    recovered = archive.instances.recover(Origin(Way.RECOVERED), clock())
    if recovered:
        _LOG.warning("indexed %d instances that a killed process had stored but not indexed", recovered)
    archive.associations.close_dead(clock())


def bound(settings: Settings) -> socket.socket:
    """The socket that the node listens on.

    Raises:
        SettingsError: The address cannot be listened on.
    """
    try:
        return listening_socket(settings.receive.host, settings.receive.port)
    except OSError as error:
        raise _cannot_listen(settings, error) from error


def serve_shared(
    settings: Settings,
    archive: Archive,
    listener: socket.socket,
    seats: Seats,
    stop: threading.Event,
    ready: Callable[[int], None],
    clock: Clock,
) -> None:
    """Listen in one of several processes; the first of them has called `recover` before.

    Args:
        settings: Limits of all processes together.
        archive: Where instances go.
        listener: Shared by the processes.
        seats: As this process uses them.
        stop: Ends the listener.
        ready: Called with the port once associations are accepted.
        clock: Present time.
    """
    doorkeeper = Doorkeeper(settings, archive, clock, seats)
    _serve(_own_engine(settings, doorkeeper, listener), doorkeeper, stop, ready)


class _Engine(Protocol):
    """What speaks the upper layer (PS3.8)."""

    @property
    def port(self) -> int:
        """That it listens on."""

    def close(self) -> None:
        """Stop listening, abort what is open."""


def _own_engine(settings: Settings, doorkeeper: Doorkeeper, listener: socket.socket) -> _Engine:
    return OwnEngine(settings, doorkeeper, server_context(settings.receive.tls, "receive.tls"), listener)


def _serve(engine: _Engine, doorkeeper: Doorkeeper, stop: threading.Event, ready: Callable[[int], None]) -> None:
    with doorkeeper.beside(stop):
        ready(engine.port)
        stop.wait()
        engine.close()


def _cannot_listen(settings: Settings, error: OSError) -> SettingsError:
    receive = settings.receive
    where = f"{receive.host} port {receive.port} ({error.strerror})"
    return SettingsError(f"cannot listen on {where}: change receive.host or receive.port")
