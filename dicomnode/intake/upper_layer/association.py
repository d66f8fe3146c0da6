"""One association, from the connection to its close: events into the state table, actions out of it (PS3.8 9.2)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from dicomnode.errors import describe
from dicomnode.intake.admission import Caller, Rejected
from dicomnode.intake.doorkeeper import Doorkeeper, Visit
from dicomnode.intake.negotiation import service_of
from dicomnode.intake.upper_layer import wire as pdus
from dicomnode.intake.upper_layer.commands import CommandError
from dicomnode.intake.upper_layer.contexts import ACCEPTED, answer_contexts
from dicomnode.intake.upper_layer.messages import Messages
from dicomnode.intake.upper_layer.replies import RELEASE_REPLY, abort, accept, command_pdus, reject
from dicomnode.intake.upper_layer.requests import UNEXPECTED_PDU, AssociateRequest, InvalidPduError, read_request
from dicomnode.intake.upper_layer.states import TABLE, Action, Event, State

_LOG = logging.getLogger(__name__)
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_NO_PROTOCOL, _NO_APPLICATION_CONTEXT = (1, 2, 2), (1, 1, 2)
_CLOSING_SECONDS = 10.0  # a peer that was told the end closes the connection; of one that does not, no more is heard
_BY_USER, _BY_PROVIDER = 0, 2
_EVENTS: Mapping[int, Event] = {
    pdus.REQUEST: Event.REQUEST_PDU,
    pdus.ACCEPT: Event.ACCEPT_PDU,
    pdus.REJECT: Event.REJECT_PDU,
    pdus.DATA: Event.DATA_PDU,
    pdus.RELEASE_REQUEST: Event.RELEASE_REQUEST_PDU,
    pdus.RELEASE_REPLY: Event.RELEASE_REPLY_PDU,
    pdus.ABORT: Event.ABORT_PDU,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the node grants every association.

    Attributes:
        maximum_length: Of the P-DATA-TF that it takes.
        artim_seconds: For the request to come.
    """

    maximum_length: int
    artim_seconds: float


