"""Results that are taken back: once, by the right note for each target, and never to be sent again."""

from __future__ import annotations

import pytest
from pydicom import dcmread

from dicomnode.archive.records import DeliveryState, DeploymentState
from dicomnode.archive.replays import Replay
from dicomnode.evidence.withdrawn import Cause
from dicomnode.jobs.deployed import Shelf, deployed_models
from dicomnode.jobs.dispatch import route_unrouted
from dicomnode.jobs.recalling import RecallRequest, foresee, recall
from dicomnode.settings import Settings
from tests.archives import at
from tests.worker_bench import Bench


@pytest.fixture
def bench(tmp_path, make_bundle):
    made = Bench(tmp_path / "data", make_bundle().parent)
    yield made
    made.archive.close()


def answered(bench, tmp_path, word: str = "one", count: int = 2) -> str:
    study, series = bench.receive(tmp_path / f"{word}{count}", count=count, study=word)
    bench.route(study, series)
    assert bench.worker().work_once()
    return study


def send(bench, target: str, state: DeliveryState = DeliveryState.DELIVERED) -> int:
    """Let a target take (or begin to take) everything that is due for it."""
    due = bench.archive.deliveries.due(target, bench.clock(), 99)
    for delivery in due:
        bench.archive.deliveries.lease(delivery.delivery_id, "outbox", at(bench.seconds + 60), bench.clock())
        if state is not DeliveryState.SENDING:
            bench.archive.deliveries.mark(
                delivery.delivery_id, "outbox", state, "0x0000 success", bench.clock(), bench.clock()
            )
    return len(due)


def settings_with(bench, **notes: str) -> Settings:
    targets = [
        target.model_copy(update={"rejection_note": notes.get(target.name, target.rejection_note)})
        for target in bench.settings.targets
    ]
    return bench.settings.model_copy(update={"targets": tuple(targets)})


def take_back(bench, settings=None, *, takes_note: bool = True, last: float = 1000.0):
    bench.seconds += 100.0
    request = RecallRequest("small", at(0), at(last), "wrong calibration", Cause.QUALITY)
    return recall(bench.archive, settings or bench.settings, request, lambda _: takes_note, bench.clock())


def states(bench, target: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for delivery in bench.archive.deliveries.list():
        if delivery.target == target:
            found[str(delivery.state)] = found.get(str(delivery.state), 0) + 1
    return found


def notes_for(bench, target: str) -> list[str]:
    """Kinds of notes that wait for a target."""
    evidence = [item for study in studies(bench) for item in bench.archive.evidence.list(study)]
    kinds = {item.sop_instance_uid: item.role for item in evidence}
    waiting = bench.archive.deliveries.list(state=DeliveryState.WAITING)
    return sorted(kinds[item.sop_instance_uid] for item in waiting if item.target == target)


def studies(bench) -> list[str]:
    return [record.study_instance_uid for record in bench.archive.studies.list()]


def test_what_arrived_is_withdrawn_and_what_did_not_is_cancelled(bench, tmp_path):
    study = answered(bench, tmp_path)
    assert send(bench, "pacs") == 2
    request = RecallRequest("small", at(0), at(1000), "", Cause.QUALITY)
    assert (foresee(bench.archive, request).sent, foresee(bench.archive, request).cancelled) == (2, 2)
    report = take_back(bench)
    assert (report.studies, report.objects, report.sent, report.cancelled, report.notes) == (1, 2, 2, 2, 3)
    assert notes_for(bench, "pacs") == ["rejection", "withdrawn-answer", "withdrawn-text"]
    assert states(bench, "quiet") == {"cancelled": 2}
    evidence = {item.role: item for item in bench.archive.evidence.list(study)}
    assert {role for role, item in evidence.items() if item.recall_id} == {"answer", "text"}
    assert evidence["withdrawn-text"].instance_number == evidence["text"].instance_number + 1
    note = dcmread(evidence["rejection"].path)
    named = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in note.ContentSequence
        if "ReferencedSOPSequence" in item
    }
    assert named == {evidence["answer"].sop_instance_uid, evidence["text"].sop_instance_uid}
    assert "recall 1: 2 object(s) withdrawn" in [e.text for e in bench.archive.traces.list(study)][-1]
    assert "wrong calibration" in next(e.detail for e in bench.archive.audit.list() if e.event == "recall")


def test_asking_again_withdraws_nothing_twice(bench, tmp_path):
    answered(bench, tmp_path)
    send(bench, "pacs")
    take_back(bench)
    before = len(bench.archive.deliveries.list())
    assert take_back(bench).studies == 0
    assert len(bench.archive.deliveries.list()) == before


