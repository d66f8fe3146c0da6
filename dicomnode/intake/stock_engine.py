"""The listener as pynetdicom runs it: its events, answered by the doorkeeper; two threads per association."""

from __future__ import annotations

import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomnode.intake.admission import Rejected
from dicomnode.intake.arriving import StoreRequest
from dicomnode.intake.callers import caller_of
from dicomnode.intake.doorkeeper import Doorkeeper, Visit
from dicomnode.intake.handshake import Handshakes
from dicomnode.intake.negotiation import acceptable_contexts, storage_by_negotiation
from dicomnode.intake.watch import end_connection
from dicomnode.peers.commitment import answer_report
from dicomnode.settings import Settings

_NO_LIMIT = 1 << 30
_A_RELEASE_RQ = b"\x05"  # PDU-type, PS3.8 9.3.6


class StockEngine:
    """Accepts associations from its making until closed.

    Args:
        settings: Host, port and limits.
        doorkeeper: Decides and keeps.
        tls: None in the clear.

    Raises:
        OSError: The address cannot be listened on.
    """

    def __init__(self, settings: Settings, doorkeeper: Doorkeeper, tls: ssl.SSLContext | None) -> None:
        self._entity = _entity(settings)
        address = (settings.receive.host, settings.receive.port)
        handlers = _Events(doorkeeper).handlers()
        server = self._entity.start_server(address, block=False, evt_handlers=handlers, ssl_context=tls)
        self.port = int(server.server_address[1])

    def close(self) -> None:
        """Stop listening; associations that are open are aborted."""
        self._entity.shutdown()


def _entity(settings: Settings) -> Any:
    receive = settings.receive
    entity = AE(settings.node.ae_title)
    entity.maximum_pdu_size = receive.maximum_pdu_bytes
    entity.maximum_associations = _NO_LIMIT  # `admit` counts
    entity.network_timeout = receive.network_timeout_seconds
    entity.acse_timeout = receive.network_timeout_seconds
    entity.dimse_timeout = receive.network_timeout_seconds
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.add_supported_context(Verification)  # the rest is decided when an association is requested
    return entity


class _AssociationLink:
    """pynetdicom's association, for the watch; it does not keep it alive."""

    def __init__(self, association: Any) -> None:
        self.address = str(association.requestor.address)
        self._association = weakref.ref(association)

    def lives(self) -> bool:
        """One that was opened a moment ago has no thread yet; one whose thread ended is gone, told or not."""
        association = self._association()
        return association is not None and (association.ident is None or association.is_alive())

    def end(self) -> None:
        """Its threads then find the connection closed."""
        with suppress(AttributeError):  # it may have closed it already
            end_connection(self._association().dul.socket.socket)  # type: ignore[union-attr]


class _Events:
    """Answers to the events of associations; one thread of pynetdicom per association calls it."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._door = doorkeeper
        self._visits: WeakKeyDictionary[Any, Visit] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def handlers(self) -> list[tuple[Any, Callable[[Any], Any]]]:
        """Events and what is called for each."""
        return [
            (evt.EVT_CONN_OPEN, Handshakes(self._door.refused_handshake).on_connection),
            (evt.EVT_CONN_OPEN, self.on_connection),
            (evt.EVT_REQUESTED, self.on_request),
            (evt.EVT_SOP_COMMON, self.on_sop_classes),
            (evt.EVT_DATA_RECV, self.on_data),
            (evt.EVT_C_STORE, self.on_store),
            (evt.EVT_C_ECHO, self.on_echo),
            (evt.EVT_N_EVENT_REPORT, self.on_report),
            (evt.EVT_CONN_CLOSE, self.on_close),
        ]

    def on_connection(self, event: Any) -> None:
        """Answer without waiting for more to send (Nagle's algorithm)."""
        self._visit(event.assoc)
        _set_tcp(event.assoc, socket.TCP_NODELAY)

    def on_data(self, event: Any) -> None:
        """Acknowledge at once: senders that left Nagle's algorithm on wait for it. Linux forgets this setting."""
        visit = self._visit(event.assoc)
        self._door.watch.came(visit.call, len(event.data))
        if event.data[:1] == _A_RELEASE_RQ:
            self._door.released(visit)  # before the peer can close the connection
        _set_tcp(event.assoc, socket.TCP_QUICKACK)

    def on_request(self, event: Any) -> None:
        """Decide whether this association may be, and what it may do."""
        association = event.assoc
        # pynetdicom goes on after a handler that failed: until all is decided, nothing is accepted.
        association.acceptor.supported_contexts = []
        requested = association.requestor.primitive.presentation_context_definition_list
        decision = self._door.asked(self._visit(association), caller_of(association))
        if isinstance(decision, Rejected):
            association.acse.send_reject(decision.result, decision.source, decision.diagnostic)
            association.kill()
            return
        association.acceptor.supported_contexts = acceptable_contexts(requested, decision.services)

    def on_sop_classes(self, event: Any) -> Any:
        """Have private SOP classes handled as storage."""
        request = event.assoc.requestor.primitive
        return storage_by_negotiation(str(cx.abstract_syntax) for cx in request.presentation_context_definition_list)

    def on_echo(self, _event: Any) -> int:
        """Say that the node is here."""
        return 0x0000

    def on_report(self, event: Any) -> tuple[int, None]:
        """Take a target's word on whether it keeps what was sent to it."""
        return answer_report(event, self._door.reported), None

    def on_store(self, event: Any) -> int | Dataset:
        """Keep an instance, which pynetdicom has whole in memory."""
        visit, message = self._visit(event.assoc), event.request
        uids = (str(message.AffectedSOPClassUID), str(message.AffectedSOPInstanceUID))
        with self._door.watch.at_work(visit.call):
            arrival = self._door.arrival(visit, StoreRequest(*uids, str(event.context.transfer_syntax)))
            if message.DataSet is not None:
                arrival.write(message.DataSet.getbuffer())
            answer = arrival.finish()
        if answer.status == 0x0000:
            return 0x0000
        response = Dataset()
        response.Status, response.ErrorComment = answer.status, answer.comment
        return response

    def on_close(self, event: Any) -> None:
        """Note its end.

        An instance may still be on its way to the disk in the association's own thread, so its visit is kept
        for as long as pynetdicom keeps the association.
        """
        self._door.closed(self._visit(event.assoc))

    def _visit(self, association: Any) -> Visit:
        with self._guard:
            visit = self._visits.get(association)
            if visit is None:
                visit = self._visits[association] = self._door.opened(_AssociationLink(association))
            return visit


def _set_tcp(association: Any, option: int) -> None:
    with suppress(OSError, AttributeError):  # the peer may be gone already
        association.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, option, 1)
