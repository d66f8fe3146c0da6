"""A study's trace in words: what happened, and of every model why it ran or did not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Job, JobKind, JobState, StudyRecord, TraceEntry
from dicomnode.web.api.study.results import last_jobs
from dicomnode.web.api.views import View
from dicomnode.web.languages import marked

# What an event of the trace is called, and whether it is good, bad, or neither.
_EVENTS: dict[str, tuple[str, str]] = {
    "received": (marked("images came in"), "plain"),
    "polled": (marked("fetched from a PACS"), "plain"),
    "complete": (marked("the study was complete"), "good"),
    "reopened": (marked("more images came"), "busy"),
    "conflict": (marked("an image contradicts another"), "bad"),
    "identity conflict": (marked("the patient's identity is in doubt"), "bad"),
    "identity settled": (marked("the patient's identity was settled"), "good"),
    "routing": (marked("why this model"), "plain"),
    "replay": (marked("run again"), "busy"),
    "started": (marked("the model began"), "busy"),
    "attempt failed": (marked("an attempt failed"), "bad"),
    "retry": (marked("tried again"), "busy"),
    "superseded": (marked("overtaken by newer images"), "plain"),
    "failed": (marked("the model failed"), "bad"),
    "answered": (marked("the model answered"), "good"),
    "quarantined": (marked("held back"), "bad"),
    "released": (marked("released"), "good"),
    "recalled": (marked("taken back"), "bad"),
    "queued": (marked("to be sent"), "busy"),
    "delivered": (marked("delivered"), "good"),
    "warning": (marked("delivered with a warning"), "busy"),
    "refused": (marked("refused by the target"), "bad"),
    "held": (marked("held by the node"), "bad"),
    "replaced": (marked("replaced before sending"), "plain"),
    "covered": (marked("not sent: another document says it"), "plain"),
    "cancelled": (marked("not sent any more"), "plain"),
    "committed": (marked("the target committed to it"), "good"),
    "visible": (marked("the target shows it"), "good"),
    "unproven": (marked("delivered, without proof"), "plain"),
    "not proven": (marked("the target does not have it"), "bad"),
    "sent again": (marked("sent again"), "busy"),
}


class EventView(View):
    """A line of the trace; ``tone`` is good, bad, busy or plain, ``text`` stands as it was recorded."""

    at: datetime
    generation: int
    event: str
    title: str
    tone: str
    model: str
    text: str


class WhyView(View):
    """Why a model ran on the study, or did not; ``ran`` is false if it was not run.

    ``generation`` is that of the last completion, or of the last time that the study ran again, that asked the model.
    """

    model: str
    generation: int
    ran: bool
    why: str
    state: str


class TraceView(View):
    """A study's trace, grouped and whole."""

    study_uid: str
    models: tuple[WhyView, ...]
    events: tuple[EventView, ...]


def story_of(archive: Archive, record: StudyRecord) -> TraceView:
    """The trace of a study; its first line tells what came in."""
    entries = archive.traces.list(record.study_instance_uid)
    jobs = archive.jobs.list(record.study_instance_uid)
    called, calling = archive.studies.ae_titles(record.study_instance_uid)
    events = [_received(record, entries, called, calling), *map(_event, entries)]
    return TraceView(study_uid=record.study_instance_uid, models=_models(record, entries, jobs), events=tuple(events))


def _models(record: StudyRecord, entries: Sequence[TraceEntry], jobs: Iterable[Job]) -> tuple[WhyView, ...]:
    last = {job.model_name: job for job in last_jobs(jobs)}
    # When a study runs again for one model only, the others are not asked: what they said before holds.
    routed = (entry for entry in entries if entry.event == "routing" and entry.generation <= record.routed_generation)
    newest = {entry.model_name or "study": entry for entry in routed}
    return tuple(_why(model, entry, last.get(model)) for model, entry in sorted(newest.items()))


def _why(model: str, entry: TraceEntry, job: Job | None) -> WhyView:
    asked = job is not None and job.generation == entry.generation
    ran = job is not None and asked and job.kind is JobKind.INFER and job.state is not JobState.SUPERSEDED
    state = job.state if job is not None and asked else ""
    return WhyView(model=model, generation=entry.generation, ran=ran, why=entry.text, state=state)


def _received(
    record: StudyRecord, entries: Sequence[TraceEntry], called: Sequence[str], calling: Sequence[str]
) -> EventView:
    # The record tells of the last time the study was open; its trace, of earlier ones too.
    first = min([record.first_arrival, *(entry.at for entry in entries)])
    sender = f" from {', '.join(calling)}" if calling else ""
    addressed = f" to {', '.join(called)}" if called else ""
    text = f"{record.source_instances} instance(s) so far{sender}{addressed}"
    return _event(TraceEntry(record.study_instance_uid, 0, "received", None, text, first))


def _event(entry: TraceEntry) -> EventView:
    title, tone = _EVENTS.get(entry.event, (entry.event.replace("_", " "), "plain"))
    return EventView(
        at=entry.at,
        generation=entry.generation,
        event=entry.event,
        title=title,
        tone=tone,
        model=entry.model_name or "",
        text=entry.text,
    )
