"""What operators can have done with a study: it is done, who asked is audited, and nobody else may."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.archive.records import DeliveryState, JobState
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from tests.seen_node import CLASSIFIER, DETECTOR, Filler, Seen
from tests.unit.web.signed_in import Browser, Clock, make_account, make_token

API = "/api/v1/studies"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("actions")
    (folder / "models").mkdir()
    pacs = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 1}
    viewer = {"name": "viewer", "url": "http://127.0.0.1:1/dicom-web", "send": {"attention": False}}
    return Settings.model_validate(
        {
            "node": {"ae_title": "TESTNODE", "data_dir": folder / "data"},
            "models": {"folder": folder / "models"},
            "targets": [pacs, viewer],
        }
    )


@pytest.fixture(scope="module")
def archive(settings: Settings) -> Iterator[Archive]:
    with Archive.open(settings) as opened:
        clock = Clock()
        for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN):
            make_account(opened, str(role), role, clock)
        yield opened


@pytest.fixture(scope="module")
def seen(archive: Archive) -> Seen:
    return Filler(archive, datetime.now(UTC)).fill()


@pytest.fixture(scope="module")
def app(archive: Archive, settings: Settings) -> FastAPI:
    return create_app(archive, settings, Clock())


class Program:
    """Asks by the API with a token of a role."""

    def __init__(self, app: FastAPI, archive: Archive, role: Role) -> None:
        self._browser = Browser(app)
        self._headers = make_token(archive, str(role), role, Clock())

    def post(self, path: str, body: object = None):
        return self._browser.request("POST", f"{API}/{path}", json=body or {}, headers=self._headers)


@pytest.fixture
def operator(app: FastAPI, archive: Archive, seen: Seen) -> Program:
    return Program(app, archive, Role.OPERATOR)


def last_audit(archive: Archive) -> tuple[str, str, str]:
    entry = archive.audit.list(1)[0]
    return entry.event, entry.detail, entry.actor


def test_run_again_is_asked_for_and_audited_with_its_actor(operator: Program, archive: Archive, seen: Seen) -> None:
    answer = operator.post(f"{seen.negative}/run-again", {"model": DETECTOR, "silent": True})
    assert (answer.status_code, answer.json()["studies"]) == (200, 1)
    replay = archive.replays.asked(seen.negative)
    assert replay is not None
    assert (replay.model_name, replay.silent) == (DETECTOR, True)
    assert last_audit(archive) == ("study run again", f"model {DETECTOR}, silent", "operator@127.0.0.1")
    again = operator.post(f"{seen.negative}/run-again")
    assert again.status_code == 409
    assert "cannot run again now" in again.json()["detail"]


def test_a_model_that_nobody_approved_runs_on_nothing(operator: Program, seen: Seen) -> None:
    assert operator.post(f"{seen.refused}/run-again", {"model": "nobody"}).status_code == 404
    assert operator.post(f"{seen.refused}/run-again", {"modell": DETECTOR}).status_code == 400
    assert operator.post("9.9/run-again").status_code == 404


def test_retry_of_a_study_starts_its_failed_jobs_anew(operator: Program, archive: Archive, seen: Seen) -> None:
    answer = operator.post(f"{seen.failed}/retry")
    assert answer.json()["jobs"] == 1
    (job,) = archive.jobs.list(seen.failed)
    assert job.state is JobState.WAITING
    assert last_audit(archive)[0] == "retried"


def test_retry_of_a_job_that_is_done_is_refused(operator: Program, archive: Archive, seen: Seen) -> None:
    (job,) = archive.jobs.list(seen.refused)
    answer = operator.post(f"{seen.refused}/retry", {"job": job.job_id})
    assert (answer.status_code, "only failed and waiting" in answer.json()["detail"]) == (409, True)
    assert operator.post(f"{seen.positive}/retry", {"job": job.job_id}).status_code == 404
    assert operator.post(f"{seen.positive}/retry", {"delivery": 10**6}).status_code == 404


def test_a_refused_delivery_is_tried_again(operator: Program, archive: Archive, seen: Seen) -> None:
    (refused,) = (d for d in archive.deliveries.list(seen.positive) if d.state is DeliveryState.REFUSED)
    assert operator.post(f"{seen.positive}/retry", {"delivery": refused.delivery_id}).json()["deliveries"] == 1
    states = {d.delivery_id: d.state for d in archive.deliveries.list(seen.positive)}
    assert states[refused.delivery_id] is DeliveryState.WAITING


def test_send_queues_what_may_go_and_says_why_the_rest_may_not(operator: Program, archive: Archive, seen: Seen) -> None:
    own = {item.sop_instance_uid: item for item in archive.evidence.list(seen.positive)}
    answer = operator.post(f"{seen.positive}/send", {"targets": ["viewer"]})
    sent = answer.json()
    assert {own[one["sop_uid"]].model_name for one in sent if one["is_queued"]} == {DETECTOR}
    reasons = {own[one["sop_uid"]].model_name: one["reason"] for one in sent if not one["is_queued"]}
    assert reasons[CLASSIFIER] == f"model {CLASSIFIER} is silent: what it says is never sent"
    queued = [d for d in archive.deliveries.list(seen.positive) if d.target == "viewer"]
    assert len(queued) == sum(one["is_queued"] for one in sent)
    event, detail, actor = last_audit(archive)
    assert (event, actor) == ("sending asked for", "operator@127.0.0.1")
    assert detail == f"{len(queued)} of {len(sent)} object(s) to viewer, by hand"
    assert any(entry.event == "queued" for entry in archive.traces.list(seen.positive))
    again = operator.post(f"{seen.positive}/send", {"targets": ["viewer"], "evidence": [queued[0].sop_instance_uid]})
    assert again.json()[0]["reason"] == "it is on its way there already"


def test_what_was_delivered_can_be_sent_once_more(operator: Program, archive: Archive, seen: Seen) -> None:
    found = archive.deliveries.list(seen.positive, DeliveryState.DELIVERED, target="pacs")
    delivered = found[0]
    order = {"targets": ["pacs"], "evidence": [delivered.sop_instance_uid]}
    answer = operator.post(f"{seen.positive}/send", order)
    assert answer.json()[0]["is_queued"] is True
    states = {d.delivery_id: d.state for d in archive.deliveries.list(seen.positive)}
    assert states[delivered.delivery_id] is DeliveryState.WAITING


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"targets": ["nowhere"]}, 404),
        ({"targets": []}, 400),
        ({"targets": ["pacs"], "evidence": ["9.9"]}, 404),
        ({"targets": ["pacs"], "evidence": ["x"]}, 400),
    ],
)
def test_wrong_wishes_to_send_are_refused(operator: Program, seen: Seen, body: dict, status: int) -> None:
    assert operator.post(f"{seen.positive}/send", body).status_code == status


def test_a_quarantined_study_is_released_once(operator: Program, archive: Archive, seen: Seen) -> None:
    assert operator.post(f"{seen.quarantined}/release").status_code == 200
    assert archive.studies.record(seen.quarantined).quarantined is None
    assert last_audit(archive)[0] == "quarantine lifted"
    assert operator.post(f"{seen.quarantined}/release").status_code == 409


@pytest.mark.parametrize("what", ["run-again", "retry", "send", "release"])
def test_viewers_look_and_do_nothing(app: FastAPI, archive: Archive, seen: Seen, what: str) -> None:
    assert Program(app, archive, Role.VIEWER).post(f"{seen.positive}/{what}").status_code == 403
    browser = Browser(app)
    browser.sign_in("viewer")
    page = browser.get(f"/studies/{seen.positive}").text
    assert "/run-again" not in page
    assert browser.submit(f"/studies/{seen.positive}", f"/studies/{seen.positive}/{what}").status_code == 403


def test_buttons_of_the_page_do_the_same_and_tell_what_is_wrong(app: FastAPI, archive: Archive, seen: Seen) -> None:
    browser = Browser(app)
    browser.sign_in("operator")
    page, path = f"/studies/{seen.out_of_scope}", f"/studies/{seen.out_of_scope}"
    assert browser.submit(page, f"{path}/run-again", model="", silent="yes").status_code == 303
    assert archive.replays.asked(seen.out_of_scope) is not None
    refused = browser.submit(page, f"{path}/run-again", model="")
    assert refused.status_code == 409
    assert "cannot run again now" in refused.text
    assert browser.submit(page, f"{path}/send", target="nowhere").status_code == 404
    assert browser.request("POST", f"{path}/retry", data={}).status_code == 403  # without the page's token
    assert browser.submit(page, f"{path}/retry").status_code == 303
