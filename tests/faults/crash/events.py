"""What a trace says, as values: changes of files and names, syncs, and what was told to the outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes written to a file."""

    path: PurePosixPath
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file cut or grown to a size in bytes."""

    path: PurePosixPath
    size: int


@dataclass(frozen=True, slots=True)
class Create:
    """A name given to a new file or folder."""

    path: PurePosixPath
    folder: bool


@dataclass(frozen=True, slots=True)
class Rename:
    """A name moved; what the target named before is gone."""

    source: PurePosixPath
    target: PurePosixPath


@dataclass(frozen=True, slots=True)
class Remove:
    """A name taken away."""

    path: PurePosixPath


@dataclass(frozen=True, slots=True)
class Sync:
    """A file's bytes or a folder's names made durable.

    Attributes:
        path: File or folder.
        since: Number of events before the call was entered; what came later is not covered.
    """

    path: PurePosixPath
    since: int


@dataclass(frozen=True, slots=True)
class SyncAll:
    """Everything made durable, bytes and names.

    Attributes:
        since: As of `Sync`.
    """

    since: int


@dataclass(frozen=True, slots=True)
class Told:
    """Something said to the outside, which must stay true.

    ``stored UID``, ``finished JOB``, ``delivered NUMBER``; ``forgetting STUDY`` and then ``forgotten STUDY``.
    """

    text: str


Event = Write | Truncate | Create | Rename | Remove | Sync | SyncAll | Told
