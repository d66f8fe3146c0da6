"""Who calls: what pynetdicom, TLS and the resolver know of the sender of an association request."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from dicomnode.intake.admission import Address, Caller, plain_addresses
from dicomnode.intake.handshake import peer_names
from dicomnode.intake.negotiation import service_of


def caller_of(association: Any) -> Caller:
    """What an association request shows of its sender."""
    request = association.requestor.primitive
    names = peer_names(association)
    return Caller(
        request.calling_ae_title.strip(),
        request.called_ae_title.strip(),
        association.requestor.address,
        any(service_of(str(cx.abstract_syntax)) == "store" for cx in request.presentation_context_definition_list),
        names is not None,
        names or (),
    )


def addresses_of(host: str) -> frozenset[Address]:
    """Addresses of a host name; none if nobody knows it."""
    with suppress(OSError, UnicodeError):
        return plain_addresses(str(found[4][0]) for found in socket.getaddrinfo(host, None))
    return frozenset()
