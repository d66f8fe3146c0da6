"""A whole node that is watched: Prometheus' parser reads its metrics, a web hook and a collector hear of a study."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.integration.studies import brain_study, storescu, study_uid
from tests.node_fixtures import Node
from tests.peers_fixtures import Orthanc, wait_for

CLASSIFIER = "brain_mri_tumor_classifier"
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}

pytestmark = [pytest.mark.orthanc, pytest.mark.dcmtk]


class _Ear(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ear() -> Iterator[Any]:
    """A web hook and a collector in one; ``heard`` lists paths and bodies."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Ear)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def watched(orthanc: Orthanc, ear: Any, folder: Path) -> dict[str, Any]:
    (folder / "hook").write_text(f"http://127.0.0.1:{ear.server_port}/hook")
    target = {"name": "pacs", "ae_title": orthanc.ae_title, "host": "127.0.0.1", "port": orthanc.port}
    return {
        "targets": [target],
        "telemetry": {"endpoint": f"http://127.0.0.1:{ear.server_port}/v1/traces"},
        "notifications": [{"name": "team", "url": f"file:{folder / 'hook'}", "events": ["positive", "failed"]}],
        "watch": {"echo_minutes": 0.02},
    }


def scrape(node: Node) -> dict[tuple[str, tuple[str, ...]], float]:
    """Samples by name and the values of their labels, by the labels' names."""
    text = requests.get(f"{node.web_url}/metrics", headers=OPENMETRICS, timeout=20).text
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


def test_who_watches_a_node_sees_a_study_go_through(
    node_factory: Callable[..., Node], orthanc: Orthanc, ear: Any, tmp_path: Path
) -> None:
    node = node_factory(watched(orthanc, ear, tmp_path), deploy=(CLASSIFIER,))
    paths = brain_study(tmp_path / "study", "watched")
    storescu(paths, node.dicom_port)
    wait_for(lambda: any(path == "/v1/traces" for path, _ in ear.heard), 90, f"a trace:\n{node.log[-2000:]}")
    wait_for(lambda: any(path == "/hook" for path, _ in ear.heard), 30, f"a message:\n{node.log[-2000:]}")
    wait_for(lambda: scrape(node).get(("dicomnode_peer_up", ("target", "pacs"))), 30, "an echo")
    wait_for(lambda: scrape(node).get(("dicomnode_device_memory_used_bytes", ("cpu",))), 30, "a device")

    told = scrape(node)
    assert told["dicomnode_received_instances_total", ("strangers",)] == len(paths)
    assert all(told["dicomnode_role_up", (role,)] == 1 for role in ("receive", "dispatch", "infer", "web"))
    assert told["dicomnode_jobs", ("done",)] == 1
    assert told["dicomnode_answer_seconds_count", (CLASSIFIER,)] == 1
    assert told["dicomnode_deliveries", ("delivered", "pacs")] >= 1
    assert told["dicomnode_alarms", ("role",)] == 0

    ready = requests.get(f"{node.web_url}/health/ready?verbose", timeout=20)
    assert (ready.status_code, ready.json()["status"]) == (200, "ok"), ready.text
    assert ready.json()["checks"]["target pacs"]["found"]

    [message] = [json.loads(body) for path, body in ear.heard if path == "/hook"]
    assert (message["event"], message["model"], message["study"]) == ("positive", CLASSIFIER, study_uid(paths))
    [trace] = [ExportTraceServiceRequest.FromString(body) for path, body in ear.heard if path == "/v1/traces"]
    names = [span.name for span in trace.resource_spans[0].scope_spans[0].spans]
    assert {"study", "receive", "route", f"job {CLASSIFIER}", "attempt 1", "read", "deliver to pacs"} <= set(names)
    assert all(word not in repr(ear.heard) for word in ("Phantom", "TEST-watched"))  # name and ID of the patient
