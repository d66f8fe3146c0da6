"""What senders saw acknowledged: the one thing that must never be lost."""

from __future__ import annotations

import hashlib
import struct
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Acknowledged:
    """An instance for which a sender saw success.

    Attributes:
        study: Study Instance UID.
        instance: SOP Instance UID.
        digest: SHA-256 of the data set's bytes as they went out.
    """

    study: str
    instance: str
    digest: str


class Ledger:
    """Acknowledgements, written down by several senders at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._acknowledged: dict[str, Acknowledged] = {}
        self._whole: set[str] = set()

    def acknowledged(self, study: str, instance: str, path: Path) -> None:
        """Note a success status for an instance."""
        entry = Acknowledged(study, instance, data_set_digest(path))
        with self._guard:
            self._acknowledged[instance] = entry

    def whole(self, study: str) -> None:
        """Note that every instance of a study was acknowledged."""
        with self._guard:
            self._whole.add(study)

    @property
    def instances(self) -> tuple[Acknowledged, ...]:
        with self._guard:
            return tuple(self._acknowledged.values())

    @property
    def studies(self) -> frozenset[str]:
        """Studies that arrived as a whole."""
        with self._guard:
            return frozenset(self._whole)


def data_set_digest(path: Path) -> str:
    """SHA-256 of a Part 10 file's data set, without its file meta information (PS3.10 7.1)."""
    content = path.read_bytes()
    if content[128:132] != b"DICM":
        raise ValueError(f"{path.name} is no Part 10 file")
    (length,) = struct.unpack_from("<I", content, 140)
    return hashlib.sha256(content[144 + length :]).hexdigest()
