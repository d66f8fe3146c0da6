"""STOW-RS (PS3.18 10.5): instances of a multipart request into the archive, and the answer to the sender."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin
from dicomnode.dicom.header import InstanceHeader
from dicomnode.errors import DicomNodeError
from dicomnode.intake.negotiation import is_storage
from dicomnode.intake.sending import Sending
from dicomnode.intake.statuses import Answer, StorageClassError, answer_to
from dicomnode.intake.storing import Announced, store_stream
from dicomnode.peers.multipart import MultipartError, Part, parse_content_type, parse_multipart
from dicomnode.study import Instance

_LOG = logging.getLogger(__name__)
JsonDataset = dict[str, dict[str, object]]

__all__ = [
    "FailedInstance",
    "MultipartError",
    "OneByOne",
    "Part",
    "StoredInstance",
    "StowOutcome",
    "outcome_of",
    "parse_content_type",
    "parse_multipart",
    "refusal",
    "store_instances",
]


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance that is kept, be it for the first time or known already.

    Attributes:
        warning: Warning Reason (0008,1196), None if it is kept as it was sent.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    warning: int | None = None


@dataclass(frozen=True, slots=True)
class FailedInstance:
    """An instance that is not kept.

    Attributes:
        sop_class_uid: None if it could not be read.
        sop_instance_uid: None if it could not be read.
        reason: Failure Reason (0008,1197).
        transient: True if it may be accepted later.
        comment: One line for the sender, no PHI.
    """

    sop_class_uid: str | None
    sop_instance_uid: str | None
    reason: int
    transient: bool
    comment: str


@dataclass(frozen=True, slots=True)
class StowOutcome:
    """What became of a request."""

    stored: tuple[StoredInstance, ...]
    failed: tuple[FailedInstance, ...]

    @property
    def http_status(self) -> int:
        """200 all stored as sent, 202 some or with warnings, 409 none, 503 none but trying again may help.

        PS3.18 Table 10.5.3-1.
        """
        if not self.failed and self.stored and all(item.warning is None for item in self.stored):
            return 200
        if self.stored:
            return 202
        return 503 if self.failed and all(item.transient for item in self.failed) else 409

    def response(self, base_url: str) -> JsonDataset:
        """The Store Instances Response (PS3.18 I.2) in the DICOM JSON model (annex F).

        Args:
            base_url: Where the node's own WADO-RS answers, for the Retrieve URLs.
        """
        base = base_url.rstrip("/")
        dataset: JsonDataset = {}
        studies = sorted({item.study_instance_uid for item in self.stored})
        if len(studies) == 1:
            dataset["00081190"] = _value("UR", f"{base}/studies/{studies[0]}")
        named = [item for item in self.failed if item.sop_instance_uid and item.sop_class_uid]
        other = [item for item in self.failed if item not in named]
        if named:
            dataset["00081198"] = _value("SQ", *(_reference(item) | _reason(item) for item in named))
        if self.stored:
            dataset["00081199"] = _value("SQ", *(_stored_item(item, base) for item in self.stored))
        if other:
            dataset["0008119A"] = _value("SQ", *(_reason(item) for item in other))
        return dataset


def store_instances(
    archive: Archive,
    parts: Iterable[Part],
    origin: Origin,
    clock: Callable[[], datetime],
    study_instance_uid: str | None = None,
) -> StowOutcome:
    """Keep the instances of a request; what the outcome says is stored survives a power cut.

    Args:
        archive: Where to.
        parts: From `parse_multipart`.
        origin: Where they come from.
        clock: Present time.
        study_instance_uid: Study that the request's URL names; instances of others fail.

    Raises:
        MultipartError: The body does not follow the syntax or was cut off; instances before that are kept.
    """
    outcomes: list[StoredInstance | FailedInstance] = []
    with Sending(archive, clock) as sending:
        one = OneByOne(archive, sending, origin, clock, study_instance_uid)
        for part in parts:
            outcomes.append(one.keep(part.content) if part.media_type == "application/dicom" else _NOT_DICOM)
    return outcome_of(outcomes)


def outcome_of(outcomes: Iterable[StoredInstance | FailedInstance]) -> StowOutcome:
    """What became of each, as what became of the request."""
    known = tuple(outcomes)
    return StowOutcome(
        tuple(item for item in known if isinstance(item, StoredInstance)),
        tuple(item for item in known if isinstance(item, FailedInstance)),
    )


@dataclass(frozen=True, slots=True)
class OneByOne:
    """Keeps the instances of one request.

    Attributes:
        archive: Where to.
        sending: The request, which holds its studies open.
        origin: Where they come from.
        clock: Present time.
        study_instance_uid: Study that the request's URL names; instances of others fail.
    """

    archive: Archive
    sending: Sending
    origin: Origin
    clock: Callable[[], datetime]
    study_instance_uid: str | None

    def keep(self, content: Iterable[bytes]) -> StoredInstance | FailedInstance:
        """Keep one instance, a file in pieces.

        Raises:
            MultipartError: The body that holds it was cut off or does not follow the syntax.
        """
        seen = _Seen(self.sending)
        announced = Announced(study_instance_uid=self.study_instance_uid)
        try:
            stored = store_stream(
                self.archive, content, self.origin, self.clock(), announced, seen.accept, seen.remember
            )
        except MultipartError:
            raise
        except (DicomNodeError, OSError) as error:
            return seen.failure(refusal(error))
        self.sending.kept(stored.instance, self.origin)
        return _stored(stored.instance)


def refusal(error: DicomNodeError | OSError) -> Answer:
    """The answer to an instance that is not kept, which is logged."""
    answer = answer_to(error)
    _LOG.warning("an instance of a STOW-RS request was refused with 0x%04X: %s", answer.failure_reason, error)
    return answer


_NOT_DICOM = FailedInstance(None, None, 0xC000, False, "the part is not of media type application/dicom")


class _Seen:
    """Remembers the header of a part, for the answer should it fail afterwards."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._header: InstanceHeader | None = None

    def remember(self, header: InstanceHeader) -> None:
        self._header = header

    def accept(self, header: InstanceHeader) -> None:
        if not is_storage(header.sop_class_uid):
            raise StorageClassError(f"SOP class {header.sop_class_uid} is not for storage (PS3.4 B.5)")
        self._sending.touch(header.study_instance_uid)

    def failure(self, answer: Answer) -> FailedInstance:
        header = self._header
        return FailedInstance(
            header.sop_class_uid if header else None,
            header.sop_instance_uid if header else None,
            answer.failure_reason,
            answer.transient,
            answer.comment,
        )


def _stored(instance: Instance) -> StoredInstance:
    return StoredInstance(
        instance.sop_class_uid, instance.sop_instance_uid, instance.series_instance_uid, instance.study_instance_uid
    )


def _reference(item: StoredInstance | FailedInstance) -> JsonDataset:
    return {"00081150": _value("UI", item.sop_class_uid), "00081155": _value("UI", item.sop_instance_uid)}


def _reason(item: FailedInstance) -> JsonDataset:
    return {"00081197": _value("US", item.reason)}


def _stored_item(item: StoredInstance, base: str) -> JsonDataset:
    warning = {} if item.warning is None else {"00081196": _value("US", item.warning)}
    return _reference(item) | _retrieve(item, base) | warning


def _retrieve(item: StoredInstance, base: str) -> JsonDataset:
    url = (
        f"{base}/studies/{item.study_instance_uid}/series/{item.series_instance_uid}/instances/{item.sop_instance_uid}"
    )
    return {"00081190": _value("UR", url)}


def _value(vr: str, *values: object) -> dict[str, object]:
    return {"vr": vr, "Value": list(values)}
