"""The listener: C-STORE and C-ECHO (PS3.4 annexes A and B)."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from weakref import WeakKeyDictionary

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, valid_uid
from dicomnode.errors import ArchiveError, DicomNodeError, NotDicomError, SettingsError
from dicomnode.intake.handshake import Handshakes
from dicomnode.intake.negotiation import acceptable_contexts, storage_by_negotiation
from dicomnode.intake.sending import Sending
from dicomnode.intake.statuses import answer_to
from dicomnode.intake.storing import Announced, require_content, store_stream
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
    archive.associations.close_dead(clock())
    recovered = archive.instances.recover(Origin(Way.RECOVERED), clock())
    if recovered:
        _LOG.warning("indexed %d instances that a killed process had stored but not indexed", recovered)
    listener = Listener(settings, archive, clock)
    entity = _entity(settings)
    address = (settings.receive.host, settings.receive.port)
    try:
        tls = server_context(settings.receive.tls, "receive.tls")
        server = entity.start_server(address, block=False, evt_handlers=listener.handlers(), ssl_context=tls)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {address[0]} port {address[1]} ({error.strerror}): change receive.host or receive.port"
        ) from error
    ready(server.server_address[1])
    stop.wait()
    entity.shutdown()


def _entity(settings: Settings) -> Any:
    receive = settings.receive
    entity = AE(settings.node.ae_title)
    entity.maximum_pdu_size = receive.maximum_pdu_bytes
    entity.maximum_associations = receive.maximum_associations
    entity.network_timeout = receive.network_timeout_seconds
    entity.acse_timeout = receive.network_timeout_seconds
    entity.dimse_timeout = receive.network_timeout_seconds
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.require_called_aet = receive.require_called_ae_title
    entity.add_supported_context(Verification)  # the rest is decided when an association is requested
    return entity


class Listener:
    """Answers to the events of associations; one thread of pynetdicom per association calls it."""

    def __init__(self, settings: Settings, archive: Archive, clock: Clock) -> None:
        self._archive = archive
        self._clock = clock
        rules = {rule.called_ae_title for rule in settings.rules if rule.called_ae_title}
        self._own_titles = {settings.node.ae_title.strip()} | {title.strip() for title in rules}
        self._associations: WeakKeyDictionary[Any, Sending] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def handlers(self) -> list[tuple[Any, Callable[[Any], Any]]]:
        """Events and what is called for each."""
        return [
            (evt.EVT_CONN_OPEN, Handshakes(self.on_refused_handshake).on_connection),
            (evt.EVT_CONN_OPEN, self.on_connection),
            (evt.EVT_REQUESTED, self.on_request),
            (evt.EVT_SOP_COMMON, self.on_sop_classes),
            (evt.EVT_DATA_RECV, self.on_data),
            (evt.EVT_C_STORE, self.on_store),
            (evt.EVT_C_ECHO, self.on_echo),
            (evt.EVT_CONN_CLOSE, self.on_close),
        ]

    def on_connection(self, event: Any) -> None:
        """Answer without waiting for more to send (Nagle's algorithm)."""
        _set_tcp(event.assoc, socket.TCP_NODELAY)

    def on_refused_handshake(self, address: str, reason: str) -> None:
        """Keep it for the administrator."""

    def on_data(self, event: Any) -> None:
        """Acknowledge at once: senders that left Nagle's algorithm on wait for it. Linux forgets this setting."""
        _set_tcp(event.assoc, socket.TCP_QUICKACK)

    def on_request(self, event: Any) -> None:
        """Decide what this association may do."""
        association = event.assoc
        request = association.requestor.primitive
        association.acceptor.supported_contexts = acceptable_contexts(request.presentation_context_definition_list)
        if request.called_ae_title.strip() in self._own_titles:
            # pynetdicom knows one title of its own; a rule's title is as good.
            association.acceptor.ae_title = request.called_ae_title

    def on_sop_classes(self, event: Any) -> Any:
        """Have private SOP classes handled as storage."""
        request = event.assoc.requestor.primitive
        return storage_by_negotiation(str(cx.abstract_syntax) for cx in request.presentation_context_definition_list)

    def on_echo(self, _event: Any) -> int:
        """Say that the node is here."""
        return 0x0000

    def on_store(self, event: Any) -> int | Dataset:
        """Keep an instance; success means that it survives a power cut."""
        request = event.request
        try:
            self._store(event)
        except (DicomNodeError, OSError) as error:
            answer = answer_to(error)
            calling = event.assoc.requestor.ae_title
            uid = request.AffectedSOPInstanceUID
            # Both names are the sender's own words: %r keeps line breaks out of the log.
            _LOG.warning("instance %r from %r refused with 0x%04X: %s", str(uid), calling, answer.dimse_status, error)
            response = Dataset()
            response.Status = answer.dimse_status
            response.ErrorComment = answer.comment
            return response
        return 0x0000

    def on_close(self, event: Any) -> None:
        """Let completion know that nothing more comes this way.

        An instance may still be on its way to the disk in the association's own thread, so its sending is kept
        for as long as pynetdicom keeps the association.
        """
        with suppress(ArchiveError):  # a restart closes it, and the deadline does so in any case
            self._sending(event.assoc).close()

    def _store(self, event: Any) -> None:
        request, context, association = event.request, event.context, event.assoc
        data: BytesIO | None = request.DataSet
        content = data.getbuffer() if data is not None else memoryview(b"")
        require_content(len(content))
        sop_class_uid, sop_instance_uid = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        for uid in (sop_class_uid, sop_instance_uid):
            if not valid_uid(uid):
                raise NotDicomError("the request's SOP Class or Instance UID is not a UID (PS3.5 9.1)")
        calling, called = (
            association.requestor.primitive.calling_ae_title,
            association.requestor.primitive.called_ae_title,
        )
        head = part10_preamble(sop_class_uid, sop_instance_uid, str(context.transfer_syntax), calling)
        origin = Origin(Way.C_STORE, calling.strip(), called.strip(), association.requestor.address)
        store_stream(
            self._archive,
            (head, content),
            origin,
            self._clock(),
            Announced(sop_instance_uid, sop_class_uid),
            lambda header: self._sending(association).touch(header.study_instance_uid),
        )

    def _sending(self, association: Any) -> Sending:
        with self._guard:
            return self._associations.setdefault(association, Sending(self._archive, self._clock))


def _set_tcp(association: Any, option: int) -> None:
    with suppress(OSError, AttributeError):  # the peer may be gone already
        association.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, option, 1)
