"""Tells a study's journey as spans: received, awaited, routed, jobs by their attempts, deliveries and proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dicomnode.archive.journeys import Journey, Passage, Work
from dicomnode.archive.records import DeliveryState, JobState, TraceEntry
from dicomnode.watch.spans.span import Span, SpanEvent, SpanId, Value, identify

_ENDS = frozenset({"attempt failed", "answered", "failed", "superseded", "out of scope"})
_BAD = frozenset({"attempt failed", "failed"})
_GIVEN_UP = frozenset({DeliveryState.REFUSED, DeliveryState.HELD})


@dataclass(frozen=True, slots=True)
class Story:
    """Makes the spans of one journey.

    Attributes:
        journey: What is told.
        hide_uids: Whether a digest stands for the Study Instance UID.
    """

    journey: Journey
    hide_uids: bool = False

    def spans(self) -> list[Span]:
        """The whole first, then its parts."""
        parts = [*self._arrival(), *(span for work in self.journey.work for span in self._job(work))]
        journey, ends = self.journey, [span.end for span in parts]
        earlier = identify(journey.study_instance_uid, journey.earlier) if journey.earlier else None
        attributes: dict[str, Value] = {
            "dicom.study_instance_uid": self._uid(),
            "dicomnode.generation": journey.generation,
            "dicomnode.instances": journey.instances,
            "dicomnode.jobs": len(journey.work),
        }
        end = max((journey.completed, *ends))
        whole = Span("study", self._root(), None, journey.first_arrival, end, attributes, follows=earlier)
        return [whole, *parts]

    def _arrival(self) -> Iterator[Span]:
        journey = self.journey
        received: dict[str, Value] = {"dicomnode.instances": journey.instances}
        yield self._part(self._root(), "receive", journey.first_arrival, journey.last_arrival, received)
        yield self._part(self._root(), "await completion", journey.last_arrival, journey.completed)
        if journey.routed is not None:
            yield self._part(self._root(), "route", journey.completed, journey.routed)

    def _job(self, work: Work) -> Iterator[Span]:
        own = identify(self.journey.study_instance_uid, self.journey.generation, "job", work.job_id)
        parts = [*self._attempts(work, own)]
        ended = work.finished or max((work.created, *(span.end for span in parts)))
        attributes: dict[str, Value] = {
            "dicomnode.model": work.model_name,
            "dicomnode.job": work.job_id,
            "dicomnode.kind": work.kind,
            "dicomnode.state": work.state,
            "dicomnode.outcome": work.outcome or "none",
        }
        events = tuple(
            SpanEvent("evidence", item.created, {"dicomnode.role": item.role, "dicomnode.gate": item.state})
            for item in work.documents
        )
        problem = (work.error or "failed") if work.state == JobState.FAILED else ""
        name = f"job {work.model_name}"
        yield Span(name, own, self._root(), work.created, ended, attributes, events, problem)
        yield from parts
        for number, passage in enumerate(work.passages):
            yield from self._delivery(work, passage, number)

    def _attempts(self, work: Work, job: SpanId) -> Iterator[Span]:
        begun = [line for line in work.events if line.event == "started"]
        if begun:
            yield self._part(job, "queue", work.created, begun[0].at)
        for number, line in enumerate(begun, start=1):
            end = _end_of(line, work)
            problem = end.text if end is not None and end.event in _BAD else ""
            until = end.at if end is not None else work.finished or line.at
            attempt = self._part(job, f"attempt {number}", line.at, until, problem=problem)
            yield attempt
            if work.began_result is not None and line.at <= work.began_result <= until:
                yield self._part(attempt.identity, "read", line.at, work.began_result)
                yield self._part(attempt.identity, "analyse and report", work.began_result, until)

    def _delivery(self, work: Work, passage: Passage, number: int) -> Iterator[Span]:
        attributes: dict[str, Value] = {
            "dicomnode.target": passage.target,
            "dicomnode.role": passage.role,
            "dicomnode.state": passage.state,
            "dicomnode.attempts": passage.attempts,
        }
        own = identify(self.journey.study_instance_uid, self.journey.generation, "delivery", work.job_id, number)
        sent = passage.sent or passage.updated
        problem = passage.state if passage.state in _GIVEN_UP else ""
        name = f"deliver to {passage.target}"
        yield Span(name, own, self._root(), passage.queued, _late(passage.queued, sent), attributes, (), problem)
        if passage.proven is not None:
            proof: dict[str, Value] = {"dicomnode.proof": passage.proof}
            yield self._part(own, "prove", sent, passage.proven, proof)

    def _part(
        self,
        parent: SpanId,
        name: str,
        start: datetime,
        end: datetime,
        attributes: dict[str, Value] | None = None,
        problem: str = "",
    ) -> Span:
        identity = identify(self.journey.study_instance_uid, self.journey.generation, name, parent.span)
        return Span(name, identity, parent, start, _late(start, end), attributes or {}, (), problem)

    def _root(self) -> SpanId:
        return identify(self.journey.study_instance_uid, self.journey.generation)

    def _uid(self) -> str:
        uid = self.journey.study_instance_uid
        return hashlib.sha256(uid.encode()).hexdigest() if self.hide_uids else uid


def _end_of(begun: TraceEntry, work: Work) -> TraceEntry | None:
    """The line that ends an attempt; None where its worker died without a word."""
    after = work.events[work.events.index(begun) + 1 :]
    following = next((line for line in after if line.event in _ENDS or line.event == "started"), None)
    return following if following is not None and following.event in _ENDS else None


def _late(start: datetime, end: datetime) -> datetime:
    """Never before the start, whatever was done to the clock."""
    return max(start, end)
