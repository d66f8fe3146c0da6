"""An instance on its way in by C-STORE: taken piece by piece, answered at its end (PS3.4 B.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Stored, StoredStatus
from dicomnode.archive.staged import StagedFile
from dicomnode.dicom.header import InstanceHeader
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import ConflictError, DicomNodeError, NotDicomError
from dicomnode.intake.admission import Peer, over_quota
from dicomnode.intake.glance import Glance
from dicomnode.intake.sending import Sending
from dicomnode.intake.statuses import QuotaError, answer_to
from dicomnode.intake.storing import Announced, Chunk, keep_staged, require_announced, require_content
from dicomnode.intake.tallying import Tallies

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What a C-STORE-RQ says of the instance that follows it.

    Attributes:
        sop_class_uid: Affected SOP Class UID (0000,0002), as it came.
        sop_instance_uid: Affected SOP Instance UID (0000,1000), as it came.
        transfer_syntax_uid: Of its presentation context.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """What a C-STORE-RSP says.

    Attributes:
        status: (0000,0900).
        comment: (0000,0902), empty with success.
    """

    status: int
    comment: str = ""


_SUCCESS = StoreAnswer(0x0000)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where instances go, and what is counted of them.

    Attributes:
        archive: Keeps them.
        tallies: Counts them by peer.
        clock: Present time.
    """

    archive: Archive
    tallies: Tallies
    clock: Callable[[], datetime]


class Arrival:
    """Takes the pieces of one data set. What goes wrong is kept for the answer, and the rest of it passed over.

    Args:
        shelf: Where it goes.
        request: What was announced.
        origin: Where it comes from.
        peer: Who sends it.
        sending: Its association, as completion sees it.
    """

    def __init__(self, shelf: Shelf, request: StoreRequest, origin: Origin, peer: Peer, sending: Sending) -> None:
        self._shelf = shelf
        self._request = request
        self._origin = origin
        self._peer = peer
        self._sending = sending
        self._content = 0
        self._glance: Glance | None = None
        self._staged: StagedFile | None = None
        self._failure: DicomNodeError | OSError | None = None
        try:
            self._staged = self._begin()
        except (DicomNodeError, OSError) as error:
            self._failure = error

    def write(self, data: Chunk) -> None:
        """Take the next piece of the data set."""
        self._content += len(data)
        if self._staged is None:
            return
        if self._glance is None:
            self._glance = Glance(memoryview(data), self._request.transfer_syntax_uid)
        try:
            self._staged.write(data)
        except (DicomNodeError, OSError) as error:
            self._fail(error)

    def finish(self) -> StoreAnswer:
        """Keep the instance; success means that it survives a power cut."""
        try:
            stored, size = self._keep()
        except (DicomNodeError, OSError) as error:
            return self._refusal(error)
        finally:
            self.drop()
        again = stored.status is StoredStatus.DUPLICATE
        self._shelf.tallies.count(self._peer.name, size=size, instances=1, duplicates=int(again))
        return _SUCCESS

    def drop(self) -> None:
        """Leave nothing behind of what is not kept; harmless afterwards."""
        if self._staged is not None:
            self._staged.discard()
            self._staged = None

    def _begin(self) -> StagedFile:
        quota = over_quota(self._peer, self._shelf.tallies.bytes_today(self._peer.name))
        if quota:
            raise QuotaError(quota)
        request = self._request
        for uid in (request.sop_class_uid, request.sop_instance_uid):
            if not valid_uid(uid):
                raise NotDicomError("the request's SOP Class or Instance UID is not a UID (PS3.5 9.1)")
        head = part10_preamble(
            request.sop_class_uid,
            request.sop_instance_uid,
            request.transfer_syntax_uid,
            self._origin.calling_ae_title or "",
        )
        staged = self._shelf.archive.instances.new_file()
        try:
            staged.write(head)
        except BaseException:
            staged.discard()
            raise
        return staged

    def _keep(self) -> tuple[Stored, int]:
        if self._failure is not None:
            raise self._failure
        require_content(self._content)
        if self._staged is None:
            raise NotDicomError("the instance was given up before its end")
        stored = self._landed(self._staged)
        self._sending.kept(stored.instance, self._origin)
        return stored, self._staged.size

    def _landed(self, staged: StagedFile) -> Stored:
        archive, now = self._shelf.archive, self._shelf.clock()
        announced = Announced(self._request.sop_instance_uid, self._request.sop_class_uid)
        header = self._glance.header if self._glance is not None and self._glance.is_whole(self._content) else None
        if header is None:
            return keep_staged(archive, staged, self._origin, now, announced, self._touch)
        require_announced(header, announced)
        self._touch(header)
        return archive.instances.land(staged, header, self._origin, now)

    def _touch(self, header: InstanceHeader) -> None:
        self._sending.touch(header.study_instance_uid)

    def _fail(self, error: DicomNodeError | OSError) -> None:
        self._failure = error
        self.drop()

    def _refusal(self, error: DicomNodeError | OSError) -> StoreAnswer:
        kind = "conflicts" if isinstance(error, ConflictError) else "refused"
        self._sending.refused()
        self._shelf.tallies.count(self._peer.name, **{kind: 1})
        answer = answer_to(error)
        uid, calling = self._request.sop_instance_uid, self._origin.calling_ae_title
        # Both names are the sender's own words: %r keeps line breaks out of the log.
        _LOG.warning("instance %r from %r refused with 0x%04X: %s", uid, calling, answer.dimse_status, error)
        return StoreAnswer(answer.dimse_status, answer.comment)
