"""Sending by C-STORE (PS3.4 Annex B): the file's own bytes, one association a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import _config, build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from dicomnode.delivery.document import Document
from dicomnode.delivery.outcomes import OutcomeKind, SendOutcome, dimse_outcome, spoken
from dicomnode.delivery.recoding import recoded
from dicomnode.errors import PeerRefusedError, PeerUnavailableError, describe
from dicomnode.peers.association import MAXIMUM_CONTEXTS, DimsePeer, associated

# The two that need no more than rewriting lengths and VRs between them.
_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


class CStoreSender:
    """Sends documents to one application entity."""

    def __init__(self, peer: DimsePeer) -> None:
        self._peer = peer
        # Documented in pynetdicom: a path is then sent as it is, instead of read and encoded anew.
        _config.STORE_SEND_CHUNKED_DATASET = True

    def send(self, documents: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        """Send documents in order over as few associations as their kinds allow (128 contexts each)."""
        for batch in _batches(documents):
            yield from self._send_batch(batch)

    def close(self) -> None:
        """Nothing is kept open between batches."""

    def _send_batch(self, batch: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        answered = 0
        try:
            with associated(self._peer, _contexts(batch)) as association:
                for number, document in enumerate(batch, start=1):
                    outcome = _store(association, document, number)
                    answered += 1
                    yield document, outcome
                    if not association.is_established:
                        break
        except PeerUnavailableError as error:
            yield from _all(batch[answered:], SendOutcome(OutcomeKind.TRANSIENT, str(error)))
        except PeerRefusedError as error:
            yield from _all(batch[answered:], SendOutcome(OutcomeKind.PERMANENT, str(error), of_class=True))
        else:
            early = SendOutcome(OutcomeKind.TRANSIENT, "the association ended early; not sent yet")
            yield from _all(batch[answered:], early)


def _all(documents: Sequence[Document], outcome: SendOutcome) -> Iterator[tuple[Document, SendOutcome]]:
    for document in documents:
        yield document, outcome


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    for document in documents:
        if len(_proposals([*batch, document])) > MAXIMUM_CONTEXTS:
            yield batch
            batch = []
        batch.append(document)
    if batch:
        yield batch


def _proposals(documents: Sequence[Document]) -> dict[tuple[str, str], None]:
    """Pairs of SOP class and transfer syntax, each in a context of its own, in the order of first need."""
    pairs: dict[tuple[str, str], None] = {}
    for document in documents:
        syntax = document.transfer_syntax_uid
        pairs[document.sop_class_uid, document.send_as_uid or syntax] = None
        if syntax in _UNCOMPRESSED:
            pairs.update({(document.sop_class_uid, other): None for other in _UNCOMPRESSED})
    return pairs


def _contexts(documents: Sequence[Document]) -> list[PresentationContext]:
    return [build_context(sop_class, syntax) for sop_class, syntax in _proposals(documents)]


def _store(association: Association, document: Document, message_id: int) -> SendOutcome:
    accepted = {
        context.transfer_syntax[0]
        for context in association.accepted_contexts
        if context.abstract_syntax == document.sop_class_uid
    }
    if not accepted:
        words = f"the peer does not accept SOP class {document.sop_class_uid}"
        return SendOutcome(OutcomeKind.PERMANENT, words, of_class=True)
    syntax = document.transfer_syntax_uid
    chosen = next((one for one in (syntax, document.send_as_uid, *_UNCOMPRESSED) if one in accepted), None)
    if chosen is None or (chosen != document.send_as_uid and chosen != syntax and syntax not in _UNCOMPRESSED):
        words = f"the peer does not accept transfer syntax {syntax} for this class"
        return SendOutcome(OutcomeKind.PERMANENT, words, of_class=True)
    try:
        content = document.path if chosen == syntax else recoded(document.path, chosen)
        status = association.send_c_store(content, msg_id=message_id % 65535 + 1)
    except FileNotFoundError:
        return SendOutcome(OutcomeKind.PERMANENT, "the file is gone from the archive")
    except RuntimeError:
        return SendOutcome(OutcomeKind.TRANSIENT, "the association ended early; not sent yet")
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds on files that it cannot encode
        return SendOutcome(OutcomeKind.PERMANENT, f"cannot be encoded for sending: {describe(error)}")
    if "Status" not in status:
        return SendOutcome(OutcomeKind.TRANSIENT, "no answer: the peer aborted, timed out or closed the connection")
    return replace(dimse_outcome(int(status.Status)), answer=_comment(status))


def _comment(status: Dataset) -> str:
    """What the answer says besides its status (PS3.7 C.4, C.5)."""
    offending = status.get("OffendingElement")
    return spoken(status.get("ErrorComment"), f"offending element {offending}" if offending else "")