@pytest.mark.parametrize(
    ("setting", "takes_note", "kinds"),
    [
        ("only", False, ["rejection"]),
        ("never", True, ["withdrawn-answer", "withdrawn-text"]),
        ("also", False, ["withdrawn-answer", "withdrawn-text"]),
    ],
)
def test_each_target_gets_what_its_setting_says(bench, tmp_path, setting, takes_note, kinds):
    answered(bench, tmp_path)
    send(bench, "pacs")
    take_back(bench, settings_with(bench, pacs=setting), takes_note=takes_note)
    assert notes_for(bench, "pacs") == kinds


def test_the_same_answer_again_stays_withdrawn(bench, tmp_path):
    study = answered(bench, tmp_path)
    send(bench, "pacs")
    take_back(bench)
    bench.archive.replays.start([study], Replay(), bench.clock())
    models = lambda: deployed_models(Shelf(bench.settings.models.folder), bench.archive.deployments)  # noqa: E731
    assert route_unrouted(bench.archive, models, bench.settings, bench.clock) == 1
    assert bench.worker().work_once()
    assert states(bench, "quiet") == {"cancelled": 2}
    assert any("it stays withdrawn" in entry.text for entry in bench.archive.traces.list(study))


def test_a_late_image_makes_a_new_result_that_supersedes_the_withdrawn_report(bench, tmp_path):
    study = answered(bench, tmp_path)
    send(bench, "pacs")
    take_back(bench)
    bench.seconds += 1000.0
    answered(bench, tmp_path, count=3)
    evidence = {(item.role, item.instance_number): item for item in bench.archive.evidence.list(study)}
    new = dcmread(evidence["text", 3].path)
    [named] = new.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert named.ReferencedSOPInstanceUID == evidence["withdrawn-text", 2].sop_instance_uid
    assert (evidence["text", 3].state, evidence["text", 3].recall_id) == ("ready", None)


def test_a_newer_result_is_not_covered_by_a_withdrawn_report(bench, tmp_path):
    answered(bench, tmp_path)
    bench.seconds = 2000.0
    answered(bench, tmp_path, count=3)
    send(bench, "pacs")
    send(bench, "pacs")  # what superseded waited for its predecessor
    report = take_back(bench, last=1000.0)
    assert (report.studies, report.objects) == (1, 2)
    assert notes_for(bench, "pacs") == ["rejection"]


def test_an_attempt_under_way_ends_before_the_note_goes_and_is_not_repeated(bench, tmp_path):
    answered(bench, tmp_path)
    assert send(bench, "pacs", DeliveryState.SENDING) == 2
    bench.seconds -= 100.0  # the leases still hold when it is recalled
    take_back(bench)
    assert bench.archive.deliveries.due("pacs", bench.clock(), 99) == []
    for delivery in bench.archive.deliveries.list(state=DeliveryState.SENDING):
        waiting, now = DeliveryState.WAITING, bench.clock()
        bench.archive.deliveries.mark(delivery.delivery_id, "outbox", waiting, "cannot connect", now, now)
    assert states(bench, "pacs")["cancelled"] == 2
    assert len(bench.archive.deliveries.due("pacs", bench.clock(), 99)) == 3


def test_a_result_that_cannot_be_read_is_told_and_left(bench, tmp_path):
    study = answered(bench, tmp_path)
    other = answered(bench, tmp_path, "two")
    send(bench, "pacs")
    next(item for item in bench.archive.evidence.list(study) if item.role == "text").path.unlink()
    report = take_back(bench)
    assert (report.studies, len(report.problems)) == (1, 1)
    assert study in report.problems[0]
    assert {item.recall_id for item in bench.archive.evidence.list(study)} == {None}
    assert all(item.recall_id for item in bench.archive.evidence.list(other) if item.role in ("answer", "text"))


def test_a_silent_result_is_marked_and_nobody_is_told(bench, tmp_path):
    study, series = bench.receive(tmp_path / "in", count=2)
    bench.route(study, series)
    bench.deploy(DeploymentState.SILENT)
    assert bench.worker().work_once()
    report = take_back(bench)
    assert (report.objects, report.sent, report.notes) == (2, 0, 0)


def test_two_recalls_at_once_withdraw_once(bench, tmp_path):
    study = answered(bench, tmp_path)
    recalls = bench.archive.recalls
    items = recalls.candidates("small", at(0), at(1000))[study]
    number = recalls.begin("small", at(0), at(1000), "", at(50))
    assert recalls.withdraw(number, study, items, [], at(51)).objects == 2
    assert recalls.withdraw(number + 1, study, items, [], at(52)) is None
    assert {item.recall_id for item in bench.archive.evidence.list(study)} == {number}
