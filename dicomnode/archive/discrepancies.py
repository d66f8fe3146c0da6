"""What a comparison of files and index finds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Fault(StrEnum):
    """How files and index contradict each other."""

    NO_FILE = "row without file"
    OTHER_BYTES = "file differs from its row"
    NO_ROW = "file without row"
    DAMAGED = "file differs from its name"
    LEFT_OVER = "left by a process that ended"
    NOT_INDEXED = "acknowledged by a process that ended before it was indexed"
    MISCOUNTED = "counts differ from the rows"


class Holding(StrEnum):
    """Which kind of object is concerned; the name of its table."""

    INSTANCES = "instances"
    EVIDENCE = "evidence"
    SUBSTITUTES = "substitutes"
    STAGING = "staging"
    CONTENTS = "contents"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class FileRow:
    """What the index says of a file.

    Attributes:
        holding: Its table.
        sop_instance_uid: (0008,0018).
        path: Relative to the data folder.
        sha256: Hex digest that the file must have.
    """

    holding: Holding
    sop_instance_uid: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One contradiction.

    Attributes:
        fault: What is wrong.
        holding: What kind of object is concerned.
        path: The file, relative to the data folder; it may be absent. The folder itself if it is about no file.
        sop_instance_uid: Of the row, empty for a file without one.
        outcome: What was done about it, empty if nothing was.
        mended: Whether it is as if nothing had been wrong.
        study_instance_uid: Of a study that is concerned as a whole, else empty.
    """

    fault: Fault
    holding: Holding
    path: Path
    sop_instance_uid: str = ""
    outcome: str = ""
    mended: bool = False
    study_instance_uid: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether somebody should do something; an answer that a killed worker did not finish harms nobody."""
        return not self.mended and (self.fault, self.holding) != (Fault.NO_ROW, Holding.EVIDENCE)

    def __str__(self) -> str:
        done = f"; {self.outcome}" if self.outcome else ""
        if self.study_instance_uid:
            return f"{self.holding}: {self.fault}: study {self.study_instance_uid}{done}"
        which = f"{self.sop_instance_uid} " if self.sop_instance_uid else ""
        return f"{self.holding}: {self.fault}: {which}{self.path.as_posix()}{done}"
