"""What is asked of the web role and what it gives out, for the audit (PS3.15 A.5.3.4 and A.5.3.10)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from fastapi import Request

from dicomnode.archive.archive import Archive
from dicomnode.archive.study_list import StudyFilter
from dicomnode.dicom.audit import AuditKind

_AGAIN_AFTER = timedelta(minutes=10)
_MOST_REMEMBERED = 10_000


class GivenOut:
    """Who got what a short while ago: a viewer asks for each frame of a study, and that is one access."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._guard = threading.Lock()

    def is_new(self, actor: str, what: str, now: datetime) -> bool:
        """Whether this access has to be told."""
        key = (actor, what)
        with self._guard:
            last = self._last.get(key)
            if last is not None and now - last < _AGAIN_AFTER:
                return False
            self._last[key] = now
            self._last.move_to_end(key)
            if len(self._last) > _MOST_REMEMBERED:
                self._last.popitem(last=False)
            return True


def note_query(request: Request, archive: Archive, resource: str) -> None:
    """Write down a search: its keys, not their values, which may name a patient."""
    keys = ", ".join(sorted({key for key, _ in request.query_params.multi_items()})) or "nothing"
    detail = f"QIDO-RS search for {resource} by {keys}"
    archive.audit.add("search", detail, datetime.now(UTC), kind=AuditKind.QUERY, actor=actor_of(request))


def note_list(request: Request, archive: Archive, wanted: StudyFilter) -> None:
    """Write down a search in the list of studies, without its values; once, since the page asks again by itself."""
    keys = sorted(name for name, value in asdict(wanted).items() if value)
    given: GivenOut = request.app.state.given_out
    actor, now = actor_of(request), datetime.now(UTC)
    if keys and given.is_new(actor, repr(wanted), now):
        detail = f"list of studies by {', '.join(keys)}"
        archive.audit.add("search", detail, now, kind=AuditKind.QUERY, actor=actor)


def note_access(request: Request, archive: Archive, study_instance_uid: str, how: str = "WADO-RS") -> None:
    """Write down that a study, or a part of it, was given out."""
    given: GivenOut = request.app.state.given_out
    actor, now = actor_of(request), datetime.now(UTC)
    if given.is_new(actor, study_instance_uid, now):
        study = [study_instance_uid]
        archive.audit.add("retrieval", how, now, kind=AuditKind.ACCESSED, actor=actor, objects=study)


def actor_of(request: Request) -> str:
    """Who asks: the account, if somebody signed in, and the address."""
    principal = getattr(request.state, "principal", None)
    return f"{getattr(principal, 'name', '')}@{request.client.host if request.client else ''}"
