"""C-GET and C-MOVE in the Study Root model (PS3.4 C.4.2 and C.4.3)."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from queue import Queue

from pydicom.dataset import Dataset
from pydicom.uid import AllTransferSyntaxes, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, build_role, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet, StudyRootQueryRetrieveInformationModelMove

from dicomnode.dicom.part10 import part10_preamble
from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import PeerError, PeerRefusedError, PeerUnavailableError
from dicomnode.peers.association import MAXIMUM_CONTEXTS, DimsePeer, associated
from dicomnode.peers.query import Level

_PENDING = (0xFF00, 0xFF01)
# All sent, or all that the peer could; what did not come is seen by whoever compares.
_ENDED = (0x0000, 0xB000)
_OUT_OF_RESOURCES = (0xA701, 0xA702)
_MOVE_DESTINATION_UNKNOWN = 0xA801
_CANNOT_KEEP = 0xA700
_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_OTHERS = tuple(uid for uid in AllTransferSyntaxes if uid not in (*_UNCOMPRESSED, ExplicitVRBigEndian))
_MOST_CLASSES = MAXIMUM_CONTEXTS - 1  # one is the C-GET itself

_PIECE_BYTES = 1024 * 1024


def get(peer: DimsePeer, sop_classes: Collection[str], identifier: Dataset) -> Iterator[Iterator[bytes]]:
    """Have instances sent over the association that asks for them, one file in pieces after the other.

    The peer is answered for an instance when the next one is asked for, so no more than one is held, however slow
    the reader is. Leaving early aborts the association.

    Args:
        peer: Who is asked.
        sop_classes: What may come; the peer leaves out all else.
        identifier: Level and unique keys.

    Raises:
        PeerUnavailableError: The peer is away, or the transfer was cut off.
        PeerRefusedError: It refused.
    """
    transfer = _Transfer(peer, tuple(sorted(sop_classes))[:_MOST_CLASSES], identifier)
    yield from transfer.files()


def move(peer: DimsePeer, identifier: Dataset) -> None:
    """Have instances sent to the node's own AE title; returns when the peer has sent what it can.

    Raises:
        PeerUnavailableError: The peer is away, or did not tell the end.
        PeerRefusedError: It refused, for instance because it does not know the node.
    """
    model = StudyRootQueryRetrieveInformationModelMove
    with associated(peer, [build_context(model, list(_UNCOMPRESSED))]) as association:
        _until_ended(peer, association.send_c_move(identifier, peer.calling_ae_title, model))


def unique_keys(study: str, series: str | None, sop: str | None) -> Dataset:
    """Identifier of a retrieval: the level and the unique keys down to it (PS3.4 C.4.2.1.4)."""
    identifier = Dataset()
    level: Level = "STUDY" if series is None else "SERIES" if sop is None else "IMAGE"
    identifier.QueryRetrieveLevel = level
    identifier.StudyInstanceUID = study
    if series is not None:
        identifier.SeriesInstanceUID = series
    if sop is not None:
        identifier.SOPInstanceUID = sop
    return identifier


class _Transfer:
    """One C-GET: a thread of its own drives the association, the reader's thread takes the files."""

    def __init__(self, peer: DimsePeer, sop_classes: tuple[str, ...], identifier: Dataset) -> None:
        self._peer = peer
        self._sop_classes = sop_classes
        self._identifier = identifier
        self._queue: Queue[Iterator[bytes] | Exception | None] = Queue()
        self._left = threading.Event()

    def files(self) -> Iterator[Iterator[bytes]]:
        """Each file once it is here."""
        thread = threading.Thread(target=self._run, name=f"C-GET from {self._peer.ae_title}", daemon=True)
        thread.start()
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
                self._queue.task_done()
        finally:
            self._left.set()
            with suppress(ValueError):  # nothing is in hand
                self._queue.task_done()
            thread.join()

    def _run(self) -> None:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001  raised in the reader's thread
            self._queue.put(error)
        else:
            self._queue.put(None)

    def _ask(self) -> None:
        model = StudyRootQueryRetrieveInformationModelGet
        contexts = [build_context(model, list(_UNCOMPRESSED)), *_storage_contexts(self._sop_classes)]
        roles = [build_role(uid, scp_role=True) for uid in self._sop_classes]
        handlers = [(evt.EVT_C_STORE, self._on_store)]
        with associated(self._peer, contexts, roles, handlers) as association:
            _until_ended(self._peer, association.send_c_get(self._identifier, model))

    def _on_store(self, event: evt.Event) -> int:
        request = event.request
        sop_class, sop = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        if request.DataSet is None or not valid_uid(sop_class) or not valid_uid(sop):
            return _CANNOT_KEEP
        head = part10_preamble(sop_class, sop, str(event.context.transfer_syntax), self._peer.ae_title)
        self._queue.put(_pieces(head, request.DataSet.getbuffer()))
        self._queue.join()
        if self._left.is_set():
            event.assoc.abort()
            event.assoc.dimse_timeout = 0.0  # nothing that is still to come is waited for
        return 0x0000


def _pieces(head: bytes, data: memoryview) -> Iterator[bytes]:
    yield head
    for start in range(0, len(data), _PIECE_BYTES):
        yield bytes(data[start : start + _PIECE_BYTES])


def _storage_contexts(sop_classes: tuple[str, ...]) -> list[PresentationContext]:
    """A context for the uncompressed syntaxes and one for each other, so that nothing need be encoded anew."""
    room = _MOST_CLASSES // max(len(sop_classes), 1) - 1
    contexts = [build_context(uid, list(_UNCOMPRESSED)) for uid in sop_classes]
    return contexts + [build_context(uid, syntax) for uid in sop_classes for syntax in _OTHERS[:room]]


def _until_ended(peer: DimsePeer, answers: Iterable[tuple[Dataset, Dataset | None]]) -> None:
    for answer, _ in answers:
        if "Status" not in answer:
            raise PeerUnavailableError(f"{peer}: the retrieval was cut off, or nothing came for {peer.timeout:g} s")
        if answer.Status not in (*_PENDING, *_ENDED):
            raise _refusal(peer, answer.Status)


def _refusal(peer: DimsePeer, status: int) -> PeerError:
    if status in _OUT_OF_RESOURCES:
        return PeerUnavailableError(f"{peer}: out of resources (status 0x{status:04X})")
    text = f"{peer}: refused the retrieval with status 0x{status:04X}"
    if status == _MOVE_DESTINATION_UNKNOWN:
        text += f": it does not know {peer.calling_ae_title}; enter the node's AE title, address and port there"
    return PeerRefusedError(text, status)
