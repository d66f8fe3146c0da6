"""The first weeks in a hospital: silent models, results that loop back, recalls, backups, replays."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import requests

from dicomnode.archive.records import DeploymentState
from dicomnode.settings import load_settings
from tests.factories import make_series
from tests.integration.studies import storescu, study_uid
from tests.peers_fixtures import running_orthanc, wait_for

pytestmark = [pytest.mark.timeout(600), pytest.mark.dcmtk]

_AUTO_FORWARD = """
function OnStoredInstance(instance, tags, metadata)
  SendToModality(instance, 'first')
  SendToModality(instance, 'second')
end
"""


def target(peer) -> dict[str, object]:
    return {"name": "pacs", "host": "127.0.0.1", "port": peer.port, "ae_title": peer.ae_title, "proof": "none"}


def delivered(node, study: str, count: int | None = None) -> list[str]:
    """Wait until all (or so many) deliveries of a study arrived; gives the UIDs."""

    def all_arrived() -> list[str] | None:
        with node.archive() as archive:
            found = archive.deliveries.list(study)
        done = [item.sop_instance_uid for item in found if item.state in ("delivered", "warning")]
        return done if found and len(done) == (len(found) if count is None else count) else None

    return wait_for(all_arrived, 240, f"deliveries of {study}\n{node.log[-2000:]}")


def answered(node, study: str, jobs: int = 1) -> None:
    def done() -> bool:
        with node.archive() as archive:
            return [str(job.state) for job in archive.jobs.list(study)] == ["done"] * jobs

    wait_for(done, 240, f"answers for {study}\n{node.log[-2000:]}")


def holds(node, uids: list[str]) -> bool:
    with node.archive() as archive:
        return all(archive.instances.exists(uid) for uid in uids)


@pytest.mark.orthanc
def test_what_auto_forward_brings_back_starts_no_work_on_either_node(node_factory, make_bundle, tmp_path):
    script = tmp_path / "forward.lua"
    script.write_text(_AUTO_FORWARD)
    models = make_bundle().parent
    with running_orthanc(tmp_path / "orthanc", LuaScripts=[str(script)]) as orthanc:
        # A PACS that sends to the node is named as a peer, be it a target or not
        settings = {"targets": [target(orthanc)], "peers": [{"name": "orthanc", "ae_title": "ORTHANC"}]}
        first = node_factory(settings, models=models, deploy=("small",))
        other = settings | {"node": {"ae_title": "OTHERNODE"}}
        second = node_factory(other, models=models, deploy=("small",))
        orthanc.add_modality("first", "DICOMNODE", first.dicom_port)
        orthanc.add_modality("second", "OTHERNODE", second.dicom_port)
        paths = make_series(tmp_path / "in", count=2)
        storescu(paths, first.dicom_port)
        study = study_uid(paths)
        answers = delivered(first, study)
        wait_for(lambda: holds(second, answers), 120, "the results at the second node")
        ran = first.command("recall", "small", "--from", "2026-01-01", "--reason", "wrong calibration", "--json")
        report = json.loads(ran.stdout)
        assert (report["studies"], report["sent"], report["problems"]) == (1, len(answers), [])
        everything = delivered(first, study, len(answers) + report["notes"])
        wait_for(lambda: holds(second, everything), 120, "the notes at the second node")
        wait_for(lambda: holds(first, everything), 120, "the notes at the first node")
        assert {str(item["Modality"]) for item in orthanc.tags()} >= {"SR", "KO"}
        for node, jobs in ((first, 1), (second, 0)):
            with node.archive() as archive:
                record = archive.studies.record(study)
                assert (str(record.state), record.generation) == ("complete", jobs)
                assert len(archive.jobs.list()) == jobs
        assert json.loads(first.command("recall", "small", "--from", "2026-01-01", "--json").stdout)["studies"] == 0
        page = requests.get(f"{first.web_url}/studies/{study}", timeout=30).text
        assert "withdrawn" in page
        assert "wrong calibration" in page


def test_silent_then_backed_up_while_it_receives_then_live(node_factory, make_bundle, store_scp, tmp_path):
    scp = store_scp()
    node = node_factory({"targets": [target(scp)]}, models=make_bundle().parent)
    node.deploy("small", state=DeploymentState.SILENT)
    paths = make_series(tmp_path / "in", count=2)
    storescu(paths, node.dicom_port)
    study = study_uid(paths)
    answered(node, study)
    page = requests.get(f"{node.web_url}/studies/{study}", timeout=30).text
    assert "silent, never sent" in page
    assert "small" in page
    assert json.loads(node.command("status", "--json").stdout)["models"] == {"small": "silent"}
    counts = back_up_while_receiving(node, tmp_path)
    restored = restored_counts(node, tmp_path)
    assert restored["instances"] == counts["instances"] > 2
    # Nothing of the silent time was ever sent; live, the same study run again sends its stored answer.
    assert scp.calls == []
    assert node.command("models", "set", "small", "live").returncode == 0
    ran = node.command("replay", "--study", study, "--json")
    assert json.loads(ran.stdout) == {"studies": [study], "skipped": 0}
    uids = delivered(node, study)
    assert sorted(set(scp.received) & set(uids)) == sorted(uids)
    with node.archive() as archive:
        assert {item.instance_number for item in archive.evidence.list(study)} == {1}


def back_up_while_receiving(node, tmp_path: Path) -> dict[str, int]:
    stop = threading.Event()

    def send() -> None:
        for number in range(40):
            if stop.is_set():
                return
            folder = tmp_path / f"more{number}"
            storescu(make_series(folder, count=2, study=f"more{number}", modality="CT"), node.dicom_port)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(2):
            ran = node.command("backup", str(tmp_path / "backup"), "--json")
            assert ran.returncode == 0, ran.stderr
    finally:
        stop.set()
        sender.join(120)
    return json.loads(ran.stdout)


def restored_counts(node, tmp_path: Path) -> dict[str, int]:
    """Restore beside the running node, whose own folder is refused."""
    assert "a node runs on" in node.command("restore", str(tmp_path / "backup")).stderr
    text = node.settings_path.read_text().replace(str(node.data_dir), str(tmp_path / "restored"))
    other = tmp_path / "restored.toml"
    other.write_text(text)
    from dicomnode.archive import Archive
    from dicomnode.cli.main import main

    assert main(["restore", str(tmp_path / "backup"), "--settings", str(other)]) == 0
    with Archive.open(load_settings(other)) as archive:
        counts = {"instances": sum(record.number_of_instances for record in archive.studies.list(limit=None))}
        assert archive.deliveries.list() == []
    return counts
