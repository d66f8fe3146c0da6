"""Studies that kill or stall the process that looks at them: answered, quarantined, and in nobody's way."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from dicomnode.cli.main import main
from dicomnode.jobs.deployed import Shelf, deployed_models
from dicomnode.jobs.dispatch import route_unrouted
from dicomnode.jobs.watchdog import Watchdog
from dicomnode.node.stopping import Stopper
from dicomnode.node.supervisor import supervise
from tests.archives import complete
from tests.node_fixtures import to_toml
from tests.peers_fixtures import wait_for
from tests.poison_networks import ABORT, CRASH, NETWORK, PREPROCESSING
from tests.worker_bench import Bench


@pytest.fixture
def bench(tmp_path, make_bundle):
    # A bundle from elsewhere whose code was approved: only such a one may name a network outside our packages
    content = {"network_def": NETWORK, "preprocessing": PREPROCESSING, "approved": "$True"}
    models = make_bundle(inference=content, foreign=True).parent
    made = Bench(tmp_path / "data", models)
    yield made
    made.archive.close()


def queue(bench, folder: Path, word: str, brightest: int = 100) -> str:
    pixels = np.full((32, 32), brightest, np.uint16)
    study, series = bench.receive(folder / word, count=1, study=word, series=word, pixels=pixels)
    bench.route(study, series)
    bench.seconds += 1
    return study


def states(bench) -> dict[str, str]:
    return {job.study_instance_uid: str(job.state) for job in bench.archive.jobs.list()}


def settings_file(bench, folder: Path, **infer: object) -> Path:
    path = folder / "dicomnode.toml"
    tables = {
        "node": {"data_dir": str(bench.settings.node.data_dir), "deterministic": True},
        "infer": {"device": "cpu", "lease_seconds": 4.0, **infer},
        "models": {"folder": str(bench.settings.models.folder)},
    }
    path.write_text(to_toml(tables))
    return path


@pytest.mark.timeout(600)
def test_a_study_behind_others_that_kill_the_process_is_answered(bench, tmp_path, capsys):
    poison = [queue(bench, tmp_path, str(harm), harm) for harm in (ABORT, CRASH)]
    sound = queue(bench, tmp_path, "sound")
    settings = settings_file(bench, tmp_path, maximum_attempts=1, jobs=1)
    command = [sys.executable, "-m", "dicomnode", "serve", "--role", "infer", "--with-parent", "--settings"]
    stopper = Stopper()
    arguments = (("infer",), lambda role: [*command, str(settings)], bench.settings.node.data_dir, stopper)
    supervisor = Thread(target=supervise, args=(*arguments, lambda present: None))
    supervisor.start()
    try:
        expected = {sound: "done", **dict.fromkeys(poison, "failed")}
        wait_for(lambda: states(bench) == expected, 540, "every study to be answered")
    finally:
        stopper.event.set()
        supervisor.join(60)
    assert {study for study, _ in bench.archive.quarantine.list()} == set(poison)
    started = [entry for study in poison for entry in bench.archive.traces.list(study) if entry.event == "started"]
    assert len(started) == 2 * len(poison)  # one attempt, and the answer that says so
    for study in poison:
        roles = {item.role for item in bench.archive.evidence.list(study)}
        assert roles == {"answer", "text"}
    assert main(["status", "--settings", str(settings)]) == 0
    assert f"study {poison[0]} is quarantined" in capsys.readouterr().out


def test_jobs_that_were_tried_less_often_go_first(bench, tmp_path):
    first = queue(bench, tmp_path, "first")
    assert bench.archive.jobs.lease("killed", bench.clock(), 30).study_instance_uid == first
    second = queue(bench, tmp_path, "second")
    bench.seconds += 60
    third = queue(bench, tmp_path, "third")
    taken = [bench.archive.jobs.lease("w", bench.clock(), 30) for _ in range(3)]
    assert [job.study_instance_uid for job in taken] == [second, third, first]
    assert taken[2].error == "its worker died, or did not answer any more, during attempt 1"


def test_a_job_that_takes_too_long_ends_the_process_and_counts(bench, tmp_path):
    study = queue(bench, tmp_path, "slow")
    worker = bench.worker()
    began, release, ended = Event(), Event(), Event()
    worker._models.predictor = lambda bundle: began.set() or release.wait(60)
    working = Thread(target=worker.work_once)
    stop = Event()
    watching = Thread(target=Watchdog(worker, 100.0, lambda: (ended.set(), stop.set())).run, args=(stop,))
    watching.start()
    working.start()
    assert began.wait(30)
    assert not worker.give_up(100.0)
    bench.seconds += 101
    assert ended.wait(30)
    watching.join()
    job = bench.archive.jobs.list(study)[0]
    assert (job.state, job.attempts) == ("waiting", 1)
    assert job.error == "timed out: it took longer than 100 s (infer.timeout_seconds)"
    release.set()
    working.join()
    assert bench.archive.jobs.list(study)[0].state == "waiting"  # what came too late is not used


HANGS = """
import re, threading
from dicomnode.jobs.watchdog import Watchdog

class Busy:
    def give_up(self, seconds):
        started.set()
        return False

started = threading.Event()
watchdog = Watchdog(Busy(), 0.5, lambda: None, grace_seconds=1.0)
threading.Thread(target=watchdog.run, args=(threading.Event(),), daemon=True).start()
started.wait()
re.match(r"(a+)+$", "a" * 64 + "b")  # for ages, and without ever letting another thread run
"""


def test_a_model_that_lets_no_other_thread_run_is_ended_too():
    ended = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr


def test_a_worker_that_is_stopped_costs_the_study_no_attempt(bench, tmp_path):
    study = queue(bench, tmp_path, "stopped")
    for _ in range(bench.settings.infer.maximum_attempts + 2):
        job = bench.archive.jobs.lease("w", bench.clock(), 30)
        now = bench.clock()
        bench.archive.jobs.retry_later(job.job_id, "w", "its worker was stopped", now, now, counted=False)
    assert bench.worker().work_once()
    assert states(bench) == {study: "done"}


def test_a_quarantined_study_is_given_to_no_model_until_it_is_released(bench, tmp_path):
    study = queue(bench, tmp_path, "poison")
    for _ in range(bench.settings.infer.maximum_attempts):
        assert bench.archive.jobs.lease("killed", bench.clock(), 30)
        bench.seconds += 31
    assert bench.worker().work_once()
    assert states(bench) == {study: "failed"}
    assert "during attempt 3; 3 attempts ended that way" in bench.archive.studies.record(study).quarantined

    bench.receive(tmp_path / "late", count=2, study="poison", series="late")
    complete(bench.archive, study, bench.clock())
    models = partial(deployed_models, Shelf(bench.settings.models.folder), bench.archive.deployments)
    route_unrouted(bench.archive, models, bench.settings, bench.clock)
    assert len(bench.archive.jobs.list(study)) == 1
    assert any("not run: quarantined: small" in entry.text for entry in bench.archive.traces.list(study))

    assert main(["retry", "study", study, "--settings", str(settings_file(bench, tmp_path))]) == 0
    assert bench.archive.quarantine.list() == []
    route_unrouted(bench.archive, models, bench.settings, bench.clock)
    assert [job.generation for job in bench.archive.jobs.list(study)] == [1, 2]
    assert not bench.archive.quarantine.release(study, bench.clock())
