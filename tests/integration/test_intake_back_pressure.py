"""Senders that are told to wait: DCMTK and Orthanc see it, nothing counts as stored, and a second try succeeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from dicomnode.archive import Archive
from dicomnode.archive.space import Space
from dicomnode.settings import Settings
from tests.archives import make_file
from tests.listeners import dcmtk, listening
from tests.peers_fixtures import Orthanc, wait_for

FULL, ROOM = Space(0, 0, "only 0 MiB of disk are left"), Space(1 << 40, 0, "")
UIDS = ["1.2.3.1", "1.2.3.2"]


def settings(folder: Path, engine: str, *ae_titles: str) -> Settings:
    peers = [{"name": title.lower(), "ae_title": title, "addresses": ["127.0.0.1"]} for title in ae_titles]
    receive = {"port": 0, "engine": engine}
    return Settings.model_validate({"node": {"data_dir": folder / "data"}, "receive": receive, "peers": peers})


def write(folder: Path) -> list[Path]:
    paths = [folder / f"{uid}.dcm" for uid in UIDS]
    for path, uid in zip(paths, UIDS, strict=True):
        path.write_bytes(make_file(uid))
    return paths


def stored(archive: Archive) -> list[str]:
    return [uid for uid in UIDS if archive.instances.exists(uid)]


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Callable[[Archive, bool], None]:
    """Say that there is no room, or that there is again."""

    def change(archive: Archive, full: bool) -> None:
        monkeypatch.setattr(archive.space, "look", lambda: FULL if full else ROOM)

    return change


@pytest.mark.dcmtk
@pytest.mark.parametrize(
    ("tool", "words"),
    [("storescu", ("Rejected Transient", "Local Limit Exceeded")), ("dcmsend", ("DUL Association Rejected",))],
)
def test_dcmtk_is_told_to_come_again(
    tool: str, words: tuple[str, ...], tmp_path: Path, engine: str, fill: Callable[[Archive, bool], None]
) -> None:
    paths = write(tmp_path)
    title = ["-aet", tool.upper(), "-aec", "DICOMNODE"]
    with listening(settings(tmp_path, engine, tool.upper())) as (port, archive):
        fill(archive, True)
        refused = dcmtk(tool, *title, "127.0.0.1", str(port), *paths)
        assert refused.returncode != 0
        assert [word for word in words if word not in refused.stderr + refused.stdout] == []
        assert stored(archive) == []
        fill(archive, False)
        assert dcmtk(tool, *title, "127.0.0.1", str(port), *paths).returncode == 0
        assert stored(archive) == UIDS


@pytest.mark.dcmtk
def test_an_instance_on_an_open_association_is_out_of_resources(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(tmp_path)
    with listening(settings(tmp_path, engine, "STORESCU")) as (port, archive):
        monkeypatch.setattr(archive.space, "look", lambda: FULL if stored(archive) else ROOM)
        refused = dcmtk("storescu", "-v", "-aec", "DICOMNODE", "127.0.0.1", str(port), *paths)
        assert refused.returncode != 0
        assert "OutOfResources" in (refused.stderr + refused.stdout).replace(" ", "")
        assert stored(archive) == UIDS[:1]


@pytest.mark.orthanc
def test_orthanc_fails_its_job_and_succeeds_when_it_is_tried_again(
    orthanc: Orthanc, tmp_path: Path, engine: str, fill: Callable[[Archive, bool], None]
) -> None:
    for path in write(tmp_path):
        orthanc.upload(path)

    def state(job: str) -> str:
        return str(orthanc.get(f"/jobs/{job}")["State"])

    with listening(settings(tmp_path, engine, "ORTHANC")) as (port, archive):
        orthanc.add_modality("node", "DICOMNODE", port)
        fill(archive, True)
        body = {"Resources": orthanc.get("/instances"), "Synchronous": False}
        job = requests.post(f"{orthanc.url}/modalities/node/store", json=body, timeout=20).json()["ID"]
        wait_for(lambda: state(job) == "Failure", 30, "the job's failure")
        assert stored(archive) == []
        fill(archive, False)
        requests.post(f"{orthanc.url}/jobs/{job}/resubmit", timeout=20).raise_for_status()
        wait_for(lambda: state(job) == "Success", 30, "the job's success")
        assert stored(archive) == UIDS
