"""DIMSE messages out of fragments, and their answers (PS3.8 Annex E, PS3.7 9 and 10)."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO

from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode

from dicomnode.intake.arriving import Arrival, StoreRequest
from dicomnode.intake.doorkeeper import Doorkeeper, Visit
from dicomnode.intake.upper_layer.commands import (
    C_CANCEL,
    C_ECHO,
    C_STORE,
    N_EVENT_REPORT,
    RESPONSE,
    Command,
    CommandError,
    read_command,
    write_response,
)
from dicomnode.intake.upper_layer.contexts import Answered
from dicomnode.intake.upper_layer.requests import INVALID_PARAMETER, InvalidPduError
from dicomnode.peers.commitment import answer_information

_LOG = logging.getLogger(__name__)
_ITEM = struct.Struct(">IBB")
_LONGEST_COMMAND = 1 << 16
_LONGEST_REPORT = 1 << 25
_MOST_AT_ONCE = 4  # one operation at a time is negotiated; fragments of a few may come interleaved all the same
_UNRECOGNISED_OPERATION = 0x0211
Fragment = tuple[int, int, memoryview]
Send = Callable[[int, bytes], None]


@dataclass(slots=True)
class _Message:
    """A message of which fragments are still to come.

    Attributes:
        parts: Its command set so far.
        command: The same, once it is whole.
        arrival: Takes the data set of a C-STORE.
        report: Takes that of a report.
    """

    parts: bytearray = field(default_factory=bytearray)
    command: Command | None = None
    arrival: Arrival | None = None
    report: bytearray = field(default_factory=bytearray)


def fragments(content: memoryview) -> Iterator[Fragment]:
    """The presentation data values of a P-DATA-TF: context ID, message control header, fragment (PS3.8 9.3.5).

    Raises:
        InvalidPduError: A length does not fit.
    """
    at, end = 0, len(content)
    while at < end or at == 0:
        if at + _ITEM.size > end:
            raise InvalidPduError("its P-DATA-TF ends inside the head of an item", INVALID_PARAMETER)
        length, context_id, control = _ITEM.unpack_from(content, at)
        following = at + 4 + length
        if length < 2 or following > end:
            raise InvalidPduError("its P-DATA-TF has an item of a wrong length", INVALID_PARAMETER)
        yield context_id, control, content[at + _ITEM.size : following]
        at = following


class Messages:
    """Puts the messages of one association together, each context's for itself, and has them answered.

    Args:
        door: Keeps what comes.
        visit: Whose association it is.
        contexts: Accepted presentation contexts by ID.
        send: Takes a context ID and the command set of a response.
    """

    def __init__(self, door: Doorkeeper, visit: Visit, contexts: Mapping[int, Answered], send: Send) -> None:
        self._door = door
        self._visit = visit
        self._contexts = contexts
        self._send = send
        self._open: dict[int, _Message] = {}

    def take(self, content: memoryview) -> None:
        """Take a P-DATA-TF.

        Raises:
            InvalidPduError: It breaks PS3.8.
            CommandError: Its messages break PS3.7.
        """
        for context_id, control, fragment in fragments(content):
            context = self._contexts.get(context_id)
            if context is None:
                raise InvalidPduError("it used a presentation context that was not accepted", INVALID_PARAMETER)
            is_last = bool(control & 2)
            if control & 1:
                self._take_command(context, fragment, is_last)
            else:
                self._take_data(context, fragment, is_last)

    def drop(self) -> None:
        """Leave nothing behind of what did not come whole."""
        for message in self._open.values():
            if message.arrival is not None:
                message.arrival.drop()
        self._open.clear()

    def _take_command(self, context: Answered, fragment: memoryview, is_last: bool) -> None:
        message = self._open.get(context.context_id)
        if message is None:
            if len(self._open) >= _MOST_AT_ONCE:
                raise CommandError("came while too many others were under way")
            message = self._open[context.context_id] = _Message()
        if message.command is not None:
            raise CommandError("came before the data set of the one before it")
        message.parts += fragment
        if len(message.parts) > _LONGEST_COMMAND:
            raise CommandError("is too long")
        if is_last:
            message.command = read_command(message.parts)
            self._begin(context, message, message.command)

    def _begin(self, context: Answered, message: _Message, command: Command) -> None:
        if command.field == C_STORE and context.service == "store":
            request = StoreRequest(command.sop_class_uid, command.sop_instance_uid, context.transfer_syntax)
            message.arrival = self._door.arrival(self._visit, request)
        if not command.has_data_set:
            self._answer(context, message, command)

    def _take_data(self, context: Answered, fragment: memoryview, is_last: bool) -> None:
        message = self._open.get(context.context_id)
        if message is None or message.command is None:
            raise CommandError("is missing before a data set")
        if message.arrival is not None:
            message.arrival.write(fragment)
        elif message.command.field == N_EVENT_REPORT:
            message.report += fragment
            if len(message.report) > _LONGEST_REPORT:
                raise CommandError("has a report that is too long")
        if is_last:
            self._answer(context, message, message.command)

    def _answer(self, context: Answered, message: _Message, command: Command) -> None:
        del self._open[context.context_id]
        if command.field == C_CANCEL or command.field & RESPONSE:
            return  # nothing that the node does can be cancelled, and it asked for nothing
        status, comment = self._status(context, message, command)
        self._send(context.context_id, write_response(command, status, comment))

    def _status(self, context: Answered, message: _Message, command: Command) -> tuple[int, str]:
        if message.arrival is not None:
            with self._door.watch.at_work(self._visit.call):
                answer = message.arrival.finish()
            return answer.status, answer.comment
        if command.field == C_ECHO and context.service == "echo":
            return 0x0000, ""
        if command.field == N_EVENT_REPORT and context.service == "commit":
            return self._reported(context, message, command), ""
        _LOG.warning("operation 0x%04X is not served on %r", command.field, context.abstract_syntax)
        return _UNRECOGNISED_OPERATION, "the operation is not served in this context"

    def _reported(self, context: Answered, message: _Message, command: Command) -> int:
        def information() -> Dataset:
            syntax = context.transfer_syntax
            implicit, deflated = syntax == "1.2.840.10008.1.2", syntax == "1.2.840.10008.1.2.1.99"
            found: Dataset = decode(BytesIO(message.report), implicit, syntax != "1.2.840.10008.1.2.2", deflated)
            return found

        with self._door.watch.at_work(self._visit.call):
            return answer_information(command.event_type, information, self._door.reported)
