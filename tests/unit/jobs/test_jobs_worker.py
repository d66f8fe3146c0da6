"""The worker with a real archive, a real small bundle and real evidence; time is an argument."""

from __future__ import annotations

import json
from functools import partial
from threading import Event, Thread

import pytest
from pydicom import dcmread

from dicomnode.archive.checks import CheckState, StudyCheck
from dicomnode.archive.records import DeliveryState, DeploymentState, EvidenceState, JobKind, JobState
from dicomnode.errors import ArchiveFullError, BundleError
from dicomnode.jobs.deployed import Shelf, deployed_models
from dicomnode.jobs.dispatch import route_unrouted
from dicomnode.jobs.heartbeat import Heartbeat
from tests.archives import complete
from tests.peers_fixtures import wait_for
from tests.worker_bench import Bench


@pytest.fixture
def bench(tmp_path, make_bundle):
    made = Bench(tmp_path / "data", make_bundle().parent)
    yield made
    made.archive.close()


def outcome(bench) -> str:
    return json.loads(bench.archive.jobs.list()[-1].result_json)["outcome"]


def test_a_study_becomes_documents_that_passed_the_gate_and_are_queued(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=3)
    bench.route(study, series)
    worker = bench.worker()
    assert worker.work_once()
    assert not worker.work_once()
    assert bench.jobs() == ["done"]
    evidence = bench.archive.evidence.list(study)
    assert {"answer", "text"} <= {item.role for item in evidence}
    assert [(item.state, item.reason) for item in evidence] == [(EvidenceState.READY, "")] * len(evidence)
    assert bench.deliveries() == {"pacs": len(evidence), "quiet": len(evidence)}
    assert outcome(bench) in ("findings", "no_findings")
    assert dcmread(evidence[0].path).VerificationFlag == "UNVERIFIED"


