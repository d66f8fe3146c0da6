"""What a service manager is told: systemd's notification protocol (sd_notify(3))."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress

READY = "READY=1"


def tell_service_manager(state: str, environment: Mapping[str, str]) -> bool:
    """Send a state to the socket that the environment names.

    Args:
        state: Such as `READY`.
        environment: Of this process; NOTIFY_SOCKET is set by a service manager that waits for word.

    Returns:
        Whether somebody was told; nobody is waiting where the node was not started as a service.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract name of Linux, unix(7)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect(address)
        channel.sendall(state.encode())
        return True
    return False
