"""An association with a peer as a context manager, and one clear sentence when there is none."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomnode.errors import PeerRefusedError, PeerUnavailableError
from dicomnode.security.tls import handshake_failure

SOP_CLASS_NOT_SUPPORTED = 0x0122
MAXIMUM_CONTEXTS = 128  # odd numbers below 256, PS3.8 9.3.2.2


@dataclass(frozen=True, slots=True)
class DimsePeer:
    """Another application entity and how the node calls it.

    Attributes:
        host: Name or address.
        port: TCP port.
        ae_title: Called AE title.
        calling_ae_title: The node's own.
        timeout: For connecting and for each answer, in seconds.
        tls: How it is called by TLS (`security.tls.client_context`); None calls it in the clear.
    """

    host: str
    port: int
    ae_title: str
    calling_ae_title: str
    timeout: float
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


Handler = tuple[evt.EventType, Callable[[evt.Event], Any]]


@contextmanager
def associated(
    peer: DimsePeer,
    contexts: Sequence[PresentationContext],
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    handlers: Sequence[Handler] = (),
) -> Iterator[Association]:
    """Open an association, release it at the end, abort it on an error.

    Args:
        peer: Whom to call.
        contexts: What to propose, 128 at most.
        roles: Classes for which the node offers to be the SCP (PS3.7 D.3.3.4).
        handlers: Called for events of the association.

    Raises:
        PeerUnavailableError: Nothing listens, the peer rejected the association or did not answer.
        PeerRefusedError: The peer accepted none of the presentation contexts.
    """
    association, connected = _associate(peer, contexts, roles, handlers)
    if not association.is_established:
        _raise_reason(peer, association, connected)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def _associate(
    peer: DimsePeer,
    contexts: Sequence[PresentationContext],
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation],
    handlers: Sequence[Handler],
) -> tuple[Association, bool]:
    entity = AE(ae_title=peer.calling_ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = peer.timeout
    entity.network_timeout = peer.timeout
    opened: list[bool] = []

    def on_open(event: evt.Event) -> None:
        opened.append(True)
        # Nagle's algorithm and delayed acknowledgements cost 40 ms a message between them
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    try:
        association = entity.associate(
            peer.host,
            peer.port,
            contexts=list(contexts),
            ae_title=peer.ae_title,
            ext_neg=list(roles),
            evt_handlers=[(evt.EVT_CONN_OPEN, on_open), *handlers],
            tls_args=None if peer.tls is None else (peer.tls, peer.host),
        )
    except OSError as error:
        raise PeerUnavailableError(f"{peer}: {error.strerror or error}") from error
    return association, bool(opened)


def _raise_reason(peer: DimsePeer, association: Association, connected: bool) -> None:
    if not connected:
        raise PeerUnavailableError(f"{peer}: {_why_not_connected(peer)}")
    if association.is_rejected:
        answer = association.acceptor.primitive
        raise PeerUnavailableError(f"{peer}: association {answer.result_str.lower()}: {answer.reason_str}")
    if association.rejected_contexts:
        names = sorted({context.abstract_syntax.name for context in association.rejected_contexts})
        raise PeerRefusedError(f"{peer}: does not accept {', '.join(names)}", SOP_CLASS_NOT_SUPPORTED)
    doubt = "" if peer.tls is None else "; it may not accept the node's certificate"
    raise PeerUnavailableError(f"{peer}: connected, but no answer to the association request, or it was aborted{doubt}")


def _why_not_connected(peer: DimsePeer) -> str:
    if peer.tls is not None:
        # pynetdicom keeps the reason to itself: a handshake is tried again
        with suppress(OSError):
            failure = handshake_failure(peer.tls, peer.host, peer.port, peer.timeout)
            return f"no TLS: {failure or 'the handshake failed once'}"
    return "cannot connect; nothing listens there, or a firewall is in the way"
