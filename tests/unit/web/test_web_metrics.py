"""The metrics: whole, well formed, documented, without patients and UIDs; and who may read them."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.archive.devices import DeviceRecord
from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.archive.records import ProofState
from dicomnode.archive.tallies import Tally
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from dicomnode.web.metrics.catalogue import METRICS, NAMED, MetricKind
from tests.archives import at
from tests.deliveries import OBJECT, STUDY, queue, send
from tests.unit.web.conftest import Client
from tests.unit.web.signed_in import Browser, Clock, make_account, make_token

DOCKER = Path(__file__).parents[3] / "docker"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def busy(archive: Archive, settings: Settings) -> Client:
    """An application on an archive in which something happened of every kind that is measured."""
    queue(archive)
    delivery = send(archive, at(5))
    archive.proofs.settle(delivery, ProofState.COMMITTED, "yes", at(7))
    archive.node_leases.claim("web", at(0), 30.0, alone=False)
    archive.echoes.note(Echo(PeerKind.TARGET, "pacs", at(1), True, "0x0000", 20))
    archive.devices.note(DeviceRecord("w1", "cpu", "x86", 100, 1000, ("brain",), at(1)), at(0))
    archive.devices.note(DeviceRecord("w2", "cpu", "x86", 50, 1000, (), at(1)), at(0))
    archive.tallies.add([Tally("mr1", "2026-11-20", size=10, instances=2), Tally("mr1", "2026-11-21", instances=3)])
    archive.tallies.add([Tally("?", "2026-11-21", rejected=4)])
    targets = [{"name": "pacs", "url": "http://127.0.0.1:1/dicom-web"}]
    return Client(create_app(archive, Settings.model_validate({**settings.model_dump(), "targets": targets})))


def samples(text: str) -> Samples:
    families = list(parse_openmetrics(text))
    assert families
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_every_metric_is_told_with_its_labels(busy: Client) -> None:
    busy.get("/health/live")
    families = {}
    for family in parse_text(busy.get("/metrics").text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        families[name] = family
    known = {name for name in families if not name.endswith("_created")}
    assert known == set(NAMED)
    for name, family in families.items():
        if name in NAMED:
            assert (family.type, family.documentation) == (NAMED[name].kind, NAMED[name].text)
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == set(NAMED[name].labels)
    empty = {name for name in known if not families[name].samples}
    assert empty == {"dicomnode_open_jobs", "dicomnode_models", "dicomnode_notifications_waiting"} | {
        "dicomnode_notifications_given_up",
        "dicomnode_predictions_total",
    }


def test_the_values_are_those_of_the_index(busy: Client) -> None:
    answer = busy.get("/metrics", headers={"accept": OPENMETRICS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    told = samples(answer.text)
    assert told["dicomnode_received_instances_total", (("peer", "mr1"),)] == 5
    assert told["dicomnode_rejected_associations_total", (("peer", "strangers"),)] == 4
    assert told["dicomnode_deliveries", (("state", "delivered"), ("target", "pacs"))] == 1
    assert told["dicomnode_delivery_proofs", (("proof", "committed"), ("target", "pacs"))] == 1
    assert told["dicomnode_proof_seconds_bucket", (("le", "10.0"), ("target", "pacs"))] == 1
    assert told["dicomnode_proof_seconds_bucket", (("le", "5.0"), ("target", "pacs"))] == 0
    assert told["dicomnode_proof_seconds_sum", (("target", "pacs"),)] == 7
    assert told["dicomnode_device_memory_used_bytes", (("device", "cpu"),)] == 150
    assert told["dicomnode_role_up", (("role", "web"),)] == 1
    assert told["dicomnode_role_up", (("role", "infer"),)] == 0
    assert told["dicomnode_alarms", (("kind", "role"),)] == 3
    assert told["dicomnode_database_bytes", ()] > 10_000


def test_requests_are_counted_by_route_and_not_by_path(busy: Client) -> None:
    busy.get(f"/dicom-web/studies/{STUDY}/metadata")
    busy.get("/no/such/page")
    busy.request("BREW", "/no/such/page")
    told = samples(busy.get("/metrics", headers={"accept": OPENMETRICS}).text)
    route = "/dicom-web/studies/{study_uid}/metadata"
    name = "dicomnode_http_requests_total"
    assert told[name, (("method", "GET"), ("route", route), ("status", "200"))] == 1
    assert told[name, (("method", "GET"), ("route", "none"), ("status", "404"))] == 1
    assert sum(value for (of, labels), value in told.items() if of == name and ("method", "other") in labels) == 1
    assert told["dicomnode_http_request_seconds_count", (("route", route),)] == 1


def test_no_patient_and_no_study_is_named(busy: Client) -> None:
    busy.get(f"/studies/{STUDY}")
    text = busy.get("/metrics").text
    for hidden in (STUDY, OBJECT, "Doe", "P1"):
        assert hidden not in text


@pytest.mark.parametrize(("setting", "status"), [("token", 401), ("open", 200)])
def test_who_may_read_them(archive: Archive, settings: Settings, setting: str, status: int) -> None:
    clock = Clock()
    web = {"metrics": setting, "accounts": {"required": True}}
    app = create_app(archive, Settings.model_validate({**settings.model_dump(), "web": web}), clock)
    assert Browser(app).get("/metrics").status_code == status
    asked = {}
    for role in Role:
        make_account(archive, role, role, clock)
        asked[role] = Browser(app).get("/metrics", headers=make_token(archive, role, role, clock)).status_code
    assert asked == dict.fromkeys(Role, 200) | ({} if setting == "open" else {Role.SENDER: 403})


def test_every_metric_is_documented_and_none_is_left_over() -> None:
    text = (DOCKER / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `dicomnode_")]
    expected = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.text} |" for metric in METRICS
    ]
    assert rows == expected, "docker/README.md lists other metrics; it should hold:\n" + "\n".join(expected)


def test_the_dashboard_asks_for_metrics_and_labels_that_there_are() -> None:
    dashboard = json.loads((DOCKER / "grafana" / "dicomnode.json").read_text(encoding="utf-8"))
    series = {name: set(metric.labels) for name, metric in NAMED.items() if metric.kind is not MetricKind.HISTOGRAM}
    for name, metric in NAMED.items():
        if metric.kind is MetricKind.HISTOGRAM:
            series |= {f"{name}_{part}": set(metric.labels) for part in ("count", "sum")}
            series[f"{name}_bucket"] = {*metric.labels, "le"}
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(asked) >= 15
    for expression in asked:
        names = re.findall(r"\bdicomnode_\w+", expression)
        assert names, expression
        assert set(names) <= set(series), expression
        labels = re.findall(r"(?:by|without) \(([^)]*)\)", expression) + re.findall(r"(\w+)\s*=", expression)
        used = {label.strip() for group in labels for label in group.split(",")}
        assert used <= set().union(*(series[name] for name in names)) | {"instance"}, expression
        assert expression.count("(") == expression.count(")")


def test_the_dashboards_panels_lie_beside_each_other() -> None:
    dashboard = json.loads((DOCKER / "grafana" / "dicomnode.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
