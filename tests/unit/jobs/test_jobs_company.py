"""Several jobs in one process: side by side, urgent ones first, and those that failed before alone."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from dicomnode.archive.records import STAT_PRIORITY, Turn
from dicomnode.jobs.watchdog import Watchdog
from tests.peers_fixtures import wait_for
from tests.worker_bench import Bench

PATIENCE = 30.0


@pytest.fixture
def bench(tmp_path, make_bundle):
    made = Bench(tmp_path / "data", make_bundle().parent)
    yield made
    made.archive.close()


def queue(bench, folder, name: str, priority: int = 0) -> str:
    study, series = bench.receive(folder / name, count=1, study=name, series=name)
    bench.route(study, series, priority=priority)
    bench.seconds += 1
    return study


class Held:
    """Lets the jobs of a worker begin, and end when the test says so."""

    def __init__(self, worker) -> None:
        self.began: list[str] = []
        self.release = Event()
        make = worker._attempts.make

        def made(job):
            self.began.append(job.study_instance_uid)
            assert self.release.wait(PATIENCE)
            make(job)

        worker._attempts.make = made


def run(worker) -> tuple[Thread, Event]:
    stop = Event()
    thread = Thread(target=worker.run, args=(stop,))
    thread.start()
    return thread, stop


def states(bench) -> dict[str, str]:
    return {job.study_instance_uid: str(job.state) for job in bench.archive.jobs.list()}


def test_jobs_run_side_by_side_and_an_urgent_one_needs_no_free_place(bench, tmp_path):
    studies = [queue(bench, tmp_path, name) for name in ("one", "two", "three")]
    worker = bench.worker()
    held = Held(worker)
    thread, stop = run(worker)
    try:
        wait_for(lambda: sorted(held.began) == sorted(studies[:2]), PATIENCE, "two jobs at once")
        urgent = queue(bench, tmp_path, "urgent", STAT_PRIORITY)
        wait_for(lambda: urgent in held.began, PATIENCE, "the urgent one beside them")
        assert studies[2] not in held.began
        held.release.set()
        wait_for(lambda: set(states(bench).values()) == {"done"}, PATIENCE, "all of them")
    finally:
        held.release.set()
        stop.set()
        thread.join(PATIENCE)


@pytest.mark.parametrize(
    ("turn", "order"),
    [
        (Turn.URGENT_FIRST, ["urgent", "routine", "replayed"]),
        (Turn.OLDEST_FIRST, ["routine", "urgent", "replayed"]),
        (Turn.URGENT_ONLY, ["urgent"]),
    ],
)
def test_turns_of_jobs(bench, tmp_path, turn, order):
    names = {
        queue(bench, tmp_path, name, priority): name
        for name, priority in (("replayed", -10), ("routine", 0), ("urgent", STAT_PRIORITY))
    }
    taken = []
    while (job := bench.archive.jobs.lease("w", bench.clock(), 30, turn)) is not None:
        taken.append(names[job.study_instance_uid])
    assert taken == order


def test_a_worker_that_dies_with_several_jobs_costs_none_of_them_an_attempt(bench, tmp_path):
    studies = [queue(bench, tmp_path, name) for name in ("one", "two", "three")]
    for _ in studies:
        assert bench.archive.jobs.lease("killed", bench.clock(), 30)
    bench.seconds += 31
    again = [bench.archive.jobs.lease("killed too", bench.clock(), 30)]
    assert (again[0].attempts, again[0].error.endswith("with 3 jobs; next it runs alone")) == (1, True)
    assert sorted(states(bench).values()) == ["leased", "waiting", "waiting"]
    bench.seconds += 31
    again = [bench.archive.jobs.lease("w", bench.clock(), 30) for _ in studies]
    assert sorted(job.attempts for job in again) == [1, 1, 2]  # one died alone, and that counts


def test_a_job_that_failed_before_runs_alone(bench, tmp_path):
    suspect = queue(bench, tmp_path, "suspect")
    worker = bench.worker()
    held = Held(worker)
    job = bench.archive.jobs.lease("other", bench.clock(), 30)
    bench.archive.jobs.retry_later(job.job_id, "other", "it failed", bench.clock(), bench.clock())
    sound = [queue(bench, tmp_path, name) for name in ("one", "two")]
    first = Thread(target=worker.work_once)
    first.start()
    wait_for(lambda: len(held.began) == 1, PATIENCE, "a sound job")
    second = Thread(target=worker.work_once)
    second.start()
    wait_for(lambda: len(held.began) == 2, PATIENCE, "another beside it")
    third = Thread(target=worker.work_once)
    third.start()
    wait_for(lambda: states(bench)[suspect] == "leased", PATIENCE, "the lease of the one that failed")
    assert sorted(held.began) == sorted(sound)
    newer = queue(bench, tmp_path, "newer")
    fourth = Thread(target=worker.work_once)
    fourth.start()
    held.release.set()
    for thread in (first, second, third, fourth):
        thread.join(PATIENCE)
    assert held.began[2:] == [suspect, newer]
    assert set(states(bench).values()) == {"done"}


def test_a_hanging_job_ends_the_process_and_the_others_are_not_to_blame(bench, tmp_path):
    hanging, other = queue(bench, tmp_path, "hanging"), queue(bench, tmp_path, "other")
    worker = bench.worker()
    held = Held(worker)
    threads = [Thread(target=worker.work_once), Thread(target=worker.work_once)]
    threads[0].start()
    wait_for(lambda: held.began == [hanging], PATIENCE, "the job that hangs")
    bench.seconds += 60
    threads[1].start()
    wait_for(lambda: other in held.began, PATIENCE, "the other")
    stop, ended = Event(), Event()
    bench.seconds += 41
    Watchdog(worker, 100.0, lambda: (ended.set(), stop.set())).run(stop)
    assert ended.is_set()
    jobs = {job.study_instance_uid: job for job in bench.archive.jobs.list()}
    assert (jobs[hanging].state, jobs[hanging].attempts) == ("waiting", 1)
    assert (jobs[other].state, jobs[other].attempts) == ("waiting", 0)
    assert "ended because of job 1" in jobs[other].error
    held.release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert set(states(bench).values()) == {"waiting"}  # what came too late is not used


def test_all_jobs_under_way_are_given_back_when_the_worker_must_stop(bench, tmp_path):
    for name in ("one", "two"):
        queue(bench, tmp_path, name)
    worker = bench.worker()
    held = Held(worker)
    threads = [Thread(target=worker.work_once) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(held.began) == 2, PATIENCE, "both jobs")
    stop = Event()
    stop.set()
    worker.give_back(stop, patience_seconds=0.05)
    assert [(str(job.state), job.attempts) for job in bench.archive.jobs.list()] == [("waiting", 0)] * 2
    held.release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert bench.jobs() == ["waiting", "waiting"]


def test_what_breaks_a_thread_of_the_worker_ends_the_worker(bench, tmp_path):
    queue(bench, tmp_path, "one")
    worker = bench.worker()

    def broken(_):
        raise OSError("the index is gone")

    worker._attempts.make = broken
    with pytest.raises(OSError, match="the index is gone"):
        worker.run(Event())
