"""A study in by C-STORE, the answer out to another system: the node as its users start it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import dcmread

from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.document import Document
from dicomnode.dicom.audit import AuditKind
from dicomnode.dicom.header import read_header
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.echo import echo
from tests.factories import make_series
from tests.peers_fixtures import wait_for

pytestmark = pytest.mark.timeout(600)


def target(scp) -> dict[str, object]:
    return {"name": "pacs", "host": "127.0.0.1", "port": scp.port, "ae_title": "PACS", "timeout_seconds": 3.0}


def send(node, paths: list[Path], called: str = "DICOMNODE") -> str:
    """Send files to the node; gives the Study Instance UID."""
    headers = [read_header(path) for path in paths]
    documents = [
        Document(path, header.sop_class_uid, header.sop_instance_uid, header.transfer_syntax_uid)
        for path, header in zip(paths, headers, strict=True)
    ]
    sender = CStoreSender(DimsePeer("127.0.0.1", node.dicom_port, called, "MODALITY", 10.0))
    outcomes = [outcome for _, outcome in sender.send(documents)]
    assert all(outcome.arrived for outcome in outcomes), (outcomes, node.log)
    return headers[0].study_instance_uid


def delivered(node, study: str, seconds: float = 150.0) -> list[str]:
    """Wait until a study has deliveries and all of them arrived; gives the UIDs."""

    def all_arrived():
        with node.archive() as archive:
            found = archive.deliveries.list(study)
            done = [item for item in found if item.state in ("delivered", "warning")]
            return [item.sop_instance_uid for item in done] if found and len(done) == len(found) else None

    return wait_for(all_arrived, seconds, f"deliveries of {study}\n{node.log[-2000:]}")


def test_a_study_by_c_store_comes_back_as_reports(node_factory, make_bundle, store_scp, tmp_path, index_url):
    scp = store_scp()
    settings = {"targets": [target(scp)], "archive": {"database_url": index_url}}
    node = node_factory(settings, models=make_bundle().parent, deploy=("small",))
    assert echo("127.0.0.1", node.dicom_port, "DICOMNODE", "TEST", 5).answered
    study = send(node, make_series(tmp_path / "in", count=3))
    uids = delivered(node, study)
    assert sorted(scp.received) == sorted(uids)
    assert len(scp.calls) == len(uids)
    with node.archive() as archive:
        for item in archive.evidence.list(study):
            assert item.path.read_bytes().endswith(scp.received[item.sop_instance_uid])
            assert dcmread(item.path).StudyInstanceUID == study
    status = json.loads(node.command("status", "--json").stdout)
    assert all(role["running"] for role in status["roles"].values())
    assert status["deliveries"] == {"pacs": {"delivered": len(uids)}}
    trace = node.command("trace", study).stdout
    assert "small: runs on series" in trace
    assert node.stop() == 0
    for word in ("Doe", "Traceback"):
        assert word not in node.log
    assert not list((node.data_dir / "run").glob("*.json"))
    verified = node.command("audit", "verify")
    assert verified.returncode == 0, verified.stdout
    with node.archive() as archive:
        kinds = [entry.kind for entry in archive.audit.after(0)]
    assert kinds.count(AuditKind.START) == kinds.count(AuditKind.STOP) == 4
    assert kinds.count(AuditKind.TRANSFERRED) == 1
    assert kinds.count(AuditKind.EXPORT) == len(uids)
    assert (node.data_dir / "audit" / "audit.log").read_text().count("110106") == len(uids)


def test_kill_minus_nine_of_any_role_ends_in_exactly_one_result(node_factory, make_bundle, store_scp, tmp_path):
    scp = store_scp()
    node = node_factory({"targets": [target(scp)]}, models=make_bundle().parent, deploy=("small",))
    for role in ("receive", "dispatch", "infer", "web"):
        study = send(node, make_series(tmp_path / role, count=3, study=role))
        if role == "infer":
            wait_for(lambda study=study: leased(node, study), 90, "the worker to begin")
        killed = node.kill(role)
        uids = delivered(node, study)
        assert set(uids) <= set(scp.received)
        with node.archive() as archive:
            assert [str(job.state) for job in archive.jobs.list(study)] == ["done"], role
            assert [item.instance_number for item in archive.evidence.list(study)] == [1] * len(uids), role
        wait_for(lambda role=role, killed=killed: node.presence(role)["pid"] != killed, 120, "the role to be back")


def leased(node, study: str) -> bool:
    with node.archive() as archive:
        return any(job.state != "waiting" for job in archive.jobs.list(study))


def test_a_pacs_that_is_away_gets_the_answer_when_it_is_back(node_factory, make_bundle, store_scp, tmp_path):
    scp = store_scp()
    scp.stop()
    targets = [target(scp) | {"maximum_backoff_seconds": 1.0}]
    node = node_factory({"targets": targets}, models=make_bundle().parent, deploy=("small",))
    study = send(node, make_series(tmp_path / "in", count=2))

    def tried():
        with node.archive() as archive:
            return [item for item in archive.deliveries.list(study) if item.attempts > 1]

    waiting = wait_for(tried, 120, "two attempts")
    assert "cannot connect" in waiting[0].status
    assert "cannot connect" in node.command("status").stdout.replace("\n", " ")
    scp.start()
    assert sorted(delivered(node, study)) == sorted(scp.received)


def test_a_ct_sent_to_the_title_that_asks_for_the_brain_model_is_answered(
    node_factory, make_bundle, store_scp, tmp_path
):
    scp = store_scp()
    rules = [{"model": "small", "called_ae_title": "BRAIN"}]
    settings = {"targets": [target(scp)], "rules": rules}
    node = node_factory(settings, models=make_bundle().parent, deploy=("small",))
    asked = send(node, make_series(tmp_path / "asked", count=2, study="asked", modality="CT"), "BRAIN")
    silent = send(node, make_series(tmp_path / "silent", count=2, study="silent", modality="CT"))
    delivered(node, asked)
    with node.archive() as archive:
        assert {item.role for item in archive.evidence.list(asked)} == {"answer", "text"}
        wait_for(lambda: archive.studies.record(silent).routed_generation, 20, "routing")
        assert archive.evidence.list(silent) == []
    assert "no rule gives this study to it" in node.command("trace", silent).stdout


def test_a_node_whose_port_is_taken_says_so_and_ends(node_factory, store_scp, make_bundle):
    scp = store_scp()
    node = node_factory({"receive": {"port": scp.port}}, models=make_bundle().parent, start=False)
    node.start(wait=False)
    wait_for(node.has_ended, 120, "the end")
    assert node.stop() == 1
    assert "role receive could not start" in node.log
    assert str(scp.port) in node.log


@pytest.mark.orthanc
@pytest.mark.parametrize("way", ["c-store", "stow"])
def test_the_answer_is_in_orthanc(node_factory, make_bundle, orthanc, tmp_path, way):
    dimse = {"host": "127.0.0.1", "port": orthanc.port, "ae_title": orthanc.ae_title}
    where = {"url": orthanc.dicom_web_url} if way == "stow" else dimse
    node = node_factory({"targets": [{"name": "orthanc"} | where]}, models=make_bundle().parent, deploy=("small",))
    study = send(node, make_series(tmp_path / "in", count=3))
    uids = delivered(node, study)
    tags = orthanc.tags()
    assert sorted(item["SOPInstanceUID"] for item in tags) == sorted(uids)
    assert {item["StudyInstanceUID"] for item in tags} == {study}
    assert {item["VerificationFlag"] for item in tags} == {"UNVERIFIED"}
