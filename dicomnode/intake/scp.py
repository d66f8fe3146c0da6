"""The listener: C-STORE, C-ECHO and storage commitment reports (PS3.4 annexes A, B and J)."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from weakref import WeakKeyDictionary

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Stored, StoredStatus, Way
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, valid_uid
from dicomnode.errors import ArchiveError, ConflictError, DicomNodeError, NotDicomError, SettingsError, describe
from dicomnode.intake.admission import (
    CONGESTION,
    UNKNOWN,
    Admitted,
    Caller,
    Load,
    Peer,
    Rejected,
    admit,
    hosts_to_ask,
    over_quota,
    rules_of,
)
from dicomnode.intake.alerts import Alerts
from dicomnode.intake.callers import addresses_of, caller_of
from dicomnode.intake.handshake import Handshakes
from dicomnode.intake.negotiation import acceptable_contexts, storage_by_negotiation
from dicomnode.intake.sending import Sending
from dicomnode.intake.statuses import QuotaError, answer_to
from dicomnode.intake.storing import Announced, require_content, store_stream
from dicomnode.intake.tallying import Tallies
from dicomnode.intake.watch import Patience, Watch
from dicomnode.peers.commitment import answer_report
from dicomnode.peers.commitment_reports import write_report
from dicomnode.security.tls import server_context
from dicomnode.settings import Settings

_LOG = logging.getLogger(__name__)
_NO_LIMIT = 1 << 30
_GRACE_SECONDS = 5.0
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
    with listener.beside(stop):
        ready(server.server_address[1])
        stop.wait()
        entity.shutdown()


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


class Listener:
    """Answers to the events of associations; one thread of pynetdicom per association calls it."""

    def __init__(self, settings: Settings, archive: Archive, clock: Clock) -> None:
        self._archive = archive
        self._clock = clock
        self._rules = rules_of(settings)
        self._tallies = Tallies(archive.tallies, clock)
        self._alerts = Alerts(archive.audit, clock)
        receive = settings.receive
        patience = Patience(
            receive.network_timeout_seconds, receive.idle_timeout_seconds, receive.maximum_instance_bytes
        )
        self._watch = Watch(patience, lambda peer: self._tallies.count(peer, dropped=1))
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
            (evt.EVT_N_EVENT_REPORT, self.on_report),
            (evt.EVT_CONN_CLOSE, self.on_close),
        ]

    @contextmanager
    def beside(self, stop: threading.Event) -> Iterator[None]:
        """Run what runs beside the associations, until stopped; on leaving, what they counted is written."""
        self._tallies.flush()  # what was sent earlier today counts from the first association on
        parts = (self._watch.run, self._tallies.run)
        threads = [threading.Thread(target=part, args=(stop,), daemon=True) for part in parts]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join(_GRACE_SECONDS)

    def on_connection(self, event: Any) -> None:
        """Answer without waiting for more to send (Nagle's algorithm)."""
        self._watch.opened(event.assoc)
        _set_tcp(event.assoc, socket.TCP_NODELAY)

    def on_refused_handshake(self, address: str, reason: str) -> None:
        """Keep it for the administrator."""
        self._tallies.count(UNKNOWN, rejected=1)
        self._alerts.tell(UNKNOWN, address, f"TLS handshake with {address} failed: {reason}")

    def on_data(self, event: Any) -> None:
        """Acknowledge at once: senders that left Nagle's algorithm on wait for it. Linux forgets this setting."""
        self._watch.came(event.assoc, len(event.data))
        _set_tcp(event.assoc, socket.TCP_QUICKACK)

    def on_request(self, event: Any) -> None:
        """Decide whether this association may be, and what it may do."""
        association = event.assoc
        # pynetdicom goes on after a handler that failed: until all is decided, nothing is accepted.
        association.acceptor.supported_contexts = []
        requested = association.requestor.primitive.presentation_context_definition_list
        caller = caller_of(association)
        try:
            decision = self._decide(association, caller)
        except (DicomNodeError, OSError) as error:
            decision = Rejected(*CONGESTION, f"whether it may be cannot be told: {describe(error)}")
        if isinstance(decision, Rejected):
            self._reject(association, caller, decision)
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
        return answer_report(event, lambda report: write_report(self._archive, report, self._clock)), None

    def on_store(self, event: Any) -> int | Dataset:
        """Keep an instance; success means that it survives a power cut."""
        request = event.request
        with self._watch.at_work(event.assoc) as peer:
            try:
                stored, size = self._store(event, peer)
            except (DicomNodeError, OSError) as error:
                self._tallies.count(peer.name, **{"conflicts" if isinstance(error, ConflictError) else "refused": 1})
                answer = answer_to(error)
                calling = event.assoc.requestor.ae_title
                uid = request.AffectedSOPInstanceUID
                # Both names are the sender's own words: %r keeps line breaks out of the log.
                _LOG.warning(
                    "instance %r from %r refused with 0x%04X: %s", str(uid), calling, answer.dimse_status, error
                )
                response = Dataset()
                response.Status = answer.dimse_status
                response.ErrorComment = answer.comment
                return response
            again = stored.status is StoredStatus.DUPLICATE
            self._tallies.count(peer.name, size=size, instances=1, duplicates=int(again))
        return 0x0000

    def on_close(self, event: Any) -> None:
        """Let completion know that nothing more comes this way.

        An instance may still be on its way to the disk in the association's own thread, so its sending is kept
        for as long as pynetdicom keeps the association.
        """
        self._watch.closed(event.assoc)
        with suppress(ArchiveError):  # a restart closes it, and the deadline does so in any case
            self._sending(event.assoc).close()

    def _store(self, event: Any, peer: Peer) -> tuple[Stored, int]:
        quota = over_quota(peer, self._tallies.bytes_today(peer.name))
        if quota:
            raise QuotaError(quota)
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
        stored = store_stream(
            self._archive,
            (head, content),
            origin,
            self._clock(),
            Announced(sop_instance_uid, sop_class_uid),
            lambda header: self._sending(association).touch(header.study_instance_uid),
        )
        self._sending(association).kept(stored.instance, origin)
        return stored, len(head) + len(content)

    def _decide(self, association: Any, caller: Caller) -> Admitted | Rejected:
        addresses = {host: addresses_of(host) for host in hosts_to_ask(caller.ae_title, self._rules)}
        no_space = self._archive.space.look().refusal
        with self._guard:  # two that come at once must not both be the last that there is room for
            load = Load(self._watch.counts(), self._tallies.today(), no_space)
            decision = admit(caller, self._rules, load, addresses)
            if isinstance(decision, Admitted):
                self._watch.admitted(association, decision.peer)
        return decision

    def _reject(self, association: Any, caller: Caller, rejected: Rejected) -> None:
        _LOG.warning("association of %r from %s rejected: %s", caller.ae_title, caller.address, rejected.reason)
        self._tallies.count(rejected.peer, rejected=1)
        if rejected.alert:
            text = f"association from {caller.address} rejected: {rejected.reason}"
            self._alerts.tell(rejected.peer, caller.address, text)
        association.acse.send_reject(rejected.result, rejected.source, rejected.diagnostic)
        association.kill()

    def _sending(self, association: Any) -> Sending:
        with self._guard:
            return self._associations.setdefault(association, Sending(self._archive, self._clock))


def _set_tcp(association: Any, option: int) -> None:
    with suppress(OSError, AttributeError):  # the peer may be gone already
        association.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, option, 1)
