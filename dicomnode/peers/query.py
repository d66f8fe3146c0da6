"""C-FIND in the Study Root model, at every level (PS3.4 Annex C), over one association."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Literal

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from dicomnode.dicom.charsets import decode_text, encodings_of
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.dicom.raw_head import read_raw_head
from dicomnode.errors import NotDicomError, PeerRefusedError, PeerUnavailableError, UsageError
from dicomnode.peers.association import DimsePeer, associated

Level = Literal["STUDY", "SERIES", "IMAGE"]
Match = Mapping[str, str]
_MODEL = StudyRootQueryRetrieveInformationModelFind
_SUCCESS, _CANCELLED, _PENDING = 0x0000, 0xFE00, (0xFF00, 0xFF01)


class Inquiry:
    """Asks one peer, over an association that is open already.

    Answers are decoded from their bytes as files are, by their own Specific Character Set, so that a name that
    came in a file and the same name in an answer are equal in every component group.
    """

    def __init__(self, peer: DimsePeer, association: Association, received: deque[bytes]) -> None:
        self._peer = peer
        self._association = association
        self._received = received
        self._message_id = 0

    def ask(self, level: Level, match: Match, returned: Sequence[str], limit: int | None = None) -> list[Match]:
        """Ask for what matches.

        Args:
            level: Of the hierarchy; unique keys of the levels above must be among the matching keys.
            match: Matching keys by keyword, such as ``{"StudyDate": "20260101-"}`` (PS3.4 C.2.2.2).
            returned: Keywords that are asked for besides; none of them a sequence.
            limit: Most answers wanted; the peer is then told to stop.

        Returns:
            An answer's texts by keyword, empty where it does not tell.

        Raises:
            PeerUnavailableError: The association ended before the answer was whole.
            PeerRefusedError: The peer answered with a failure.
        """
        identifier, keywords = _identifier(level, match, returned), (*match, *returned)
        self._message_id += 1
        answers = self._association.send_c_find(identifier, _MODEL, msg_id=self._message_id)
        found: list[Match] = []
        for content in self._contents(answers):
            if limit is None or len(found) < limit:
                found.append(_texts(content, keywords))
                if len(found) == limit:
                    self._association.send_c_cancel(self._message_id, query_model=_MODEL)
        return found

    def _contents(self, answers: Iterable[tuple[Dataset, Dataset | None]]) -> Iterator[bytes]:
        syntax = str(self._association.accepted_contexts[0].transfer_syntax[0])
        head = part10_preamble("", "", syntax, "")
        for status, _ in answers:
            if "Status" not in status:
                raise PeerUnavailableError(
                    f"{self._peer}: the association ended before the answer was whole; "
                    f"may {self._peer.calling_ae_title} search there?"
                )
            if status.Status not in (*_PENDING, _SUCCESS, _CANCELLED):
                raise PeerRefusedError(
                    f"{self._peer}: refused the search with status 0x{status.Status:04X}", status.Status
                )
            while self._received:
                yield head + self._received.popleft()


@contextmanager
def inquiry(peer: DimsePeer) -> Iterator[Inquiry]:
    """Open an association for questions.

    Raises:
        PeerUnavailableError: No association.
        PeerRefusedError: The peer does not answer searches.
    """
    received: deque[bytes] = deque()

    def keep(event: evt.Event) -> None:
        content = event.message.data_set.getvalue()
        if content:
            received.append(content)

    context = build_context(_MODEL, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    with associated(peer, [context], handlers=[(evt.EVT_DIMSE_RECV, keep)]) as association:
        yield Inquiry(peer, association, received)


def require_keywords(match: Match) -> None:
    """Check matching keys.

    Raises:
        UsageError: A keyword is not in PS3.6.
    """
    unknown = [keyword for keyword in match if tag_for_keyword(keyword) is None]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no keyword of PS3.6; write it like StudyDate or PatientID")


def _identifier(level: Level, match: Match, returned: Sequence[str]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword in returned:
        setattr(identifier, keyword, None)
    for keyword, value in match.items():
        setattr(identifier, keyword, value)
    if not all(value.isascii() for value in match.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    return identifier


def _texts(content: bytes, keywords: Sequence[str]) -> Match:
    tags = {keyword: tag_for_keyword(keyword) or 0 for keyword in ("SpecificCharacterSet", *keywords)}
    try:
        head = read_raw_head(BytesIO(content), frozenset(tags.values()))
    except NotDicomError as error:
        raise PeerUnavailableError(f"an answer to a search cannot be read: {error}") from error
    encodings = encodings_of(head.value(tags["SpecificCharacterSet"]))
    return {keyword: decode_text(head.value(tags[keyword]), encodings) for keyword in keywords}
