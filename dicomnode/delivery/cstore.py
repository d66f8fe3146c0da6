"""Sending by C-STORE (PS3.4 Annex B): the file's own bytes, one association a batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SegmentationStorage,
)

from dicomnode.delivery.document import Document
from dicomnode.delivery.encoding import encoded
from dicomnode.delivery.outcomes import OutcomeKind, SendOutcome, dimse_outcome, spoken
from dicomnode.errors import PeerRefusedError, PeerUnavailableError, describe
from dicomnode.peers.association import MAXIMUM_CONTEXTS, DimsePeer
from dicomnode.peers.storing import StoreAssociation

# The two that need no more than rewriting lengths and VRs between them.
_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_KEPT_SECONDS = 2.0
_NO_ANSWER = SendOutcome(OutcomeKind.TRANSIENT, "no answer: the peer aborted, timed out or closed the connection")


class CStoreSender:
    """Sends documents to one application entity.

    Args:
        peer: Whom to.
        keep_open: Keep the association open between batches, until `rest` or `close`. What is sent next in it is sent
            once more, in a new one, if the peer ended it meanwhile.
        deflate: Deflate segmentations for a peer that takes them so.
    """

    def __init__(self, peer: DimsePeer, *, keep_open: bool = False, deflate: bool = False) -> None:
        self._peer = peer
        self._deflate = deflate
        self._keep_open = keep_open
        self._association: StoreAssociation | None = None
        self._used_at = 0.0
        self._known: dict[tuple[str, str], None] = {}

    def send(self, documents: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        """Send documents in order over as few associations as their kinds allow (128 contexts each)."""
        try:
            for batch in _batches(list(map(self._wanted, documents))):
                yield from self._send_batch(batch)
        except BaseException:
            self._abort()
            raise
        self._used_at = time.monotonic()
        if not self._keep_open:
            self.close()

    def rest(self) -> None:
        """Release an association that nothing was sent in for a while: peers count how many are open."""
        if self._association is not None and time.monotonic() - self._used_at > _KEPT_SECONDS:
            self.close()

    def close(self) -> None:
        """Release what is kept open."""
        if self._association is not None:
            self._association.release()
            self._association = None

    def _wanted(self, document: Document) -> Document:
        is_plain = document.transfer_syntax_uid == ExplicitVRLittleEndian and not document.send_as_uid
        if self._deflate and is_plain and document.sop_class_uid == SegmentationStorage:
            return replace(document, smaller_as_uid=DeflatedExplicitVRLittleEndian)
        return document

    def _abort(self) -> None:
        if self._association is not None:
            self._association.abort()
            self._association = None

    def _send_batch(self, batch: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        answered = 0
        try:
            association, is_new = self._open(batch)
            for document in batch:
                outcome = _store(association, document)
                if outcome is None and not is_new:
                    association, is_new = self._open(batch)
                    outcome = _store(association, document)
                is_new = True
                answered += 1
                yield document, outcome or _NO_ANSWER
                if not association.is_open:
                    break
        except PeerUnavailableError as error:
            yield from _all(batch[answered:], SendOutcome(OutcomeKind.TRANSIENT, str(error)))
        except PeerRefusedError as error:
            yield from _all(batch[answered:], SendOutcome(OutcomeKind.PERMANENT, str(error), of_class=True))
        else:
            early = SendOutcome(OutcomeKind.TRANSIENT, "the association ended early; not sent yet")
            yield from _all(batch[answered:], early)

    def _open(self, batch: Sequence[Document]) -> tuple[StoreAssociation, bool]:
        """An association that was negotiated for a batch, and whether it is a new one."""
        wanted = _proposals(batch)
        kept = self._association
        if kept is not None and wanted.keys() <= kept.proposals and kept.is_usable():
            return kept, False
        self.close()
        proposed = wanted
        if self._keep_open:  # for what is likely to come next, too
            self._known = {**wanted, **self._known}
            proposed = dict.fromkeys(list(self._known)[:MAXIMUM_CONTEXTS])
        self._association = StoreAssociation(self._peer, tuple(proposed))
        return self._association, True


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
        if document.smaller_as_uid:
            pairs[document.sop_class_uid, document.smaller_as_uid] = None
        if syntax in _UNCOMPRESSED:
            pairs.update({(document.sop_class_uid, other): None for other in _UNCOMPRESSED})
    return pairs


def _store(association: StoreAssociation, document: Document) -> SendOutcome | None:
    """Send a document; None if there was no answer."""
    accepted = association.accepted(document.sop_class_uid)
    if not accepted:
        words = f"the peer does not accept SOP class {document.sop_class_uid}"
        return SendOutcome(OutcomeKind.PERMANENT, words, of_class=True)
    syntax = document.transfer_syntax_uid
    preferred = (document.smaller_as_uid, syntax, document.send_as_uid, *_UNCOMPRESSED)
    chosen = next((one for one in preferred if one in accepted), None)
    if chosen is None or (chosen != document.send_as_uid and chosen != syntax and syntax not in _UNCOMPRESSED):
        words = f"the peer does not accept transfer syntax {syntax} for this class"
        return SendOutcome(OutcomeKind.PERMANENT, words, of_class=True)
    try:
        data = encoded(document.path, syntax, chosen)
    except FileNotFoundError:
        return SendOutcome(OutcomeKind.PERMANENT, "the file is gone from the archive")
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds on files that it cannot encode
        return SendOutcome(OutcomeKind.PERMANENT, f"cannot be encoded for sending: {describe(error)}")
    answer = association.store(document.sop_class_uid, document.sop_instance_uid, chosen, data)
    if answer is None:
        return None
    offending = f"offending element {answer.offending}" if answer.offending else ""
    return replace(dimse_outcome(answer.status), answer=spoken(answer.comment, offending))
