"""Traces at an OTLP receiver: one for each completion, once, whole, and without patients."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState, JobKind, NewEvidence, NewJob, ProofState
from dicomnode.settings import Settings
from dicomnode.watch.spans.exporting import Telemetry, make_exporter
from tests.archives import SR, at, complete, make_file, open_archive, put
from tests.deliveries import Clock

STUDY = "1.2.3"


class Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server: Any = self.server
        server.asked.append((self.path, self.headers.get("Authorization")))
        if server.status == 200:
            server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Collector)
    server.requests, server.asked, server.status = [], [], 200
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path) as opened:
        yield opened


def telemetry(archive: Archive, collector: Any, clock: Clock, **more: Any) -> Telemetry:
    endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    settings = Settings.model_validate({"telemetry": {"endpoint": endpoint, **more}})
    return Telemetry(archive, settings, make_exporter(settings.telemetry), clock, lambda: 0.5)


def spans(collector: Any) -> list[Any]:
    return [
        span
        for request in collector.requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(of: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in of.attributes}


def seconds(span: Any) -> tuple[float, float]:
    """Begin and end, from `tests.archives.NOW` on."""
    zero = int(at(0).timestamp()) * 10**9
    return (span.start_time_unix_nano - zero) / 1e9, (span.end_time_unix_nano - zero) / 1e9


def arrive_and_route(archive: Archive, begin: float, number: int = 1) -> None:
    """Two images, five seconds apart, completed 15 s after the first and routed a second later."""
    put(archive, make_file(f"{STUDY}.{number}1"), at(begin))
    put(archive, make_file(f"{STUDY}.{number}2"), at(begin + 5))
    generation = complete(archive, STUDY, at(begin + 15))
    job = NewJob("brain", "d", JobKind.INFER, "", (f"{STUDY}.9",), ("pacs",), False)
    archive.jobs.add_all(STUDY, generation, [job], [("brain", "it fits")], at(begin + 16))


def work(archive: Archive, begin: float, number: int = 1) -> None:
    """An attempt that fails, one that answers, a delivery."""
    leased = archive.jobs.lease("me", at(begin), 60)
    assert leased is not None
    note = (STUDY, leased.generation, "started", "brain", "attempt")
    archive.traces.add(*note, at(begin))
    archive.jobs.retry_later(leased.job_id, "me", "no memory", at(begin + 2), at(begin + 1))
    assert archive.jobs.lease("me", at(begin + 3), 60) is not None
    archive.traces.add(*note, at(begin + 3))
    archive.results.begin(STUDY, "brain", f"digest {number}", at(begin + 4))
    uid = f"{STUDY}.8{number}"
    path = archive.evidence.write_file(make_file(uid, STUDY, SOPClassUID=SR, SeriesInstanceUID=f"{STUDY}.88"), uid)
    made = NewEvidence(uid, SR, f"{STUDY}.88", STUDY, "brain", "answer", path, number)
    assert archive.jobs.finish(leased.job_id, "me", [made], '{"outcome": "findings"}', at(begin + 9))


def deliver(archive: Archive, begin: float, state: DeliveryState = DeliveryState.DELIVERED) -> int:
    [due] = archive.deliveries.due("pacs", at(begin), 9)
    archive.deliveries.lease(due.delivery_id, "me", at(1e6), at(begin))
    archive.deliveries.mark(due.delivery_id, "me", state, "0x0000", at(begin), at(begin), prove=True)
    return due.delivery_id


def test_a_study_is_told_when_its_work_has_come_to_rest(archive: Archive, collector: Any) -> None:
    clock = Clock(0.0)
    teller = telemetry(archive, collector, clock)
    assert teller.send_due(Event())
    arrive_and_route(archive, 10)
    assert teller.send_due(Event())
    work(archive, 30)
    clock.seconds = 45
    assert teller.send_due(Event())
    delivery = deliver(archive, 50)
    assert teller.send_due(Event())
    assert spans(collector) == []  # it is not proven yet
    archive.proofs.settle(delivery, ProofState.COMMITTED, "yes", at(70))
    assert teller.send_due(Event())
    told = {span.name: seconds(span) for span in spans(collector)}
    assert told == {
        "study": (10, 70),
        "receive": (10, 15),
        "await completion": (15, 25),
        "route": (25, 26),
        "job brain": (26, 39),
        "queue": (26, 30),
        "attempt 1": (30, 31),
        "attempt 2": (33, 39),
        "read": (33, 34),
        "analyse and report": (34, 39),
        "deliver to pacs": (39, 50),
        "prove": (50, 70),
    }
    assert teller.send_due(Event())
    assert telemetry(archive, collector, clock).send_due(Event())  # after a restart
    assert len(spans(collector)) == len(told)


def test_spans_hang_together_and_say_what_they_are_about(archive: Archive, collector: Any) -> None:
    teller = telemetry(archive, collector, Clock(90.0), service_name="node-1")
    Telemetry.send_due(telemetry(archive, collector, Clock(0.0)), Event())
    arrive_and_route(archive, 10)
    work(archive, 30)
    archive.proofs.settle(deliver(archive, 50), ProofState.VISIBLE, "yes", at(70))
    assert teller.send_due(Event())
    found = {span.name: span for span in spans(collector)}
    assert len({span.trace_id for span in found.values()}) == 1
    names = {span.span_id: name for name, span in found.items()}
    parents = {name: names.get(span.parent_span_id) for name, span in found.items()}
    assert parents["study"] is None
    assert {parents[name] for name in ("receive", "await completion", "route", "job brain", "deliver to pacs")} == {
        "study"
    }
    assert (parents["attempt 2"], parents["read"], parents["prove"]) == ("job brain", "attempt 2", "deliver to pacs")
    assert attributes(found["study"])["dicom.study_instance_uid"] == STUDY
    assert attributes(found["study"])["dicomnode.instances"] == 2
    assert attributes(found["job brain"])["dicomnode.outcome"] == "findings"
    [document] = found["job brain"].events
    assert (document.name, attributes(document)["dicomnode.gate"]) == ("evidence", "ready")
    assert found["attempt 1"].status.code == 2
    assert found["attempt 1"].status.message == "no memory"
    assert found["attempt 2"].status.code == 0
    resource = attributes(collector.requests[0].resource_spans[0].resource)
    assert (resource["service.name"], resource["dicomnode.ae_title"]) == ("node-1", "DICOMNODE")
    assert "Doe" not in str(collector.requests)


def test_a_late_image_makes_another_trace_that_follows_the_first(archive: Archive, collector: Any) -> None:
    clock = Clock(0.0)
    teller = telemetry(archive, collector, clock, hide_uids=True)
    teller.send_due(Event())
    for number, begin in ((1, 10.0), (2, 200.0)):
        arrive_and_route(archive, begin, number)
        work(archive, begin + 20, number)
        deliver(archive, begin + 40, DeliveryState.REFUSED)
        clock.seconds = begin + 60
        assert teller.send_due(Event())
    first, second = (span for span in spans(collector) if span.name == "study")
    assert first.trace_id != second.trace_id
    assert not first.links
    assert [(link.trace_id, link.span_id) for link in second.links] == [(first.trace_id, first.span_id)]
    assert seconds(second) == (200, 240)
    refused = next(span for span in spans(collector) if span.name == "deliver to pacs")
    assert (refused.status.code, refused.status.message) == (2, "refused")
    assert STUDY not in str(collector.requests)


def test_a_completion_that_a_late_image_overtook_is_told_too(archive: Archive, collector: Any) -> None:
    teller = telemetry(archive, collector, Clock(500.0))
    telemetry(archive, collector, Clock(0.0)).send_due(Event())
    arrive_and_route(archive, 10, 1)
    arrive_and_route(archive, 200, 2)
    work(archive, 220, 2)
    deliver(archive, 240, DeliveryState.REFUSED)
    assert teller.send_due(Event())
    told = [(span.name, seconds(span)) for span in spans(collector) if span.name in ("study", "job brain")]
    assert told == [("study", (10, 216)), ("job brain", (26, 216)), ("study", (200, 240)), ("job brain", (216, 229))]


def test_a_study_without_any_job_is_told(archive: Archive, collector: Any) -> None:
    telemetry(archive, collector, Clock(0.0)).send_due(Event())
    put(archive, make_file(), at(10))
    archive.jobs.add_all(STUDY, complete(archive, STUDY, at(20)), [], [(None, "no rule")], at(21))
    assert telemetry(archive, collector, Clock(30.0)).send_due(Event())
    assert [span.name for span in spans(collector)] == ["study", "receive", "await completion", "route"]


def test_what_never_comes_to_rest_is_told_after_a_while(archive: Archive, collector: Any) -> None:
    telemetry(archive, collector, Clock(0.0)).send_due(Event())
    arrive_and_route(archive, 10)
    assert telemetry(archive, collector, Clock(3600.0), patience_hours=1.0).send_due(Event())
    assert spans(collector) == []
    assert telemetry(archive, collector, Clock(3630.0), patience_hours=1.0).send_due(Event())
    job = next(span for span in spans(collector) if span.name == "job brain")
    assert attributes(job)["dicomnode.state"] == "waiting"


def test_what_completed_before_anybody_wanted_to_know_is_not_told(archive: Archive, collector: Any) -> None:
    arrive_and_route(archive, 10)
    work(archive, 30)
    deliver(archive, 50, DeliveryState.REFUSED)
    clock = Clock(100.0)
    teller = telemetry(archive, collector, clock)
    assert teller.send_due(Event())
    arrive_and_route(archive, 200, 2)
    work(archive, 220, 2)
    deliver(archive, 240, DeliveryState.REFUSED)
    clock.seconds = 300
    assert teller.send_due(Event())
    assert [seconds(span) for span in spans(collector) if span.name == "study"] == [(200, 240)]


def test_a_collector_that_refuses_gets_it_later(
    archive: Archive, collector: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "word").write_text("Bearer four words\n")
    clock = Clock(0.0)
    teller = telemetry(archive, collector, clock, authorization=f"file:{tmp_path / 'word'}")
    teller.send_due(Event())
    arrive_and_route(archive, 10)
    work(archive, 30)
    deliver(archive, 50, DeliveryState.REFUSED)
    clock.seconds, collector.status = 100, 400
    assert not teller.send_due(Event())
    assert "takes no traces just now" in caplog.text
    assert collector.asked[0] == ("/v1/traces", "Bearer four words")
    clock.seconds, collector.status = 90000, 200
    assert teller.send_due(Event())
    assert {span.name for span in spans(collector)} > {"study", "job brain"}


def test_the_mark_moves_on_so_that_old_studies_are_not_looked_at(archive: Archive, collector: Any) -> None:
    clock = Clock(0.0)
    teller = telemetry(archive, collector, clock)
    teller.send_due(Event())
    before = archive.watermarks.get("telemetry")
    clock.seconds = 7200
    teller.send_due(Event())
    assert archive.watermarks.get("telemetry") > (before or "")
    arrive_and_route(archive, 7300)
    clock.seconds = 80000
    teller.send_due(Event())
    assert archive.watermarks.get("telemetry") < at(7400).isoformat()  # what waits is not forgotten
