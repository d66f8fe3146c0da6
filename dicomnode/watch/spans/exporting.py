"""Sends traces to a collector by OTLP over HTTP; what it does not take waits, and studies never do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from dicomnode import __version__
from dicomnode.archive import Archive
from dicomnode.delivery.backoff import backoff
from dicomnode.errors import describe
from dicomnode.settings import Settings, TelemetrySettings, read_secret
from dicomnode.watch.spans.span import Span, SpanId
from dicomnode.watch.spans.story import Story

_LOG = logging.getLogger(__name__)
_ROUND_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 300.0
_TIMEOUT_SECONDS = 4.0
_BATCH = 20
_MOST_REFUSED = 3
_MARK, _SINCE = "telemetry", "telemetry since"
_MARK_EVERY = timedelta(minutes=10)


class Telemetry:
    """Follows the index, and tells of each completion once nothing follows from it any more.

    How far it has come stands in the index; the identifiers of spans follow from what they are about. So a restart
    loses nothing, and what a killed process had sent without noting it arrives again as the same spans.
    """

    def __init__(
        self,
        archive: Archive,
        settings: Settings,
        exporter: SpanExporter,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        """Prepare it.

        Args:
            archive: Holds the times.
            settings: Of the node.
            exporter: Takes spans.
            clock: Present time, with time zone.
            jitter: Random numbers, 0..1.
        """
        self._archive = archive
        self._settings = settings.telemetry
        self._exporter = exporter
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._since = datetime.max.replace(tzinfo=UTC)  # what completed before is nobody's wish
        attributes = {"service.name": self._settings.service_name, "service.version": __version__}
        self._resource = Resource({**attributes, "dicomnode.ae_title": settings.node.ae_title})

    def run(self, stop: Event) -> None:
        """Send until told to stop."""
        while not stop.is_set():
            pause = _ROUND_SECONDS
            try:
                if not self.send_due(stop):
                    self._failures += 1
                    pause = max(pause, backoff(self._failures, _LONGEST_PAUSE_SECONDS, self._jitter()))
                else:
                    self._failures = 0
            except Exception as error:  # noqa: BLE001  whatever becomes of traces, studies go their way
                _LOG.error("traces are sent later: %s", describe(error))
                pause = _LONGEST_PAUSE_SECONDS
            stop.wait(pause)

    def send_due(self, stop: Event) -> bool:
        """Send what came to rest; false if the collector does not take some of it.

        One that it does not take does not keep the others waiting, unless it takes none at all.
        """
        now = self._clock()
        mark, patience = self._mark(now), now - timedelta(hours=self._settings.patience_hours)
        refused = 0
        for study_instance_uid, _ in self._archive.journeys.at_rest(mark, patience, _BATCH):
            if stop.is_set() or refused >= _MOST_REFUSED:
                break
            for generation in self._archive.journeys.untold(study_instance_uid):
                if not self._tell(study_instance_uid, generation):
                    refused += 1
                    break
        return not refused

    def _tell(self, study_instance_uid: str, generation: int) -> bool:
        journey = self._archive.journeys.read(study_instance_uid, generation)
        if journey is not None and journey.completed >= self._since:
            spans = [self._readable(span) for span in Story(journey, self._settings.hide_uids).spans()]
            if self._exporter.export(spans) is not SpanExportResult.SUCCESS:
                if self._failures == 0:
                    _LOG.warning("the collector at telemetry.endpoint takes no traces just now; they wait")
                return False
        self._archive.journeys.told(study_instance_uid, generation)
        return True

    def _mark(self, now: datetime) -> datetime:
        """What completed before is told of, or older than the wish to tell; moved on now and then."""
        text = self._archive.watermarks.get(_MARK)
        if text is None:
            self._archive.watermarks.set(_SINCE, now.isoformat())
            self._archive.watermarks.set(_MARK, now.isoformat())
        self._since = min(now, datetime.fromisoformat(self._archive.watermarks.get(_SINCE) or now.isoformat()))
        mark = min(now, datetime.fromisoformat(text or now.isoformat()))
        reached = min(self._archive.journeys.oldest(mark) or now, now) - _MARK_EVERY
        if reached - mark > _MARK_EVERY:
            self._archive.watermarks.set(_MARK, reached.isoformat())
        return mark

    def _readable(self, span: Span) -> ReadableSpan:
        events = [SdkEvent(item.name, dict(item.attributes), _nanoseconds(item.at)) for item in span.events]
        links = [] if span.follows is None else [Link(_context(span.follows), {"dicomnode.relation": "reopened"})]
        status = Status(StatusCode.ERROR, span.problem) if span.problem else Status(StatusCode.UNSET)
        return ReadableSpan(
            span.name,
            _context(span.identity),
            None if span.parent is None else _context(span.parent),
            self._resource,
            dict(span.attributes),
            events,
            links,
            SpanKind.INTERNAL,
            status=status,
            start_time=_nanoseconds(span.start),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=InstrumentationScope("dicomnode", __version__),
        )


def make_exporter(settings: TelemetrySettings) -> SpanExporter:
    """The exporter to the collector of the settings.

    Raises:
        SettingsError: The secret is not there.
    """
    headers = {}
    if settings.authorization is not None:
        headers["authorization"] = read_secret(settings.authorization, "telemetry.authorization")
    return OTLPSpanExporter(endpoint=settings.endpoint, headers=headers, timeout=_TIMEOUT_SECONDS)


def _context(identity: SpanId) -> SpanContext:
    return SpanContext(identity.trace, identity.span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(at: datetime) -> int:
    """Since 1970, exactly: a float of so many digits is not."""
    seconds = int(at.replace(microsecond=0).timestamp())
    return seconds * 1_000_000_000 + at.microsecond * 1000
