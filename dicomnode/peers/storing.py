"""C-STORE as a service class user over a socket of its own (PS3.4 Annex B, PS3.7 9.1.1, PS3.8 chapter 9).

One thread, blocking, whole messages in one write: pynetdicom's polling is most of what sending an object costs it.
Association requests and their answers are still encoded and decoded by pynetdicom.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ
from pynetdicom.presentation import PresentationContext

from dicomnode.errors import PeerRefusedError, PeerUnavailableError
from dicomnode.peers.association import SOP_CLASS_NOT_SUPPORTED, DimsePeer
from dicomnode.peers.store_messages import (
    COMMAND,
    DATA,
    LAST,
    Answer,
    associate_request,
    fragments_of,
    joined,
    numbered_contexts,
    read_answer,
    store_request,
)
from dicomnode.security.tls import failure_of

_ACCEPT, _REJECT, _RELEASE_REQUEST, _RELEASE_REPLY = 2, 3, 5, 6
_RELEASE_REQUEST_PDU = struct.pack(">BxLL", _RELEASE_REQUEST, 4, 0)
_RELEASE_REPLY_PDU = struct.pack(">BxLL", _RELEASE_REPLY, 4, 0)
_ABORT_PDU = struct.pack(">BxLxxBB", 7, 4, 0, 0)  # by the service user
_LONGEST_PDU = 1 << 20
_UNLIMITED = 1 << 18  # what is sent at once to a peer that sets no limit


class StoreAssociation:
    """An association on which objects are stored, one after the other."""

    def __init__(self, peer: DimsePeer, proposals: Sequence[tuple[str, str]]) -> None:
        """Open it.

        Args:
            peer: Whom to call.
            proposals: Pairs of SOP class and transfer syntax, each in a context of its own; 128 at most.

        Raises:
            PeerUnavailableError: Nothing listens, the peer rejected the association or did not answer.
            PeerRefusedError: The peer accepted none of the presentation contexts.
        """
        self.proposals = frozenset(proposals)
        self._message_id = 0
        self._fragment = _UNLIMITED
        contexts = numbered_contexts(proposals)
        self._socket = _connected(peer)
        self.is_open = True
        try:
            self._accepted = self._negotiate(peer, contexts)
        except BaseException:
            self.abort()
            raise

    def accepted(self, sop_class_uid: str) -> frozenset[str]:
        """Transfer syntaxes that the peer takes objects of this class in."""
        return frozenset(syntax for sop_class, syntax in self._accepted if sop_class == sop_class_uid)

    def store(self, sop_class_uid: str, sop_instance_uid: str, syntax: str, data: memoryview) -> Answer | None:
        """Send an object and wait for its answer.

        Args:
            sop_class_uid: Its class, which the peer accepted in this syntax.
            sop_instance_uid: Its UID.
            syntax: Transfer syntax of ``data``.
            data: The data set, encoded.

        Returns:
            None if the peer ended the association, or the connection, or did not answer in time.
        """
        context_id = self._accepted[sop_class_uid, syntax]
        self._message_id = self._message_id % 65535 + 1
        command = memoryview(store_request(sop_class_uid, sop_instance_uid, self._message_id))
        try:
            for part in joined(self._pdus(context_id, command, data)):
                self._socket.sendall(part)
            return self._answer()
        except (OSError, ValueError):
            self.abort()
            return None

    def is_usable(self) -> bool:
        """Whether the peer has not ended it meanwhile; what it sent without being asked ends it."""
        if not self.is_open:
            return False
        with suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            if not poll.poll(0):
                return True
            if self._pdu()[0] == _RELEASE_REQUEST:
                self._socket.sendall(_RELEASE_REPLY_PDU)
        self._close()
        return False

    def release(self) -> None:
        """End it in order."""
        if not self.is_open:
            return
        with suppress(OSError, ValueError):
            self._socket.sendall(_RELEASE_REQUEST_PDU)
            while self._pdu()[0] == DATA:
                pass
        self._close()

    def abort(self) -> None:
        """End it at once."""
        if self.is_open:
            with suppress(OSError):
                self._socket.sendall(_ABORT_PDU)
        self._close()

    def _negotiate(self, peer: DimsePeer, contexts: Sequence[PresentationContext]) -> dict[tuple[str, str], int]:
        try:
            self._socket.sendall(associate_request(peer, contexts))
            kind, content = self._pdu()
        except (OSError, ValueError):
            kind, content = 0, b""
        pdu = struct.pack(">BxL", kind, len(content)) + content
        if kind == _REJECT:
            rejection = A_ASSOCIATE_RJ()
            rejection.decode(pdu)
            told = f"{rejection.result_str.lower()}: {rejection.reason_str}"
            raise PeerUnavailableError(f"{peer}: association {told}")
        if kind != _ACCEPT:
            doubt = "" if peer.tls is None else "; it may not accept the node's certificate"
            told = "connected, but no answer to the association request, or it was aborted"
            raise PeerUnavailableError(f"{peer}: {told}{doubt}")
        acceptance = A_ASSOCIATE_AC()
        acceptance.decode(pdu)
        answer = acceptance.to_primitive()
        # The limit is of what follows the head of the PDU; six bytes of it are the head of the fragment
        self._fragment = max(1, (answer.maximum_length_received or _UNLIMITED) - 6)
        proposed = {context.context_id: context for context in contexts}
        accepted = [item for item in answer.presentation_context_definition_results_list if item.result == 0]
        if not accepted:
            names = sorted({context.abstract_syntax.name for context in contexts})
            raise PeerRefusedError(f"{peer}: does not accept {', '.join(names)}", SOP_CLASS_NOT_SUPPORTED)
        return {
            (str(proposed[item.context_id].abstract_syntax), str(item.transfer_syntax[0])): item.context_id
            for item in accepted
        }

    def _pdus(self, context_id: int, command: memoryview, data: memoryview) -> Iterator[bytes | memoryview]:
        """The message as P-DATA-TF PDUs (PS3.8 9.3.5), one fragment each: heads and contents by turns."""
        for content, control in ((command, COMMAND), (data, 0)):
            for start in range(0, len(content), self._fragment):
                piece = content[start : start + self._fragment]
                last = LAST if start + len(piece) == len(content) else 0
                length = len(piece)
                yield struct.pack(">BxLLBB", DATA, length + 6, length + 2, context_id, control | last)
                yield piece

    def _answer(self) -> Answer | None:
        command = b""
        while True:
            kind, content = self._pdu()
            if kind == _RELEASE_REQUEST:
                self._socket.sendall(_RELEASE_REPLY_PDU)
            if kind != DATA:
                self._close()
                return None
            for control, fragment in fragments_of(content):
                if control & COMMAND:
                    command += fragment
                    if control & LAST:
                        return read_answer(command)

    def _pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxL", self._read(6))
        if length > _LONGEST_PDU:
            raise ValueError("a PDU of a length that no answer has")
        return kind, self._read(length)

    def _read(self, count: int) -> bytes:
        data = bytearray(count)
        view, filled = memoryview(data), 0
        while filled < count:
            received = self._socket.recv_into(view[filled:])
            if received == 0:
                raise ConnectionError("closed by the peer")
            filled += received
        return bytes(data)

    def _close(self) -> None:
        self.is_open = False
        self._socket.close()


def _connected(peer: DimsePeer) -> socket.socket:
    """A connection, with its TLS handshake done.

    Raises:
        PeerUnavailableError: There is none; says why.
    """
    try:
        plain = socket.create_connection((peer.host, peer.port), peer.timeout)
    except socket.gaierror as error:
        raise PeerUnavailableError(f"{peer}: {error.strerror or error}") from error
    except OSError as error:
        told = "cannot connect; nothing listens there, or a firewall is in the way"
        raise PeerUnavailableError(f"{peer}: {told}") from error
    # Nagle's algorithm and delayed acknowledgements cost 40 ms a message between them
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if peer.tls is None:
        return plain
    try:
        return peer.tls.wrap_socket(plain, server_hostname=peer.host)
    except (OSError, ValueError) as error:
        plain.close()
        raise PeerUnavailableError(f"{peer}: no TLS: {failure_of(error)}") from error
