"""`dicomnode bench receive` on a small load, and a guard against losing most of the speed."""

import json
from pathlib import Path

import pytest

from dicomnode.benchmarks.receive import file_system_of
from dicomnode.benchmarks.receive_files import loads, study_uid_of, write_files
from dicomnode.cli.main import main
from dicomnode.dicom.header import read_header
from dicomnode.errors import UsageError


@pytest.mark.dcmtk
def test_the_own_engine_is_not_far_behind_pynetdicom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several times faster on a free machine: only a large loss fails."""
    try:
        file_system_of(tmp_path)
    except UsageError as error:
        pytest.skip(str(error))
    chosen = ["--slices", "0", "--mammograms", "0", "--tiny", "60", "--repeats", "2", "--associations", "1"]
    receivers = ["--receivers", "node", "node, pynetdicom", "storescp --fork"]
    arguments = ["bench", "receive", *chosen, *receivers, "--folder", str(tmp_path), "--json"]
    assert main(arguments) == 0
    (column,) = json.loads(capsys.readouterr().out)["columns"]
    node = column["receivers"][0]
    assert [one["name"] for one in column["receivers"]] == receivers[1:]
    assert len(node["rates"]) == 2 and all(seconds < 5 for seconds in node["found_after_seconds"])
    assert node["ratios"]["node, pynetdicom"] > 0.5
    assert list(tmp_path.iterdir()) == []


def test_every_run_sends_instances_of_its_own(tmp_path: Path) -> None:
    (load,) = loads(0, 0, 5)
    for run in (0, 17):
        parts = write_files(load, run, 2, tmp_path / "files")
        headers = [read_header(path) for part in parts for path in sorted(part.iterdir())]
        assert {header.study_instance_uid for header in headers} == {study_uid_of(load, run)}
        assert len({header.sop_instance_uid for header in headers}) == 5
    assert len(write_files(load, 1, 9, tmp_path / "files")) == 5


def test_a_folder_in_memory_is_refused() -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("no file system in memory")
    with pytest.raises(UsageError, match="in memory"):
        file_system_of(Path("/dev/shm"))
