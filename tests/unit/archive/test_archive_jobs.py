"""Jobs, their leases, and what their end writes."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.records import (
    DeliveryState,
    DeploymentState,
    EvidenceState,
    Job,
    JobKind,
    JobState,
    Kind,
    NewEvidence,
    NewJob,
    QidoQuery,
    StoredStatus,
    StudyState,
)
from dicomnode.dicom.header import read_header
from dicomnode.errors import ArchiveError, NotFoundError
from tests.archives import NOW, SR, at, complete, make_file, put


def new_job(model: str = "brain", targets: tuple[str, ...] = ("pacs", "vna"), silent: bool = False) -> NewJob:
    return NewJob(model, "d" * 64, JobKind.INFER, "modality MR", ("1.2.3.9",), targets, silent)


def routed(archive: Archive, *jobs: NewJob, lines: tuple[tuple[str | None, str], ...] = ()) -> None:
    put(archive, make_file())
    generation = complete(archive)
    assert archive.jobs.add_all("1.2.3", generation, jobs or (new_job(),), lines, NOW)


def leased(archive: Archive, owner: str = "w1", seconds: float = 0) -> Job:
    job = archive.jobs.lease(owner, at(seconds), 60)
    assert job is not None
    return job


def new_evidence(
    archive: Archive, uid: str = "2.25.1", number: int = 1, state: EvidenceState = EvidenceState.READY, reason: str = ""
) -> NewEvidence:
    data = make_file(uid, SOPClassUID=SR, Modality="SR", SeriesInstanceUID="2.25.9", InstanceNumber=number)
    path = archive.evidence.write_file(data, uid)
    return NewEvidence(uid, SR, "2.25.9", "1.2.3", "brain", "answer", path, number, state, reason)


def test_a_complete_study_waits_for_routing_once(archive: Archive) -> None:
    put(archive, make_file())
    assert archive.jobs.unrouted() == []
    complete(archive)
    assert archive.jobs.unrouted() == [("1.2.3", 1)]
    assert archive.jobs.add_all("1.2.3", 1, [new_job()], [("brain", "matches"), (None, "two models asked")], NOW)
    assert archive.jobs.unrouted() == []
    assert not archive.jobs.add_all("1.2.3", 1, [new_job()], [("brain", "matches")], NOW)
    assert len(archive.jobs.list("1.2.3")) == 1
    lines = [line for line in archive.traces.list("1.2.3") if line.event == "routing"]
    assert [(line.model_name, line.text) for line in lines] == [("brain", "matches"), (None, "two models asked")]


def test_routing_of_an_unknown_study_is_refused(archive: Archive) -> None:
    with pytest.raises(NotFoundError):
        archive.jobs.add_all("9.9", 1, [], [], NOW)


def test_a_job_keeps_what_routing_said(archive: Archive) -> None:
    routed(archive, new_job(silent=True))
    (job,) = archive.jobs.list()
    assert (job.model_name, job.kind, job.series_instance_uids, job.targets, job.silent, job.state) == (
        "brain",
        JobKind.INFER,
        ("1.2.3.9",),
        ("pacs", "vna"),
        True,
        JobState.WAITING,
    )
    assert archive.jobs.get(job.job_id) == job
    assert archive.jobs.counts() == {JobState.WAITING: 1}


def test_one_worker_has_a_job_until_its_lease_ends(archive: Archive) -> None:
    routed(archive)
    job = leased(archive, "w1")
    assert (job.attempts, job.lease_until) == (1, at(60))
    assert archive.jobs.lease("w2", at(59), 60) is None
    assert archive.jobs.renew(job.job_id, "w1", at(120))
    assert archive.jobs.lease("w2", at(61), 60) is None
    taken = leased(archive, "w2", 121)
    assert (taken.job_id, taken.attempts) == (job.job_id, 2)
    assert not archive.jobs.renew(job.job_id, "w1", at(300))
    assert not archive.jobs.finish(job.job_id, "w1", [new_evidence(archive)], "{}", at(122))
    assert archive.evidence.list("1.2.3") == []


def test_finishing_writes_everything_at_once(archive: Archive) -> None:
    routed(archive)
    job = leased(archive)
    bad = new_evidence(archive, "2.25.2", 1, EvidenceState.QUARANTINED, "no image library")
    assert archive.jobs.finish(job.job_id, "w1", [new_evidence(archive), bad], '{"a": 1}', at(9))
    done = archive.jobs.get(job.job_id)
    assert (done.state, done.result_json, done.finished_at, done.lease_owner) == (
        JobState.DONE,
        '{"a": 1}',
        at(9),
        None,
    )
    ready, quarantined = archive.evidence.list("1.2.3")
    assert ready.path.read_bytes() == make_file(
        "2.25.1", SOPClassUID=SR, Modality="SR", SeriesInstanceUID="2.25.9", InstanceNumber=1
    )
    assert (quarantined.state, quarantined.reason) == (EvidenceState.QUARANTINED, "no image library")
    assert [(d.sop_instance_uid, d.target) for d in archive.deliveries.list()] == [
        ("2.25.1", "pacs"),
        ("2.25.1", "vna"),
    ]
    found = archive.studies.search_instances(QidoQuery((("SOPInstanceUID", "2.25.1,2.25.2"),)))
    assert [(row.instance.sop_instance_uid, row.kind) for row in found] == [("2.25.1", Kind.OWN)]
    assert archive.studies.record("1.2.3").source_instances == 1
    assert archive.evidence.counts() == {EvidenceState.READY: 1, EvidenceState.QUARANTINED: 1}
    assert {line.event for line in archive.traces.list("1.2.3")} >= {"answered", "quarantined"}


def test_the_targets_can_be_narrowed_at_the_end(archive: Archive) -> None:
    routed(archive)
    archive.jobs.finish(leased(archive).job_id, "w1", [new_evidence(archive)], "{}", NOW, targets=["vna"])
    assert [d.target for d in archive.deliveries.list()] == ["vna"]


def test_a_target_may_not_want_one_of_the_objects(archive: Archive) -> None:
    routed(archive)
    unwanted = replace(new_evidence(archive, "2.25.2"), unwanted_by=("pacs", "elsewhere"))
    archive.jobs.finish(leased(archive).job_id, "w1", [new_evidence(archive), unwanted], "{}", NOW)
    assert {(d.sop_instance_uid, d.target) for d in archive.deliveries.list()} == {
        ("2.25.1", "pacs"),
        ("2.25.1", "vna"),
        ("2.25.2", "vna"),
    }


def test_a_silent_job_sends_nothing(archive: Archive) -> None:
    routed(archive, new_job(silent=True))
    archive.jobs.finish(leased(archive).job_id, "w1", [new_evidence(archive)], "{}", NOW)
    assert archive.deliveries.list() == []
    assert len(archive.evidence.list("1.2.3")) == 1


def test_evidence_that_comes_back_is_recognised(archive: Archive) -> None:
    routed(archive)
    evidence = new_evidence(archive)
    archive.jobs.finish(leased(archive).job_id, "w1", [evidence], "{}", NOW)
    returned = put(archive, evidence.path.read_bytes(), at(60))
    assert returned.status is StoredStatus.OWN
    altered = make_file("2.25.1", SOPClassUID=SR, SeriesInstanceUID="2.25.9", StationName="PACS")
    assert put(archive, altered, at(61)).status is StoredStatus.OWN
    assert archive.studies.record("1.2.3").state is StudyState.COMPLETE
    assert archive.evidence.get("2.25.1") is not None


def test_evidence_that_is_here_keeps_its_bytes_and_is_not_sent_again(archive: Archive) -> None:
    routed(archive)
    first = new_evidence(archive)
    archive.jobs.finish(leased(archive).job_id, "w1", [first], "{}", NOW)
    put(archive, make_file("1.2.3.2"), at(1))
    archive.jobs.add_all("1.2.3", complete(archive), [new_job()], [], at(2))
    archive.jobs.finish(leased(archive, seconds=3).job_id, "w1", [new_evidence(archive, number=5)], "{}", at(4))
    (kept,) = archive.evidence.list("1.2.3")
    assert (kept.path, kept.instance_number) == (first.path, 1)
    assert len(archive.deliveries.list()) == 2


def test_the_current_object_of_a_series_has_the_highest_instance_number(archive: Archive) -> None:
    routed(archive)
    assert archive.evidence.previous("2.25.9") is None
    objects = [new_evidence(archive, "2.25.2", 2), new_evidence(archive, "2.25.1", 1)]
    failed = new_evidence(archive, "2.25.3", 3, EvidenceState.QUARANTINED, "broken")
    archive.jobs.finish(leased(archive).job_id, "w1", [*objects, failed], "{}", NOW)
    previous = archive.evidence.previous("2.25.9")
    assert previous is not None and previous.sop_instance_uid == "2.25.2"


def test_a_newer_generation_supersedes_unfinished_jobs(archive: Archive) -> None:
    routed(archive, new_job(), new_job("chest"))
    running = leased(archive)
    put(archive, make_file("1.2.3.2"), at(1))
    archive.jobs.add_all("1.2.3", complete(archive), [new_job()], [], at(2))
    states = [(job.generation, job.model_name, job.state) for job in archive.jobs.list()]
    assert states == [
        (1, "brain", JobState.SUPERSEDED),
        (1, "chest", JobState.SUPERSEDED),
        (2, "brain", JobState.WAITING),
    ]
    assert not archive.jobs.finish(running.job_id, "w1", [], "{}", at(3))
    assert not archive.jobs.retry_later(running.job_id, "w1", "lost", at(9), at(3))
    assert not archive.jobs.fail(running.job_id, "w1", "lost", at(3))


def test_a_job_is_tried_again_later_and_fails_in_the_end(archive: Archive) -> None:
    routed(archive)
    job = leased(archive)
    assert archive.jobs.retry_later(job.job_id, "w1", "out of memory", at(30), NOW)
    assert archive.jobs.lease("w1", at(29), 60) is None
    again = leased(archive, "w1", 30)
    assert (again.attempts, again.error) == (2, "out of memory")
    assert archive.jobs.fail(job.job_id, "w1", "out of memory again", at(31))
    failed = archive.jobs.get(job.job_id)
    assert (failed.state, failed.error) == (JobState.FAILED, "out of memory again")
    archive.jobs.retry(job.job_id, at(40))
    assert leased(archive, "w1", 40).attempts == 1


def test_a_failed_job_may_have_evidence_that_says_so(archive: Archive) -> None:
    routed(archive)
    job = leased(archive)
    assert archive.jobs.finish(job.job_id, "w1", [new_evidence(archive)], "{}", NOW, error="no memory")
    assert archive.jobs.get(job.job_id).state is JobState.FAILED
    assert len(archive.deliveries.list()) == 2


def test_only_what_can_be_retried_is(archive: Archive) -> None:
    routed(archive)
    job = leased(archive)
    with pytest.raises(ArchiveError, match="is leased"):
        archive.jobs.retry(job.job_id, NOW)
    with pytest.raises(NotFoundError, match="no job 99"):
        archive.jobs.retry(99, NOW)
    with pytest.raises(NotFoundError):
        archive.jobs.get(99)


def test_a_result_has_one_creation_time(archive: Archive) -> None:
    assert archive.results.begin("1.2.3", "brain", "d1", NOW) == NOW
    assert archive.results.begin("1.2.3", "brain", "d1", at(99)) == NOW
    assert archive.results.begin("1.2.3", "brain", "d2", at(99)) == at(99)


def test_deliveries_are_sent_by_one_process_at_a_time(archive: Archive) -> None:
    routed(archive)
    archive.jobs.finish(leased(archive).job_id, "w1", [new_evidence(archive)], "{}", NOW)
    (due,) = archive.deliveries.due("pacs", NOW, 10)
    sending = archive.deliveries.lease(due.delivery_id, "s1", at(30), NOW)
    assert sending is not None and (sending.state, sending.attempts) == (DeliveryState.SENDING, 1)
    assert archive.deliveries.lease(due.delivery_id, "s2", at(30), NOW) is None
    assert archive.deliveries.due("pacs", at(29), 10) == []
    assert len(archive.deliveries.due("pacs", at(31), 10)) == 1
    assert archive.deliveries.mark(due.delivery_id, "s1", DeliveryState.WAITING, "PACS is away", at(50), at(1))
    assert archive.deliveries.due("pacs", at(49), 10) == []
    assert not archive.deliveries.mark(due.delivery_id, "s1", DeliveryState.DELIVERED, "0x0000", NOW, at(1))
    assert archive.deliveries.lease(due.delivery_id, "s2", at(80), at(50)) is not None
    assert archive.deliveries.mark(due.delivery_id, "s2", DeliveryState.DELIVERED, "0x0000", at(50), at(51))
    assert archive.deliveries.counts() == {("pacs", DeliveryState.DELIVERED): 1, ("vna", DeliveryState.WAITING): 1}
    assert archive.traces.list("1.2.3")[-1].text == "answer to pacs: 0x0000"


def test_a_superseding_object_waits_for_its_predecessor(archive: Archive) -> None:
    routed(archive)
    objects = [new_evidence(archive, "2.25.1", 1), new_evidence(archive, "2.25.2", 2)]
    archive.jobs.finish(leased(archive).job_id, "w1", objects, "{}", NOW)
    (first,) = archive.deliveries.due("pacs", NOW, 10)
    archive.deliveries.lease(first.delivery_id, "s1", at(30), NOW)
    assert archive.deliveries.due("pacs", NOW, 10) == []
    archive.deliveries.mark(first.delivery_id, "s1", DeliveryState.REFUSED, "0xA900", NOW, NOW)
    (second,) = archive.deliveries.due("pacs", NOW, 10)
    assert (first.sop_instance_uid, second.sop_instance_uid) == ("2.25.1", "2.25.2")


def test_refused_deliveries_can_be_retried(archive: Archive) -> None:
    routed(archive)
    archive.jobs.finish(leased(archive).job_id, "w1", [new_evidence(archive)], "{}", NOW)
    (due,) = archive.deliveries.due("pacs", NOW, 10)
    archive.deliveries.lease(due.delivery_id, "s1", at(30), NOW)
    archive.deliveries.mark(due.delivery_id, "s1", DeliveryState.REFUSED, "0x0122", NOW, NOW)
    assert len(archive.deliveries.list("1.2.3", DeliveryState.REFUSED)) == 1
    assert archive.deliveries.retry(at(5), delivery_id=due.delivery_id) == 1
    assert archive.deliveries.retry(at(5), study_instance_uid="1.2.3") == 2
    assert archive.deliveries.retry(at(5), study_instance_uid="9.9") == 0
    with pytest.raises(NotFoundError, match="no delivery 99"):
        archive.deliveries.retry(at(5), delivery_id=99)


def test_other_bytes_for_the_same_evidence_get_another_path(archive: Archive) -> None:
    first = archive.evidence.write_file(make_file("2.25.1"), "2.25.1")
    assert archive.evidence.write_file(make_file("2.25.1"), "2.25.1") == first
    second = archive.evidence.write_file(make_file("2.25.1", InstanceNumber=2), "2.25.1")
    assert second != first
    assert read_header(BytesIO(first.read_bytes())).instance_number is None


@pytest.mark.parametrize("state", [DeploymentState.SILENT, DeploymentState.OFF])
def test_a_model_that_is_switched_while_its_job_ends_sends_nothing(archive: Archive, state: DeploymentState) -> None:
    archive.deployments.approve("brain", "d" * 64, DeploymentState.LIVE, NOW)
    routed(archive)
    job = leased(archive)
    archive.deployments.set_state("brain", state, at(1))
    assert archive.jobs.finish(job.job_id, "w1", [new_evidence(archive)], "{}", at(2), targets=("pacs",))
    assert archive.deliveries.list() == []
    assert "nothing is sent" in archive.traces.list("1.2.3")[-1].text


def test_answers_are_counted_by_outcome_and_score(archive: Archive) -> None:
    routed(archive, new_job("brain"), new_job("chest"))
    for model, result in (
        ("brain", '{"outcome": "findings", "answer": {"score": 0.75}}'),
        ("chest", '{"outcome": "out_of_scope", "answer": null}'),
    ):
        job = leased(archive)
        assert job.model_name == model
        assert archive.jobs.finish(job.job_id, "w1", [], result, at(5))
    (brain,), (chest,) = archive.answers.list("brain", 10), archive.answers.list("chest", 10)
    assert (brain.outcome, brain.score, brain.finished_at, brain.bundle_digest) == ("findings", 0.75, at(5), "d" * 64)
    assert (chest.outcome, chest.score) == ("out_of_scope", None)
    assert archive.answers.newest("brain") == (1, at(5))
    assert archive.answers.newest("nobody") == (0, None)
    assert archive.answers.list("nobody", 10) == []


def test_a_job_that_ended_without_a_document_counts_as_failed(archive: Archive) -> None:
    routed(archive)
    assert archive.jobs.fail(leased(archive).job_id, "w1", "no memory", at(2))
    assert [item.outcome for item in archive.answers.list("brain", 10)] == ["failed"]
