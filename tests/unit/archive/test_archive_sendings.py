"""Evidence that is sent by hand: what may go, what may not, and what becomes of what is there already."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState, DeploymentState, EvidenceState, JobKind, NewEvidence, NewJob
from dicomnode.settings import Settings
from tests.seen_node import Filler, head

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MODEL = "model"
SERIES = "1.2.3.9"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    (tmp_path / "models").mkdir()
    settings = {"node": {"ae_title": "TEST", "data_dir": tmp_path / "data"}, "models": {"folder": tmp_path / "models"}}
    with Archive.open(Settings.model_validate(settings)) as opened:
        opened.deployments.approve(MODEL, "d" * 64, DeploymentState.LIVE, NOW)
        yield opened


@pytest.fixture
def study(archive: Archive) -> str:
    filler = Filler(archive, NOW)
    uid = filler.store("sendings", "Head", count=1)
    archive.jobs.add_all(uid, filler.complete(uid), [new_job()], [], NOW)
    return uid


def new_job(*, silent: bool = False) -> NewJob:
    return NewJob(MODEL, "d" * 64, JobKind.INFER, "why", (), ("pacs",), silent)


def finish(archive: Archive, study: str, *objects: tuple[str, int, EvidenceState]) -> None:
    """End the job with documents: UID, Instance Number, state."""
    owner = archive.jobs.claim_name()
    job = archive.jobs.lease(owner, NOW, 60)
    assert job is not None
    rows = [evidence(archive, study, *one) for one in objects]
    assert archive.jobs.finish(job.job_id, owner, rows, "{}", NOW)


def evidence(archive: Archive, study: str, uid: str, number: int, state: EvidenceState) -> NewEvidence:
    (dataset,) = head("sendings", 1, "MR", first=1)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.SeriesInstanceUID = SERIES
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    path = archive.evidence.write_file(buffer.getvalue(), uid)
    reason = "a problem" if state is EvidenceState.QUARANTINED else ""
    return NewEvidence(uid, dataset.SOPClassUID, SERIES, study, MODEL, "answer", path, number, state, reason)


def end(archive: Archive, state: DeliveryState) -> None:
    owner = archive.deliveries.claim_name()
    (delivery,) = archive.deliveries.list()
    assert archive.deliveries.lease(delivery.delivery_id, owner, NOW, NOW)
    assert archive.deliveries.mark(delivery.delivery_id, owner, state, "said", NOW, NOW)


def test_an_object_goes_to_a_target_that_routing_did_not_name(archive: Archive, study: str) -> None:
    finish(archive, study, ("1.2.3.9.1", 1, EvidenceState.READY))
    (sent,) = archive.sendings.ask(study, ["1.2.3.9.1"], "other", NOW)
    assert (sent.is_queued, sent.reason) == (True, "")
    assert {d.target: d.state for d in archive.deliveries.list(study)} == {
        "pacs": DeliveryState.WAITING,
        "other": DeliveryState.WAITING,
    }
    assert [e.text for e in archive.traces.list(study) if e.event == "queued"] == ["answer to other: asked for by hand"]


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.REFUSED, DeliveryState.HELD])
def test_what_ended_is_sent_once_more(archive: Archive, study: str, state: DeliveryState) -> None:
    finish(archive, study, ("1.2.3.9.1", 1, EvidenceState.READY))
    end(archive, state)
    (sent,) = archive.sendings.ask(study, ["1.2.3.9.1"], "pacs", NOW)
    assert sent.is_queued
    assert [d.state for d in archive.deliveries.list(study)] == [DeliveryState.WAITING]
    assert archive.deliveries.due("pacs", NOW, 9)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (DeliveryState.COVERED, "the target takes no such object"),
        (DeliveryState.WAITING, "on its way there already"),
    ],
)
def test_what_was_decided_otherwise_stays(archive: Archive, study: str, state: DeliveryState, reason: str) -> None:
    finish(archive, study, ("1.2.3.9.1", 1, EvidenceState.READY))
    end(archive, state)
    (sent,) = archive.sendings.ask(study, ["1.2.3.9.1"], "pacs", NOW)
    assert not sent.is_queued
    assert reason in sent.reason
    assert [d.state for d in archive.deliveries.list(study)] == [state]


def test_the_gate_and_newer_objects_hold(archive: Archive, study: str) -> None:
    ready, held = EvidenceState.READY, EvidenceState.QUARANTINED
    finish(archive, study, ("1.2.3.9.1", 1, ready), ("1.2.3.9.2", 2, ready), ("1.2.3.9.3", 3, held))
    asked = archive.sendings.ask(study, ["1.2.3.9.1", "1.2.3.9.2", "1.2.3.9.3", "9.9"], "other", NOW)
    assert [one.is_queued for one in asked] == [False, True, False, False]
    assert [one.reason for one in asked] == [
        "a newer object of its series superseded it",
        "",
        "the gate holds it back: a problem",
        "the study has no such object",
    ]


def test_a_model_that_was_silenced_since_says_nothing(archive: Archive, study: str) -> None:
    finish(archive, study, ("1.2.3.9.1", 1, EvidenceState.READY))
    archive.deployments.set_state(MODEL, DeploymentState.SILENT, NOW)
    (sent,) = archive.sendings.ask(study, ["1.2.3.9.1"], "other", NOW)
    assert sent.reason == "model model is silent: what it says is never sent"


def test_what_was_recalled_is_not_sent(archive: Archive, study: str) -> None:
    finish(archive, study, ("1.2.3.9.1", 1, EvidenceState.READY))
    far = datetime(2100, 1, 1, tzinfo=UTC)
    number = archive.recalls.begin(MODEL, NOW, far, "wrong", NOW)
    found = archive.recalls.candidates(MODEL, NOW, far)[study]
    assert archive.recalls.withdraw(number, study, found, [], NOW) is not None
    (sent,) = archive.sendings.ask(study, ["1.2.3.9.1"], "other", NOW)
    assert sent.reason == f"recall {number} withdrew it"
