"""DCMTK as the modality: what it sends is kept, also when the listener is killed in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pynetdicom import AE

from dicomnode.archive import Archive
from dicomnode.archive.records import StudyState
from dicomnode.dicom.digest import content_digest
from dicomnode.dicom.header import read_header
from dicomnode.errors import NotDicomError
from dicomnode.intake.completion import close_due_studies
from dicomnode.settings import CompletionSettings, NodeSettings, ReceiveSettings, Settings
from tests.archives import at, make_file
from tests.listeners import dcmtk, listening
from tests.peers_fixtures import wait_for
from tests.unit.intake.test_intake_scp import send

SERVER = """
import sys, threading
from pathlib import Path
from dicomnode.archive import Archive
from dicomnode.intake.scp import serve_dimse
from dicomnode.settings import NodeSettings, ReceiveSettings, Settings
receive = ReceiveSettings(port=0, accept_unknown_peers=True, engine=sys.argv[2])
settings = Settings(node=NodeSettings(data_dir=Path(sys.argv[1])), receive=receive)
with Archive.open(settings) as archive:
    serve_dimse(settings, archive, threading.Event(), lambda port: print(port, flush=True))
"""


@pytest.fixture
def settings(tmp_path: Path, engine: str) -> Settings:
    receive = ReceiveSettings(port=0, accept_unknown_peers=True, engine=engine)
    return Settings(node=NodeSettings(data_dir=tmp_path / "data"), receive=receive)


def write_files(folder: Path, count: int, study: str = "1.2.3") -> list[Path]:
    paths = []
    for number in range(count):
        path = folder / f"{study}-{number:04}.dcm"
        pixels = bytes([number % 250]) * 32768
        path.write_bytes(make_file(f"{study}.1.{number}", study, InstanceNumber=number, PixelData=pixels))
        paths.append(path)
    return paths


def successes(output: str) -> int:
    return output.count("Received Store Response (Success)")


@pytest.mark.dcmtk
def test_echo(settings: Settings) -> None:
    with listening(settings) as (port, _):
        assert dcmtk("echoscu", "-aec", "DICOMNODE", "127.0.0.1", str(port)).returncode == 0


@pytest.mark.dcmtk
def test_several_associations_at_once(settings: Settings, tmp_path: Path) -> None:
    folders = [tmp_path / f"sender{number}" for number in range(4)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        write_files(folder, 10, f"1.2.{number}")
    with listening(settings) as (port, archive), ThreadPoolExecutor(4) as pool:
        send = ["-v", "-aec", "BRAIN", "+sd", "127.0.0.1", str(port)]
        sent = list(pool.map(lambda folder: dcmtk("storescu", *send, folder), folders))
        assert [successes(run.stderr + run.stdout) for run in sent] == [10] * 4
        for number, folder in enumerate(folders):
            study = archive.studies.get(f"1.2.{number}")
            assert study.called_ae_titles == ("BRAIN",)
            (series,) = study.series
            assert [item.instance_number for item in series.instances] == list(range(10))
            assert content_digest(series.instances[3].path) == content_digest(folder / f"1.2.{number}-0003.dcm")
        wait_for(lambda: all(not study.open_associations for study in archive.studies.open_studies()), 10)
        policy = CompletionSettings(quiet_period_seconds=0)
        assert len(close_due_studies(archive, policy, at(10**9)).closed) == 4
        assert archive.studies.counts() == {StudyState.COMPLETE: 4}


@pytest.mark.dcmtk
def test_nothing_acknowledged_is_lost_when_the_listener_is_killed(settings: Settings, tmp_path: Path) -> None:
    # Enough that the kill comes before the last of them, whichever engine takes them
    files = write_files(tmp_path, 2000 if settings.receive.engine == "own" else 300)
    server, port = start_server(settings)
    arguments = ["-v", "-aec", "DICOMNODE", "127.0.0.1", str(port), *files]
    instances = settings.node.data_dir / "instances"
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(dcmtk, "storescu", *map(str, arguments))
        wait_for(lambda: len(list(instances.rglob("*.dcm"))) >= 20, 30, "some instances to arrive")
        server.send_signal(signal.SIGKILL)
        server.wait()
        output = sending.result(60)
    acknowledged = successes(output.stderr + output.stdout)
    assert 10 <= acknowledged < len(files)
    server, port = start_server(settings)
    try:
        with Archive.open(settings) as archive:
            for number in range(acknowledged):
                kept = archive.instances.get(f"1.2.3.1.{number}")
                assert content_digest(kept.path) == content_digest(files[number])
            assert archive.studies.open_studies()[0].open_associations == 0
            arguments[4] = str(port)
            again = dcmtk("storescu", *map(str, arguments))
            assert successes(again.stderr + again.stdout) == len(files)
            wait_for(lambda: archive.studies.record("1.2.3").source_instances == len(files), 20)
            assert len(list(instances.rglob("*.dcm"))) == len(files)
        staging = settings.node.data_dir / "staging"
        assert sum(path.is_dir() for path in staging.iterdir()) <= 1
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


@pytest.mark.dcmtk
def test_a_sender_that_is_killed_leaves_whole_instances_only(settings: Settings, tmp_path: Path) -> None:
    files = write_files(tmp_path, 200)
    with listening(settings) as (port, archive):
        command = ["storescu", "-aec", "DICOMNODE", "127.0.0.1", str(port), *map(str, files)]
        sender = subprocess.Popen(command, env=os.environ | {"TCP_NODELAY": "1"})
        wait_for(lambda: archive.studies.open_studies(), 20, "the first instance")
        sender.kill()
        sender.wait()
        wait_for(lambda: archive.studies.open_studies()[0].open_associations == 0, 20, "the end of the association")
        (series,) = archive.studies.get("1.2.3").series
        for instance in series.instances:
            assert content_digest(instance.path) == content_digest(files[instance.instance_number or 0])
    assert not list((settings.node.data_dir / "staging").iterdir())


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")  # the samples break rules on purpose
def test_every_encoding_of_the_samples_is_kept_byte_by_byte(settings: Settings) -> None:
    syntaxes = set()
    with listening(settings) as (port, archive):
        for path, syntax in samples():
            header = read_header(path)
            if archive.instances.exists(header.sop_instance_uid):
                continue  # the same instance in another encoding is another test's matter
            content = data_set(path)
            status = send_raw(port, header.sop_class_uid, header.sop_instance_uid, syntax, content)
            assert status == 0x0000, path
            syntaxes.add(syntax)
            kept = archive.instances.get(header.sop_instance_uid)
            assert kept.transfer_syntax_uid == syntax
            assert data_set(kept.path) == content, path
    assert len(syntaxes) >= 12


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan_truncated.dcm"])
def test_truncated_samples_are_refused(settings: Settings, name: str) -> None:
    path = sample_folder() / "pydicom" / name
    header = read_header(path)
    with listening(settings) as (port, archive):
        syntax = header.transfer_syntax_uid
        status = send_raw(port, header.sop_class_uid, header.sop_instance_uid, syntax, data_set(path))
        assert status == 0xC000
        assert not archive.instances.exists(header.sop_instance_uid)


def start_server(settings: Settings) -> tuple[subprocess.Popen[str], int]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SERVER, str(settings.node.data_dir), settings.receive.engine]
    server = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout as lines:
        return server, int(lines.readline())


def sample_folder() -> Path:
    return Path(os.environ["DICOMNODE_TEST_DATA"]) / "dicom_samples"


def samples() -> Iterator[tuple[Path, str]]:
    """Sound sample files with File Meta Information, one of each SOP Instance UID, and their encoding."""
    for path in sorted(sample_folder().rglob("*.dcm")):
        if "series" in path.parts or "truncated" in path.name or path.stat().st_size > 4 * 1024**2:
            continue
        try:
            header = read_header(path)
        except NotDicomError:
            continue
        with path.open("rb") as file:
            if file.read(140)[132:] == b"\x02\x00\x00\x00UL\x04\x00" and "DIRECTORY" not in header.sop_class_uid:
                yield path, header.transfer_syntax_uid


def data_set(path: Path) -> bytes:
    content = path.read_bytes()
    return content[144 + int.from_bytes(content[140:144], "little") :]


def send_raw(port: int, sop_class_uid: str, sop_instance_uid: str, syntax: str, content: bytes) -> int:
    """Send bytes as they are; every library function would encode them anew."""
    entity = AE("MODALITY")
    entity.add_requested_context(sop_class_uid, syntax)
    association = entity.associate("127.0.0.1", port, ae_title="DICOMNODE")
    assert association.accepted_contexts, f"{sop_class_uid} in {syntax} was not accepted"
    response = send(association, content, sop_class_uid, sop_instance_uid)
    association.release()
    return int(response.Status)
