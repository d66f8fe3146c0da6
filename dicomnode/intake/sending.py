"""What brings instances over HTTP holds its studies open until it ends, as an association does."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.audit import AuditEvent, AuditKind, AuditObject
from dicomnode.study import Instance


class Sending:
    """One association, HTTP request or retrieval; completion waits for its end.

    Args:
        archive: Where its studies are.
        clock: Present time.
    """

    def __init__(self, archive: Archive, clock: Callable[[], datetime]) -> None:
        self._archive = archive
        self._clock = clock
        self._id = secrets.token_hex(16)
        self._studies: set[str] = set()
        self._kept: Counter[tuple[str, str]] = Counter()
        self._origin: Origin | None = None
        self._ended = self._released = self._refused = False
        self._guard = threading.Lock()

    def touch(self, study_instance_uid: str) -> None:
        """Before an instance is kept: note whose end its study has to wait for."""
        with self._guard:
            if study_instance_uid in self._studies:
                return
            if not self._studies:
                self._archive.associations.opened(self._id, self._clock())
            self._archive.associations.touched(self._id, study_instance_uid, self._clock())
            self._studies.add(study_instance_uid)
            if self._ended:
                # The connection broke while this instance was on its way to the disk: nothing follows it.
                self._archive.associations.closed(self._id, self._clock())

    def kept(self, instance: Instance, origin: Origin) -> None:
        """After an instance is kept: count it for the audit."""
        with self._guard:
            self._kept[instance.study_instance_uid, instance.sop_class_uid] += 1
            self._origin = origin

    def released(self) -> None:
        """Before its end: note that the sender says that it sent everything (PS3.8 7.2)."""
        self._released = True

    def refused(self) -> None:
        """Note an instance that was not kept: the sender may come back with it."""
        self._refused = True

    def close(self) -> None:
        """Note its end, once all that it brought is in the index; harmless afterwards.

        Raises:
            ArchiveError: The index cannot be written.
        """
        with self._guard:
            was_open, self._ended = not self._ended, True
            if was_open and self._studies:
                self._archive.instances.flush()
                clean = self._released and not self._refused
                self._archive.associations.closed(self._id, self._clock(), self._transferred(), clean=clean)

    def _transferred(self) -> AuditEvent | None:
        if self._origin is None:
            return None
        classes: dict[str, list[tuple[str, int]]] = {}
        for (study, sop_class_uid), count in self._kept.items():
            classes.setdefault(study, []).append((sop_class_uid, count))
        objects = tuple(AuditObject(study, tuple(found)) for study, found in classes.items())
        origin = self._origin
        called = f", called as {origin.called_ae_title}" if origin.called_ae_title else ""
        detail = f"{self._kept.total()} instance(s) by {origin.way}{called}"
        return AuditEvent("instances received", detail, AuditKind.TRANSFERRED, _sender(origin), objects=objects)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()


def _sender(origin: Origin) -> str:
    by_address = origin.way in (Way.C_STORE, Way.STOW)
    return f"{origin.calling_ae_title}@{origin.peer}" if by_address else origin.peer
