"""Images that are looked at while their study arrives: the same answer, less to do, and nothing stale."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import dicomnode.jobs.early as early_module
from dicomnode.archive.records import DeploymentState
from dicomnode.errors import PixelError
from dicomnode.inference.network import SliceNetwork
from dicomnode.jobs.deployed import Shelf, deployed_models
from dicomnode.jobs.early import EarlyWork
from dicomnode.jobs.worker import Worker
from tests.archives import complete, make_file, open_archive, put
from tests.worker_bench import Bench


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


@pytest.fixture
def make_bench(tmp_path: Path, make_bundle: Any) -> Iterator[Callable[[str], Bench]]:
    models = make_bundle().parent
    made: list[Bench] = []

    def make(name: str) -> Bench:
        made.append(Bench(tmp_path / name, models))
        return made[-1]

    yield make
    for bench in made:
        bench.archive.close()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through a network, run by run."""
    counts: list[int] = []
    run = SliceNetwork.classify

    def counted(network: SliceNetwork, slices: Any, priors: Any = ()) -> Any:
        counts.append(0)
        place = len(counts) - 1

        def each() -> Iterator[Any]:
            for item in slices:
                counts[place] += 1
                yield item

        return run(network, each(), priors)

    monkeypatch.setattr(SliceNetwork, "classify", counted)
    return counts


def early_work(bench: Bench, worker: Worker, owner: str = "w1") -> EarlyWork:
    deployed = partial(deployed_models, Shelf(bench.settings.models.folder), bench.archive.deployments)
    return EarlyWork(bench.archive, bench.settings, owner, worker.models, deployed, bench.clock)


def answer(bench: Bench) -> dict[str, Any]:
    content = json.loads(bench.archive.jobs.list()[-1].result_json)
    return {key: value for key, value in content.items() if key != "created"}


def look_until_done(work: EarlyWork, bench: Bench) -> int:
    steps = 0
    bench.seconds += 1  # nothing came for a while
    while work.step():
        steps += 1
    return steps


def test_the_answer_is_that_of_the_complete_study(make_bench: Any, tmp_path: Path, seen: list[int]) -> None:
    complete_run, ahead = make_bench("a"), make_bench("b")
    study, series = complete_run.receive(tmp_path / "in", count=11)
    complete_run.route(study, series)
    complete_run.worker().work_once()
    assert seen == [11]
    seen.clear()

    worker = ahead.worker()
    work = early_work(ahead, worker)
    ahead.receive(tmp_path / "again", count=11)
    assert look_until_done(work, ahead) == 2
    ahead.route(study, series)
    assert worker.work_once()
    assert seen == [8, 3, 0]
    assert answer(ahead) == answer(complete_run)
    assert not work.step()


def test_a_batch_is_looked_at_when_it_is_full_or_nothing_came_for_a_while(
    make_bench: Any, tmp_path: Path, seen: list[int]
) -> None:
    bench = make_bench("a")
    work = early_work(bench, bench.worker())
    bench.receive(tmp_path / "in", count=17)
    assert work.step()
    assert not work.step()
    bench.seconds += 1
    assert work.step()
    assert not work.step()
    assert seen == [16, 1]


def test_a_late_image_is_the_only_one_that_is_looked_at_again(make_bench: Any, tmp_path: Path, seen: list[int]) -> None:
    bench = make_bench("a")
    worker = bench.worker()
    study, series = bench.receive(tmp_path / "in", count=3)
    look_until_done(early_work(bench, worker), bench)
    bench.route(study, series)
    worker.work_once()
    bench.receive(tmp_path / "late", count=4)
    bench.route(study, series)
    worker.work_once()
    assert seen == [3, 0, 1]
    assert answer(bench)["reason"].count("4 images") == 1


def test_what_cannot_be_read_is_left_to_the_job(
    make_bench: Any, tmp_path: Path, seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PixelError("damaged")

    monkeypatch.setattr(early_module, "look_ahead", refuse)
    bench = make_bench("a")
    worker = bench.worker()
    study, series = bench.receive(tmp_path / "in", count=3)
    assert look_until_done(early_work(bench, worker), bench) == 1
    bench.route(study, series)
    worker.work_once()
    assert bench.jobs() == ["done"]
    assert seen == [3]


def test_a_model_that_is_off_looks_at_nothing(make_bench: Any, tmp_path: Path, seen: list[int]) -> None:
    bench = make_bench("a")
    bench.deploy(DeploymentState.OFF)
    bench.receive(tmp_path / "in", count=9)
    assert look_until_done(early_work(bench, bench.worker()), bench) == 0
    bench.receive(tmp_path / "ct", count=9, series="other", modality="CT")
    bench.deploy(DeploymentState.SILENT)
    assert look_until_done(early_work(bench, bench.worker()), bench) == 2
    assert seen == [8, 1]  # the head; the CT is nobody's business


def test_one_process_looks_at_a_study_and_none_after_it_died_of_it(
    make_bench: Any, tmp_path: Path, seen: list[int]
) -> None:
    bench = make_bench("a")
    first, second = early_work(bench, bench.worker()), early_work(bench, bench.worker("w2"), "w2")
    bench.receive(tmp_path / "in", count=9)
    assert first.step()
    assert not second.step()
    bench.archive.early_claims.give_back("w1")  # as at its orderly end
    bench.receive(tmp_path / "more", count=10)
    assert second.step()
    assert seen == [8, 8]


def test_who_looked_at_a_study_gets_its_job_first(make_bench: Any, tmp_path: Path) -> None:
    bench = make_bench("a")
    study, series = bench.receive(tmp_path / "in", count=2)
    assert bench.archive.early_claims.claim(study, "w1", bench.clock())
    bench.route(study, series)
    assert not bench.worker("w2").work_once()
    bench.seconds += 0.6  # it had its chance
    assert bench.worker("w2").work_once()


def test_claims_are_forgotten_after_a_day(tmp_path: Path) -> None:
    with open_archive(tmp_path) as archive:
        put(archive, make_file())
        now = archive.studies.open_studies()[0].last_arrival
        assert archive.early_claims.claim("1.2.3", "dead", now)
        assert not archive.early_claims.claim("1.2.3", "w1", now)
        assert archive.early_claims.claim("1.2.4", "w1", now.replace(day=now.day + 2))
        assert archive.early_claims.claim("1.2.3", "w1", now)
        assert complete(archive) == 1
