"""The one error tree of the node.

    DicomNodeError
    ├── SettingsError            a setting is wrong or missing (exit status 2)
    ├── UsageError               a command was called wrongly (exit status 2)
    ├── InputError               what came in cannot be used
    │   ├── NotDicomError        the bytes are not a DICOM instance
    │   ├── IdentityError        patient or study identity contradicts what is known
    │   ├── ConflictError        same SOP Instance UID, other content
    │   └── ImageError           a series cannot be read as an image that can be trusted
    │       ├── GeometryError    positions, orientations or spacings are inconsistent or missing
    │       └── PixelError       pixels cannot be decoded or interpreted
    ├── ScopeError               the input is sound but not what the model is made for
    ├── BundleError              a model bundle is incomplete, altered or not approved
    ├── DeviceMemoryError        a network needs more memory than any device here has
    ├── RecipeError              a training recipe or its data layout is wrong
    ├── TrainingError            a training run cannot go on
    ├── GateError                an evidence object failed the checks before sending
    ├── ArchiveError             the archive cannot keep or find something
    │   ├── ArchiveFullError     no space: refuse for now, the sender tries again
    │   ├── IndexDamagedError    the database holds no sound index any more
    │   └── NotFoundError        no such study, series, instance or job
    ├── StateError               what is asked for does not fit how things stand
    ├── AccessError              who asks may not have it
    │   ├── SignInError          a name, password, token or login opens nothing
    │   └── TooManyTriesError    too many of them were wrong: wait
    ├── ViewerError              the viewer's package cannot be had, or is not what it should be
    ├── PredictionError          files that somebody shows to a model get no answer
    │   ├── PredictionTimeError  it took too long
    │   └── BusyError            too many wait already: try again
    └── PeerError                another system did not do what was asked
        ├── PeerUnavailableError the peer is away, refused the association or timed out: try again
        └── PeerRefusedError     the peer answered, and the answer is no

Each message names the thing, what was wrong and what to do. Messages carry UIDs, never names or
patient IDs.
"""

from __future__ import annotations

import math
import traceback
from pathlib import PurePath


class DicomNodeError(Exception):
    """Root of every error that the node raises on purpose."""


class SettingsError(DicomNodeError):
    """A setting is wrong or missing."""


class UsageError(DicomNodeError):
    """A command was called wrongly."""


class InputError(DicomNodeError):
    """What came in cannot be used."""


class NotDicomError(InputError):
    """The bytes are not a DICOM instance (PS3.10), or lack what identifies one."""


class IdentityError(InputError):
    """Patient or study identity contradicts what is known of the study."""


class ConflictError(InputError):
    """An instance of this SOP Instance UID is here already, with other content."""


class ImageError(InputError):
    """A series cannot be read as an image that can be trusted."""


class GeometryError(ImageError):
    """Positions, orientations or spacings are inconsistent or missing."""


class PixelError(ImageError):
    """Pixels cannot be decoded or interpreted."""


class ScopeError(DicomNodeError):
    """The input is sound but not what the model is made for."""


class BundleError(DicomNodeError):
    """A model bundle is incomplete, altered or not approved."""


class DeviceMemoryError(DicomNodeError):
    """A network needs more memory for one image than any device here has."""


class RecipeError(DicomNodeError):
    """A training recipe or the data layout it expects is wrong."""


class TrainingError(DicomNodeError):
    """A training run cannot go on, for example because its loss is not finite any more."""


class GateError(DicomNodeError):
    """An evidence object failed the checks before sending.

    Attributes:
        problems: One sentence per failed check.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ArchiveError(DicomNodeError):
    """The archive cannot keep or find something."""


class ArchiveFullError(ArchiveError):
    """No space is left; the sender is asked to try again later."""


class IndexDamagedError(ArchiveError):
    """The database holds no sound index any more."""


class NotFoundError(ArchiveError):
    """No such study, series, instance, job or delivery."""


class StateError(DicomNodeError):
    """What is asked for does not fit how things stand: a job that runs cannot be tried again."""


class AccessError(DicomNodeError):
    """Who asks may not have it."""


class SignInError(AccessError):
    """A name, password, token or login opens nothing."""


class TooManyTriesError(AccessError):
    """Too many tries, or too many wrong ones.

    Attributes:
        seconds: When to come again.
    """

    def __init__(self, message: str, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(f"{message}: try again in {self.seconds} s")


class ViewerError(DicomNodeError):
    """The viewer's package cannot be had, or is not what it should be."""


class PredictionError(DicomNodeError):
    """Files that somebody shows to a model get no answer, for a reason that lies in the node."""


class PredictionTimeError(PredictionError):
    """The prediction took too long and was ended."""


class BusyError(PredictionError):
    """Too many predictions are waited for already; trying again helps."""


class PeerError(DicomNodeError):
    """Another system did not do what was asked."""


class PeerUnavailableError(PeerError):
    """The peer is away, refused the association or timed out; trying again may help."""


class PeerRefusedError(PeerError):
    """The peer answered, and the answer is no.

    Attributes:
        status: The DIMSE status (PS3.7 Annex C) or HTTP status code.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def describe(error: BaseException) -> str:
    """Say what went wrong in one line that is safe to log.

    The message of our own errors carries no names; that of any other may quote a data set, so only
    its class and place are told.
    """
    if isinstance(error, DicomNodeError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "dicomnode" in PurePath(frame.filename).parts] or frames
    place = f" at {PurePath(ours[-1].filename).name}:{ours[-1].lineno} in {ours[-1].name}" if ours else ""
    return f"unexpected {type(error).__name__}{place}"
