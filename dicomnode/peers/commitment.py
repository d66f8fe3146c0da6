"""Storage commitment (PS3.4 Annex J, push model): the request, and the report on it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import build_context, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import InputError, PeerRefusedError, PeerUnavailableError, describe
from dicomnode.peers.association import DimsePeer, associated

_LOG = logging.getLogger(__name__)

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
NO_SUCH_EVENT = 0x0113
INVALID_ARGUMENT = 0x0115
_REQUEST, _ALL_COMMITTED, _SOME_FAILED = 1, 1, 2
_MOST_OBJECTS = 100_000
# PS3.4 J.3.3.1.2 and PS3.3 C.14.1.1
REASONS = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class and instance conflict",
    0x0122: "referenced SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}
# Statuses of the request by which a peer says "not now" (PS3.7 Annex C); every other failure is an answer.
_TRANSIENT = frozenset({0x0110, 0x0210, 0x0213})


@dataclass(frozen=True, slots=True)
class Referenced:
    """An object that a peer is asked to commit to."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What a peer reports.

    Attributes:
        transaction_uid: (0008,1195) of the request.
        committed: SOP Instance UIDs that it guarantees to keep.
        failed: SOP Instance UIDs that it does not, each with its Failure Reason (0008,1197).
    """

    transaction_uid: str
    committed: tuple[str, ...]
    failed: tuple[tuple[str, int], ...]


Answerer = Callable[[CommitmentReport], int]


def request_commitment(
    peer: DimsePeer, transaction_uid: str, objects: Sequence[Referenced], wait_seconds: float, answer: Answerer
) -> None:
    """Ask a peer to commit to objects, and stay for a while should it report on the same association.

    Args:
        peer: Who is asked.
        transaction_uid: New for each request.
        objects: What it is to keep.
        wait_seconds: How long the association is kept open for the report; it may as well come to the listener.
        answer: Takes a report that comes here, and gives the status that the peer is told; called in another thread.

    Raises:
        PeerUnavailableError: The peer is away, or could not take the request now.
        PeerRefusedError: It does not offer storage commitment, or refused the request.
    """
    told, answered = threading.Event(), threading.Event()

    def on_report(event: evt.Event) -> tuple[int, None]:
        status = answer_report(event, answer)
        told.set()
        return status, None

    def on_sent(_event: evt.Event) -> None:
        if told.is_set():
            answered.set()

    context = build_context(StorageCommitmentPushModel)
    handlers = [(evt.EVT_N_EVENT_REPORT, on_report), (evt.EVT_PDU_SENT, on_sent)]
    with associated(peer, [context], handlers=handlers) as association:
        status, _ = association.send_n_action(
            _information(transaction_uid, objects),
            _REQUEST,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
        )
        _require_taken(peer, status)
        if told.wait(wait_seconds):
            answered.wait(peer.timeout)  # releasing the association before the answer is out would lose it


def answer_report(event: evt.Event, answer: Answerer) -> int:
    """Read an N-EVENT-REPORT and have it answered: the status for the peer."""
    return answer_information(event.request.EventTypeID, lambda: event.event_information, answer)


def answer_information(event_type: int | None, information: Callable[[], Dataset], answer: Answerer) -> int:
    """The same of its Event Type ID (0000,1002) and what reads its Event Information."""
    if event_type not in (_ALL_COMMITTED, _SOME_FAILED):
        return NO_SUCH_EVENT
    try:
        report = read_report(information())
    except InputError as error:
        _LOG.warning("storage commitment report refused: %s", error)
        return INVALID_ARGUMENT
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds on what is no data set
        _LOG.warning("storage commitment report cannot be read: %s", describe(error))
        return PROCESSING_FAILURE
    return answer(report)


def read_report(information: Dataset) -> CommitmentReport:
    """Read the Event Information of a report (PS3.4 Table J.3-2).

    An object that is in both lists counts as failed.

    Raises:
        InputError: It names no transaction, or an object without a UID.
    """
    transaction_uid = str(information.get("TransactionUID") or "")
    failed = {_uid(item): int(item.get("FailureReason") or PROCESSING_FAILURE) for item in _items(information, True)}
    committed = [uid for item in _items(information, False) if (uid := _uid(item)) not in failed]
    if not valid_uid(transaction_uid):
        raise InputError("a storage commitment report names no transaction")
    return CommitmentReport(transaction_uid, tuple(committed), tuple(failed.items()))


def _items(information: Dataset, failed: bool) -> Sequence[Dataset]:
    items: Sequence[Dataset] = information.get("FailedSOPSequence" if failed else "ReferencedSOPSequence") or ()
    return items[:_MOST_OBJECTS]


def _uid(item: Dataset) -> str:
    uid = str(item.get("ReferencedSOPInstanceUID") or "")
    if not valid_uid(uid):
        raise InputError("a storage commitment report names an object without a valid UID")
    return uid


def _information(transaction_uid: str, objects: Sequence[Referenced]) -> Dataset:
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = [_reference(item) for item in objects]
    return information


def _reference(item: Referenced) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = item.sop_class_uid
    reference.ReferencedSOPInstanceUID = item.sop_instance_uid
    return reference


def _require_taken(peer: DimsePeer, status: Dataset) -> None:
    if "Status" not in status:
        # Orthanc accepts the service from everybody, and closes the connection where it does not know who asks
        message = f"{peer}: no answer to the storage commitment request; does it know {peer.calling_ae_title}?"
        raise PeerRefusedError(message, PROCESSING_FAILURE)
    code = int(status.Status)
    if code == SUCCESS:
        return
    message = f"{peer}: refused the storage commitment request with status 0x{code:04X}"
    if code in _TRANSIENT:
        raise PeerUnavailableError(message)
    raise PeerRefusedError(message, code)
