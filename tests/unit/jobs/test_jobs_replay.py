"""Old studies that run again: behind live work, and only what differs is new."""

from __future__ import annotations

import pytest

from dicomnode.archive.records import DeploymentState
from dicomnode.archive.replays import Replay
from dicomnode.jobs.deployed import Shelf, deployed_models
from dicomnode.jobs.dispatch import route_unrouted
from tests.archives import at, complete
from tests.worker_bench import Bench


@pytest.fixture
def bench(tmp_path, make_bundle):
    made = Bench(tmp_path / "data", make_bundle().parent)
    yield made
    made.archive.close()


def route_all(bench) -> int:
    def models():
        return deployed_models(Shelf(bench.settings.models.folder), bench.archive.deployments)

    return route_unrouted(bench.archive, models, bench.settings, bench.clock)


def answered(bench, tmp_path, word: str) -> str:
    """A study that came in, was routed and answered."""
    study, _ = bench.receive(tmp_path / word, count=2, study=word)
    complete(bench.archive, study, bench.clock())
    assert route_all(bench) == 1
    assert bench.worker().work_once()
    return study


def test_live_work_is_never_behind_replayed_work(bench, tmp_path):
    old = [answered(bench, tmp_path, word) for word in ("one", "two")]
    assert bench.archive.replays.start(old, Replay(), at(20)) == tuple(old)
    bench.seconds = 30.0
    assert route_all(bench) == 2
    bench.seconds = 40.0
    new, _ = bench.receive(tmp_path / "new", count=2, study="new")
    complete(bench.archive, new, bench.clock())
    assert route_all(bench) == 1
    leased = [bench.archive.jobs.lease(f"w{number}", at(50), 60).study_instance_uid for number in range(3)]
    assert leased == [new, *old]


def test_a_live_study_is_routed_first_and_replays_come_in_portions(bench, tmp_path):
    old = [answered(bench, tmp_path, word) for word in ("one", "two", "three")]
    bench.archive.replays.start(old, Replay(), at(20))
    new, _ = bench.receive(tmp_path / "new", count=1, study="new")
    complete(bench.archive, new, at(21))
    found = [uid for uid, _ in bench.archive.jobs.unrouted(replays=2)]
    assert (found[0], len(found)) == (new, 3)


def test_the_same_images_and_model_leave_the_stored_answer_and_send_nothing(bench, tmp_path):
    study = answered(bench, tmp_path, "one")
    before = [item.sop_instance_uid for item in bench.archive.evidence.list(study)]
    deliveries = bench.deliveries()
    bench.archive.replays.start([study], Replay(), at(20))
    bench.seconds = 30.0
    route_all(bench)
    assert bench.worker().work_once()
    assert bench.jobs() == ["done", "done"]
    assert [item.sop_instance_uid for item in bench.archive.evidence.list(study)] == before
    assert bench.deliveries() == deliveries


def test_another_version_of_the_model_supersedes(bench, tmp_path):
    study = answered(bench, tmp_path, "one")
    metadata = bench.settings.models.folder / "small" / "configs" / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"0.1.0"', '"0.2.0"'))
    from dicomnode.bundles import bundle_digest

    bench.digest = bundle_digest(metadata.parent.parent)
    bench.deploy(DeploymentState.LIVE)
    bench.archive.replays.start([study], Replay("small"), at(20))
    bench.seconds = 30.0
    route_all(bench)
    assert bench.worker().work_once()
    numbers = [item.instance_number for item in bench.archive.evidence.list(study) if item.role == "answer"]
    assert numbers == [1, 2]


def test_a_silent_replay_is_computed_and_not_sent(bench, tmp_path):
    bench.deploy(DeploymentState.SILENT)
    study = answered(bench, tmp_path, "one")
    bench.deploy(DeploymentState.LIVE)
    bench.archive.replays.start([study], Replay(silent=True), at(20))
    bench.seconds = 30.0
    route_all(bench)
    assert bench.archive.jobs.list(study)[-1].silent
    assert bench.worker().work_once()
    assert bench.deliveries() == {}
    # The silent weeks are over: the same replay, not silent, sends the stored answers.
    bench.archive.replays.start([study], Replay(), at(40))
    bench.seconds = 50.0
    route_all(bench)
    assert bench.worker().work_once()
    assert bench.deliveries() == {"pacs": 2, "quiet": 2}


def test_only_the_named_model_is_asked(bench, tmp_path):
    study = answered(bench, tmp_path, "one")
    bench.archive.replays.start([study], Replay("another"), at(20))
    route_all(bench)
    assert bench.jobs() == ["done"]


def test_a_study_that_is_worked_on_or_open_is_left_out(bench, tmp_path):
    study = answered(bench, tmp_path, "one")
    assert bench.archive.replays.start([study], Replay(), at(20)) == (study,)
    assert bench.archive.replays.start([study], Replay(), at(21)) == ()  # not routed yet
    route_all(bench)
    assert bench.archive.replays.start([study], Replay(), at(22)) == ()  # its job waits
    assert bench.worker().work_once()
    bench.receive(tmp_path / "late", count=3, study="one")
    assert bench.archive.replays.start([study], Replay(), at(23)) == ()  # open again


def test_a_late_image_makes_a_replayed_study_live_work(bench, tmp_path):
    study = answered(bench, tmp_path, "one")
    bench.archive.replays.start([study], Replay("another", silent=True), at(20))
    bench.seconds = 30.0
    bench.receive(tmp_path / "late", count=3, study="one")
    complete(bench.archive, study, bench.clock())
    assert bench.archive.replays.asked(study) is None
    assert route_all(bench) == 1
    assert not bench.archive.jobs.list(study)[-1].silent


def test_studies_are_chosen_by_their_last_arrival(bench, tmp_path):
    first = answered(bench, tmp_path, "one")
    bench.seconds = 100.0
    second = answered(bench, tmp_path, "two")
    replays = bench.archive.replays
    assert replays.candidates(None, None) == [first, second]
    assert replays.candidates(at(50), None) == [second]
    assert replays.candidates(None, at(100)) == [first]
    assert replays.candidates(at(0), None, second) == [second]
