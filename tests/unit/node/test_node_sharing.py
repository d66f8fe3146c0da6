"""Two nodes never share data; one node's processes do, except for a second dispatcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.files import FileStore
from dicomnode.errors import SettingsError
from dicomnode.node.sharing import holding
from dicomnode.settings import Settings
from tests.archives import NOW, at, complete, make_file, put
from tests.unit.archive.test_archive_jobs import new_job


def settings(folder: Path, database: str = "") -> Settings:
    return Settings.model_validate({"node": {"data_dir": folder}, "archive": {"database_url": database}})


def hold(role: str, chosen: Settings, seconds: float = 0.0) -> None:
    """Take a role and leave it again."""
    with Archive.open(chosen) as archive, holding(role, chosen, archive, lambda: at(seconds)):
        pass


def test_roles_of_one_node_share_its_data_but_only_one_dispatches(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with Archive.open(chosen) as archive, holding("dispatch", chosen, archive, lambda: NOW) as keep:
        for role in ("receive", "receive", "infer", "web"):
            hold(role, chosen)
        with pytest.raises(SettingsError, match="has the role dispatch"):
            hold("dispatch", chosen, 1000)  # however late: its process lives
        stop = threading.Event()
        stop.set()
        keep(stop)
    hold("dispatch", chosen)


def test_an_index_belongs_to_one_folder_until_its_leases_end(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'index.sqlite'}"
    one, other = settings(tmp_path / "one", database), settings(tmp_path / "other", database)
    with Archive.open(one) as archive:
        with holding("web", one, archive, lambda: NOW):
            with pytest.raises(SettingsError, match="keeps its files in another folder"):
                hold("web", other, 29)
            hold("infer", other, 31)  # nobody on another machine could tell more than that its lease ended
        hold("infer", other)


def test_a_folder_belongs_to_one_index(tmp_path: Path) -> None:
    one, other = settings(tmp_path), settings(tmp_path, f"sqlite:///{tmp_path / 'other.sqlite'}")
    with Archive.open(one) as archive, holding("receive", one, archive, lambda: NOW):
        with pytest.raises(SettingsError, match=r"another archive\.database_url"):
            hold("receive", other)
        hold("web", one)
    hold("receive", other)


def test_a_folder_that_was_moved_is_the_same(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'index.sqlite'}"
    before = settings(tmp_path / "before", database)
    hold("web", before)
    identity = (tmp_path / "before" / "identity").read_text()
    (tmp_path / "before").rename(tmp_path / "after")
    hold("web", settings(tmp_path / "after", database))
    assert (tmp_path / "after" / "identity").read_text() == identity


DISPATCHER = """
import sys, time
from pathlib import Path
from datetime import timedelta
from dicomnode.archive import Archive
from dicomnode.node.sharing import holding
from tests.archives import NOW
from tests.unit.node.test_node_sharing import settings

chosen = settings(Path(sys.argv[1]))
with Archive.open(chosen) as archive, holding("dispatch", chosen, archive, lambda: NOW):
    assert archive.jobs.lease(archive.jobs.claim_name(), NOW, 600) is not None
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_dead_process_of_this_machine_held_is_free_at_once(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    with Archive.open(chosen) as archive:
        put(archive, make_file())
        archive.jobs.add_all("1.2.3", complete(archive), [new_job()], [], NOW)
        root = Path(__file__).parents[3]
        command = [sys.executable, "-c", DISPATCHER, str(tmp_path)]
        environment = os.environ | {"PYTHONPATH": str(root)}
        with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with pytest.raises(SettingsError, match="has the role dispatch"):
                hold("dispatch", chosen)
            assert archive.jobs.lease("w2", at(1), 60) is None
            process.send_signal(signal.SIGKILL)
            process.wait()
        hold("dispatch", chosen)
        job = archive.jobs.lease("w2", at(1), 60)
        assert job is not None and job.attempts == 2


def test_what_a_process_elsewhere_holds_is_free_when_its_lease_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(tmp_path)
    with Archive.open(chosen) as archive, holding("dispatch", chosen, archive, lambda: NOW):
        put(archive, make_file())
        archive.jobs.add_all("1.2.3", complete(archive), [new_job()], [], NOW)
        assert archive.jobs.lease(archive.jobs.claim_name(), NOW, 60) is not None
        monkeypatch.setattr(FileStore, "_here", lambda self: "another boot")
        with pytest.raises(SettingsError, match="has the role dispatch"):
            hold("dispatch", chosen, 29)
        hold("dispatch", chosen, 31)
        with Archive.open(chosen) as other:
            assert other.jobs.lease("w2", NOW + timedelta(seconds=59), 60) is None
            assert other.jobs.lease("w2", NOW + timedelta(seconds=61), 60) is not None