def test_the_same_images_again_are_answered_by_the_stored_documents(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    bench.worker().work_once()
    first = {item.sop_instance_uid: item.sha256 for item in bench.archive.evidence.list(study)}
    bench.seconds += 100
    bench.receive(tmp_path / "other", count=1, series="other", modality="CT")
    bench.route(study, series)
    bench.worker("w2").work_once()
    assert bench.jobs() == ["done", "done"]
    assert {item.sop_instance_uid: item.sha256 for item in bench.archive.evidence.list(study)} == first
    assert bench.deliveries() == {"pacs": len(first), "quiet": len(first)}


def test_a_late_image_gives_a_result_that_supersedes(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    bench.worker().work_once()
    bench.seconds += 100
    bench.receive(tmp_path / "late", count=3)
    bench.route(study, series)
    bench.worker().work_once()
    answers = [item for item in bench.archive.evidence.list(study) if item.role == "answer"]
    assert [item.instance_number for item in answers] == [1, 2]
    assert len({item.series_instance_uid for item in answers}) == 1
    newer = dcmread(answers[1].path)
    [predecessor] = newer.PredecessorDocumentsSequence
    assert answers[0].sop_instance_uid in str(predecessor)


def test_a_study_that_was_deleted_and_comes_again_has_the_same_answer(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    bench.worker().work_once()
    first = {item.sop_instance_uid: (item.instance_number, item.sha256) for item in bench.archive.evidence.list(study)}
    for target in ("pacs", "quiet"):
        while due := bench.archive.deliveries.due(target, bench.clock(), 1):
            delivery, until = due[0].delivery_id, bench.clock()
            assert bench.archive.deliveries.lease(delivery, "o", until, bench.clock())
            bench.archive.deliveries.mark(delivery, "o", DeliveryState.DELIVERED, "0x0000", until, bench.clock())
    bench.seconds += 1000.0
    assert bench.archive.retention.forget(study, bench.clock(), (), bench.clock())
    assert bench.archive.evidence.list(study) == []
    bench.receive(tmp_path / "again", count=2)
    bench.route(study, series)
    assert bench.worker().work_once()
    again = {item.sop_instance_uid: (item.instance_number, item.sha256) for item in bench.archive.evidence.list(study)}
    assert again == first
    bench.seconds += 100
    bench.receive(tmp_path / "late", count=3)
    bench.route(study, series)
    assert bench.worker().work_once()
    numbers = [item.instance_number for item in bench.archive.evidence.list(study) if item.role == "answer"]
    assert numbers == [1, 2]


@pytest.mark.parametrize(("kind", "said"), [(JobKind.OUT_OF_SCOPE, "out_of_scope"), (JobKind.REFUSED, "refused")])
def test_coded_answers_go_once_and_only_where_they_are_wanted(bench, tmp_path, kind, said):
    study, series = bench.receive(tmp_path / "in", count=1)
    bench.route(study, series, kind, "modality CT is not MR")
    bench.worker().work_once()
    assert (bench.jobs(), outcome(bench)) == (["done"], said)
    assert {item.role for item in bench.archive.evidence.list(study)} == {"answer", "text"}
    assert bench.deliveries() == {"pacs": 2}
    bench.seconds += 100
    bench.receive(tmp_path / "more", count=2)
    bench.route(study, series, kind, "modality CT is not MR")
    bench.worker().work_once()
    assert bench.deliveries() == {"pacs": 2}


def test_a_series_that_turns_out_too_small_is_not_told_unless_asked_for(bench, tmp_path):
    import numpy as np

    study, series = bench.receive(tmp_path / "in", count=1, pixels=np.zeros((4, 4), np.uint16))
    bench.route(study, series)
    bench.worker().work_once()
    assert (bench.jobs(), outcome(bench)) == (["done"], "out_of_scope")
    assert bench.archive.evidence.list(study) == []
    assert any(entry.event == "out of scope" for entry in bench.archive.traces.list(study))


def test_a_killed_workers_job_is_done_once_by_another(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    assert bench.archive.jobs.lease("killed", bench.clock(), 30)
    assert not bench.worker().work_once()
    bench.seconds += 31
    assert bench.worker().work_once()
    assert bench.jobs() == ["done"]
    answers = [item for item in bench.archive.evidence.list(study) if item.role == "answer"]
    assert len(answers) == 1


def test_a_job_that_kills_its_workers_is_answered_with_failed(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    for _ in range(bench.settings.infer.maximum_attempts):
        assert bench.archive.jobs.lease("killed", bench.clock(), 30)
        bench.seconds += 31
    assert bench.worker().work_once()
    assert (bench.jobs(), outcome(bench)) == (["failed"], "failed")
    assert bench.deliveries() == {"pacs": 2}
    assert "its worker died, or did not answer any more, during attempt 3" in bench.archive.jobs.list()[0].error


def test_a_model_that_fails_is_tried_again_and_then_answered_with_failed(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    worker = bench.worker()
    worker._models.predictor = lambda bundle: 1 / 0
    for _ in range(bench.settings.infer.maximum_attempts):
        assert worker.work_once()
        assert not worker.work_once()
        bench.seconds += 60
    assert (bench.jobs(), outcome(bench)) == (["failed"], "failed")
    assert "unexpected ZeroDivisionError" in bench.archive.jobs.list()[0].error
    assert bench.deliveries() == {"pacs": 2}
    # an administrator mends the cause and asks again: the answer is another document
    bench.archive.jobs.retry(1, bench.clock())
    assert bench.worker("w2").work_once()
    assert bench.jobs() == ["done"]
    assert outcome(bench) in ("findings", "no_findings")
    answers = [item for item in bench.archive.evidence.list(study) if item.role == "answer"]
    assert [item.instance_number for item in answers] == [1, 2]


@pytest.mark.parametrize("state", [DeploymentState.SILENT, DeploymentState.OFF])
def test_a_model_that_was_silenced_after_routing_says_nothing(bench, tmp_path, state):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    bench.deploy(state)
    assert bench.worker().work_once()
    assert bench.deliveries() == {}
    [job] = bench.archive.jobs.list()
    assert job.state is (JobState.DONE if state is DeploymentState.SILENT else JobState.FAILED)


def test_a_bundle_that_was_altered_after_routing_does_not_run(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    (bench.settings.models.folder / "small" / "note.txt").write_text("altered")
    assert bench.worker().work_once()
    [job] = bench.archive.jobs.list()
    assert (job.state, "was altered after routing" in job.error) == (JobState.FAILED, True)
    assert bench.archive.evidence.list(study) == []


def test_a_study_that_changes_under_the_work_gets_only_the_newer_result(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    worker = bench.worker()
    load = worker._models.predictor

    def interrupted(bundle):
        bench.receive(tmp_path / "late", count=3)
        bench.route(study, series)
        worker._models.predictor = load
        return load(bundle)

    worker._models.predictor = interrupted
    assert worker.work_once()
    assert bench.jobs() == ["superseded", "waiting"]
    assert bench.archive.evidence.list(study) == []
    assert worker.work_once()
    assert bench.jobs() == ["superseded", "done"]
    assert {item.instance_number for item in bench.archive.evidence.list(study)} == {1}


def test_a_full_disk_is_waited_out_however_often(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    worker = bench.worker()
    load = worker._models.predictor

    def full(_):
        raise ArchiveFullError("no space left for evidence; make room")

    worker._models.predictor = full
    for _ in range(bench.settings.infer.maximum_attempts + 2):
        assert worker.work_once()
        bench.seconds += 31
    assert bench.jobs() == ["waiting"]
    worker._models.predictor = load
    assert worker.work_once()
    assert bench.jobs() == ["done"]


def test_a_job_under_way_is_given_back_when_the_worker_must_stop(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    worker = bench.worker()
    began, release = Event(), Event()
    worker._models.predictor = lambda bundle: began.set() or release.wait(20)
    working = Thread(target=worker.work_once)
    working.start()
    assert began.wait(10)
    stop = Event()
    stop.set()
    worker.give_back(stop, patience_seconds=0.1)
    assert bench.jobs() == ["waiting"]
    release.set()
    working.join()
    assert bench.jobs() == ["waiting"]


def test_a_heartbeat_keeps_the_lease_and_ends_with_the_work(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=1)
    bench.route(study, series)
    job = bench.archive.jobs.lease("w1", bench.clock(), 0.3)
    with Heartbeat(bench.archive.jobs, job.job_id, "w1", 0.3, bench.clock):
        bench.seconds += 100
        kept = wait_for(lambda: bench.archive.jobs.get(job.job_id).lease_until > bench.clock(), 5, "a renewal")
        assert kept
        assert bench.archive.jobs.lease("w2", bench.clock(), 30) is None
    bench.seconds += 100
    assert bench.archive.jobs.lease("w2", bench.clock(), 30).job_id == job.job_id


def test_a_network_that_cannot_be_built_is_answered_with_failed(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    worker = bench.worker()

    def broken(_):
        raise BundleError("bundle small: _target_ 'no.such.Network' is no class of this installation")

    worker._models.predictor = broken
    for _ in range(bench.settings.infer.maximum_attempts):
        assert worker.work_once()
        bench.seconds += 60
    assert (bench.jobs(), outcome(bench)) == (["failed"], "failed")
    assert "no.such.Network" in bench.archive.jobs.list()[0].error


def test_a_study_whose_patient_changes_on_the_way_is_refused_in_a_report(bench, tmp_path):
    study, _ = bench.receive(tmp_path / "in", count=2)
    bench.receive(tmp_path / "foreign", count=1, series="foreign", PatientID="SOMEBODY-ELSE")
    complete(bench.archive, study, bench.clock())
    models = partial(deployed_models, Shelf(bench.settings.models.folder), bench.archive.deployments)
    assert route_unrouted(bench.archive, models, bench.settings, bench.clock) == 1
    assert bench.worker().work_once()
    assert (bench.jobs(), outcome(bench)) == (["done"], "refused")
    answers = bench.archive.evidence.list(study)
    assert {(item.role, item.state) for item in answers} == {("answer", "ready"), ("text", "ready")}
    assert bench.deliveries() == {"pacs": 2}
    for entry in bench.archive.traces.list(study):
        assert "SOMEBODY" not in entry.text


def test_an_answer_says_if_images_of_the_study_are_missing(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.archive.checks.put(
        StudyCheck(study, 1, CheckState.INCOMPLETE, "archive", 5, 2, 1, bench.clock(), "3 could not be had")
    )
    bench.route(study, series)
    assert bench.worker().work_once()
    said = "the study is incomplete: 3 of 5 images are missing"
    assert said in json.loads(bench.archive.jobs.list()[0].result_json)["reason"]
    (text,) = [item for item in bench.archive.evidence.list(study) if item.role == "text"]
    assert any(said in str(item.value) for item in dcmread(text.path).iterall() if item.keyword == "TextValue")
