"""How each error is answered: one table for C-STORE and STOW-RS."""

from __future__ import annotations

from dataclasses import dataclass

from dicomnode.errors import (
    ArchiveError,
    ArchiveFullError,
    ConflictError,
    IdentityError,
    InputError,
    NotDicomError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender is told.

    Attributes:
        dimse_status: C-STORE status (PS3.4 B.2.3, PS3.7 9.1.1.1.9).
        failure_reason: (0008,1197) of a STOW-RS response (PS3.18 I.2.2).
        transient: True if the same instance may be accepted later.
        comment: (0000,0902), at most 64 characters, no PHI.
    """

    dimse_status: int
    failure_reason: int
    transient: bool
    comment: str


class MismatchError(InputError):
    """The data set is not the instance that the request announced."""


class StudyMismatchError(MismatchError):
    """The data set belongs to another study than the one that the request named."""


class StorageClassError(InputError):
    """The data set is of a SOP class that is not for storage."""


class QuotaError(ArchiveFullError):
    """A peer has sent as much as it may for now."""


# The first entry whose class fits counts. A conflict is answered with a failure of the class "cannot
# understand": 0x0111 (duplicate) makes some senders believe that their object is here.
_ANSWERS: tuple[tuple[type[Exception], Answer], ...] = (
    (QuotaError, Answer(0xA700, 0xA700, True, "quota of today is used up, try again later")),
    (ArchiveFullError, Answer(0xA700, 0xA700, True, "out of space, try again later")),
    (ArchiveError, Answer(0xA701, 0xA700, True, "archive is busy, try again later")),
    (OSError, Answer(0xA702, 0xA700, True, "storage failed, try again later")),
    (StudyMismatchError, Answer(0xA900, 0xA900, False, "Study Instance UID is not the one of the request")),
    (MismatchError, Answer(0xA900, 0xA900, False, "data set and command name different objects")),
    (StorageClassError, Answer(0x0122, 0x0122, False, "SOP class is not for storage")),
    (ConflictError, Answer(0xC111, 0xC111, False, "same SOP Instance UID, other content; kept aside")),
    (IdentityError, Answer(0xC112, 0xC112, False, "patient or study identity contradicts the archive")),
    (NotDicomError, Answer(0xC000, 0xC000, False, "not a readable DICOM data set")),
    (InputError, Answer(0xC001, 0xC001, False, "data set cannot be used")),
)
_UNEXPECTED = Answer(0x0110, 0x0110, False, "processing failure")


def answers() -> tuple[tuple[type[Exception], Answer], ...]:
    """Every error that is foreseen and its answer, in the order in which they are tried; last, any other."""
    return (*_ANSWERS, (Exception, _UNEXPECTED))


def answer_to(error: Exception) -> Answer:
    """The answer to an error; anything unforeseen is a processing failure."""
    return next((answer for kind, answer in _ANSWERS if isinstance(error, kind)), _UNEXPECTED)