class Association:
    """Runs in one thread until the connection is closed.

    Args:
        wire: The connection.
        door: Decides and keeps.
        visit: The connection, as the doorkeeper sees it.
        terms: What is granted.
        certificate_names: Names that the peer's certificate bears, None in the clear.
    """

    def __init__(
        self,
        wire: pdus.Wire,
        door: Doorkeeper,
        visit: Visit,
        terms: Terms,
        certificate_names: tuple[str, ...] | None = None,
    ) -> None:
        self._wire = wire
        self._door = door
        self._visit = visit
        self._terms = terms
        self._certificate_names = certificate_names
        self.state = State.IDLE
        self._content = memoryview(b"")
        self._request: AssociateRequest | None = None
        self._messages: Messages | None = None
        self._abort_reason = UNEXPECTED_PDU
        self._is_framed = True
        self._outgoing = b""
        self._actions: Mapping[Action, Callable[[], None]] = {
            Action.AE_5: self._start_artim,
            Action.AE_6: self._consider,
            Action.AE_7: self._send,
            Action.AE_8: self._send_last,
            Action.DT_1: self._send,
            Action.DT_2: self._take_data,
            Action.AR_2: self._leave,
            Action.AR_4: self._send_last,
            Action.AR_5: self._stop_artim,
            Action.AR_7: self._send,
            Action.AA_1: self._abort_as_user,
            Action.AA_2: self._wire.close,
            Action.AA_3: self._wire.close,
            Action.AA_4: self._wire.close,
            Action.AA_5: self._stop_artim,
            Action.AA_6: _ignore,
            Action.AA_7: self._abort_as_provider,
            Action.AA_8: self._abort_as_provider,
        }

    def run(self) -> None:
        """From the connection to its close."""
        try:
            self.happens(Event.CONNECTION)
            while self.state is not State.IDLE:
                self.happens(self._next_event())
        finally:
            if self._messages is not None:
                self._messages.drop()
            self._wire.close()
            self._door.closed(self._visit)

    def happens(self, event: Event) -> None:
        """Let an event from outside do what the table says."""
        try:
            self._fire(event)
        except pdus.ClosedError:
            self._fire(Event.CLOSED)
        except InvalidPduError as error:
            self._complain(str(error))
            self._abort_reason = error.reason
            self._fire(Event.INVALID_PDU)
        except CommandError as error:
            self._complain(f"its command {error}")
            self._fire(Event.ABORT)
        except Exception as error:  # noqa: BLE001  the association must end in its own words, whatever it was
            self._complain(describe(error))
            if (Event.ABORT, self.state) in TABLE:
                self._fire(Event.ABORT)
            else:
                self.state = State.IDLE

    def _fire(self, event: Event) -> None:
        action, self.state = TABLE[event, self.state]
        self._actions[action]()

    def _next_event(self) -> Event:
        try:
            if not self._is_framed:
                self._wire.drain()
            kind, self._content = self._wire.next_pdu()
        except pdus.ClosedError:
            return Event.CLOSED
        except pdus.ExpiredError:
            self._note_expiry()
            return Event.ARTIM_EXPIRED
        except InvalidPduError as error:
            self._is_framed = False
            return self._invalid(error)
        self._door.watch.came(self._visit.call, len(self._content) + 6)
        if kind == pdus.REQUEST and self.state is State.AWAITING_REQUEST:
            try:
                self._request = read_request(self._content)
            except InvalidPduError as error:
                return self._invalid(error)
        return _EVENTS[kind]

    def _invalid(self, error: InvalidPduError) -> Event:
        self._complain(str(error))
        self._abort_reason = error.reason
        return Event.INVALID_PDU

    def _complain(self, what: str) -> None:
        peer = self._visit.call.peer
        level = logging.INFO if peer is None else logging.WARNING  # whatever scans ports is no news
        who = "a stranger" if peer is None else peer.name
        _LOG.log(level, "association of %s from %s is aborted: %s", who, self._visit.call.link.address, what)

    def _note_expiry(self) -> None:
        if self.state is State.AWAITING_REQUEST and not self._visit.call.cut:
            seconds = f"{self._terms.artim_seconds:g} s (receive.network_timeout_seconds)"
            self._door.watch.cut(self._visit.call, f"no association request came for {seconds}")

    def _start_artim(self) -> None:
        seconds = self._terms.artim_seconds
        if self.state is State.AWAITING_CLOSE:
            seconds = min(seconds, _CLOSING_SECONDS)
        self._wire.deadline = time.monotonic() + seconds

    def _stop_artim(self) -> None:
        self._wire.deadline = None

    def _send(self) -> None:
        self._wire.send(self._outgoing)

    def _send_last(self) -> None:
        self._start_artim()
        self._wire.send(self._outgoing)

    def _abort_as_user(self) -> None:
        self._abort(_BY_USER, 0)

    def _abort_as_provider(self) -> None:
        self._abort(_BY_PROVIDER, self._abort_reason)

    def _abort(self, source: int, reason: int) -> None:
        self._start_artim()
        with suppress(pdus.ClosedError):  # the next read finds that too
            self._wire.send(abort(source, reason))
        self._end_visit()

    def _consider(self) -> None:
        self._stop_artim()
        request = self._request
        if request is None or not request.protocol_version & 1:
            self.state = State.AWAITING_CLOSE  # rejected by the service provider itself
            self._outgoing = reject(*_NO_PROTOCOL)
            self._send_last()
            return
        if request.application_context != _APPLICATION_CONTEXT:
            self._answer_request(Event.REJECT, reject(*_NO_APPLICATION_CONTEXT))
            return
        decision = self._door.asked(self._visit, self._caller(request))
        if isinstance(decision, Rejected):
            self._answer_request(Event.REJECT, reject(decision.result, decision.source, decision.diagnostic))
            return
        contexts, roles = answer_contexts(request.contexts, request.roles, decision.services)
        accepted = {one.context_id: one for one in contexts if one.result == ACCEPTED}
        self._messages = Messages(self._door, self._visit, accepted, self._respond)
        self._answer_request(Event.ACCEPT, accept(request, contexts, roles, self._terms.maximum_length))

    def _caller(self, request: AssociateRequest) -> Caller:
        names = self._certificate_names
        return Caller(
            request.calling_ae_title,
            request.called_ae_title,
            self._visit.call.link.address,
            any(service_of(context.abstract_syntax) == "store" for context in request.contexts),
            names is not None,
            names or (),
        )

    def _answer_request(self, event: Event, pdu: bytes) -> None:
        self._outgoing = pdu
        self._fire(event)

    def _take_data(self) -> None:
        if self._messages is not None:
            self._messages.take(self._content)

    def _respond(self, context_id: int, command: bytes) -> None:
        longest = 0 if self._request is None else self._request.maximum_length
        for pdu in command_pdus(context_id, command, longest):
            self._outgoing = pdu
            self._fire(Event.SEND_DATA)

    def _leave(self) -> None:
        """Grant the release at once; nothing is under way that it would have to wait for."""
        self._door.left(self._visit)  # its place is free before the peer knows
        self._door.released(self._visit)
        self._outgoing = RELEASE_REPLY
        self._fire(Event.RELEASE)
        self._end_visit()

    def _end_visit(self) -> None:
        """Say that nothing more comes, without waiting for the peer to close the connection.

        Who was not admitted stays under watch until then.
        """
        if self._messages is not None:
            self._messages.drop()
            self._door.closed(self._visit)


def _ignore() -> None:
    """PS3.8 AA-6."""
