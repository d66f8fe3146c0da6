"""Files come in for a model and are forgotten; the process that looks at them may die, hang or be busy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.archive.records import DeploymentState
from dicomnode.bundles import bundle_digest
from dicomnode.settings import Settings
from dicomnode.web.api.predict_bodies import PredictionAnswer
from dicomnode.web.api.predict_examples import ANSWERS
from dicomnode.web.app import create_app
from dicomnode.web.description import DESCRIPTION
from dicomnode.web.predicting.asking import Predictions
from dicomnode.web.predicting.statements import STATEMENTS
from tests.predicting_stand_in import COMMAND
from tests.unit.web.conftest import NOW, Client
from tests.unit.web.signed_in import Browser, Clock, make_account, make_token

URL = "/api/v1/predict"
ASKED = f"{URL}?model=small"


@pytest.fixture
def bundle(settings: Settings, archive: Archive, make_bundle: Any) -> Path:
    """An approved bundle that studies are not given to."""
    path: Path = make_bundle(folder=settings.models.folder)
    archive.deployments.approve("small", bundle_digest(path), DeploymentState.OFF, NOW)
    return path


Make = Callable[..., Client]


@pytest.fixture
def make(archive: Archive, settings: Settings, bundle: Path) -> Iterator[Make]:
    """A function that makes a client of an application whose settings of predictions are given."""
    made: list[Predictions] = []

    def make_client(**given: Any) -> Client:
        changed = settings.model_copy(update={"predict": settings.predict.model_copy(update=given)})
        app = create_app(archive, changed)
        app.state.predictions = Predictions(changed, COMMAND)
        made.append(app.state.predictions)
        return Client(app)

    yield make_client
    for predictions in made:
        predictions.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def show(client: Client, *contents: bytes, url: str = ASKED, **more: Any) -> httpx.Response:
    files = [("file", (f"secret-name-{number}.png", content)) for number, content in enumerate(contents)]
    return client.request("POST", url, files=files, **more)


def test_models_are_those_that_were_approved_as_they_are(make: Make, archive: Archive, bundle: Path) -> None:
    client = make()
    (model,) = client.get(URL).json()["models"]
    assert (model["name"], model["state"], model["task"]) == ("small", "off", "classification")
    assert model["classes"] == ["tumour", "none"]
    assert model["accepts"]["modality"] == ["MR"]
    (bundle / "docs").mkdir()
    (bundle / "LICENSE").write_text("another digest")
    assert client.get(URL).json()["models"] == []
    assert show(client, b"x").status_code == HTTPStatus.NOT_FOUND


def test_files_reach_the_model_as_they_are(make: Make) -> None:
    contents = [b"one", bytes(range(256)) * 5000, b"\r\n--", b"four\r\n"]
    answer = show(make(), *contents)
    assert answer.status_code == HTTPStatus.OK
    told = PredictionAnswer.model_validate_json(answer.text)
    assert [result.reason for result in told.results] == [hashlib.sha256(item).hexdigest() for item in contents]
    assert told.model.name == "small"
    assert (told.kept, told.verified, told.cleared_for_diagnosis) == (False, False, False)
    assert told.statements == STATEMENTS


@pytest.mark.parametrize("kind", ["image/png", "application/dicom", "application/octet-stream", "image/tiff; a=b"])
def test_one_file_may_be_the_body(make: Make, kind: str) -> None:
    answer = make().request("POST", ASKED, content=b"bytes", headers={"Content-Type": kind})
    assert answer.json()["results"][0]["reason"] == hashlib.sha256(b"bytes").hexdigest()


def test_fields_of_a_form_and_empty_files_do_not_count(make: Make) -> None:
    client = make()
    files = [("file", ("", b"")), ("file", ("a", b"x"))]
    answer = client.request("POST", ASKED, data={"note": "no file"}, files=files)
    assert [result["files"] for result in answer.json()["results"]] == [[1]]
    nothing = client.request("POST", ASKED, files=[("file", ("", b""))])
    assert (nothing.status_code, "no file" in nothing.json()["detail"]) == (HTTPStatus.BAD_REQUEST, True)


@pytest.mark.parametrize(
    ("url", "more", "status"),
    [
        (f"{URL}?model=other", {}, HTTPStatus.NOT_FOUND),
        (URL, {}, HTTPStatus.BAD_REQUEST),
        (f"{ASKED}&class=nothing", {}, HTTPStatus.BAD_REQUEST),
        (f"{ASKED}&colour=red", {}, HTTPStatus.BAD_REQUEST),
        (f"{ASKED}&spacing=-1", {}, HTTPStatus.BAD_REQUEST),
        (ASKED, {"content": b"x", "headers": {"Content-Type": "text/plain"}}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        (ASKED, {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, HTTPStatus.BAD_REQUEST),
        (
            ASKED,
            {"content": b"--b\r\n\r\nx", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            HTTPStatus.BAD_REQUEST,
        ),
    ],
)
def test_what_is_asked_wrongly_is_told(make: Make, url: str, more: dict[str, Any], status: HTTPStatus) -> None:
    client = make()
    answer = client.request("POST", url, **(more or {"files": [("file", ("a", b"x"))]}))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_what_is_too_much_is_refused(make: Make) -> None:
    few = show(make(maximum_files=2), b"1", b"2", b"3")
    assert few.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "maximum_files" in few.json()["detail"]
    small = make(maximum_request_bytes=1024)
    for more in ({}, {"headers": {"Content-Length": "", "Transfer-Encoding": "chunked"}}):
        answer = show(small, b"x" * 5000, **more)
        assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert "predict.maximum_request_bytes" in answer.json()["detail"]
    assert show(make(), b"memory").status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_who_comes_when_all_places_are_taken_is_sent_away(make: Make) -> None:
    client = make(maximum_waiting=1)
    with client.app.state.predictions.place():
        answer = show(client, b"x")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert int(answer.headers["retry-after"]) > 0
    assert show(client, b"x").status_code == HTTPStatus.OK


def test_a_process_that_dies_over_a_file_is_started_anew(make: Make) -> None:
    client = make()
    died = show(client, b"abort")
    assert died.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "SIGABRT" in died.json()["detail"]
    assert show(client, b"x").status_code == HTTPStatus.OK


def test_a_process_that_hangs_is_ended(make: Make) -> None:
    client = make(timeout_seconds=1.0)
    assert show(client, b"x").status_code == HTTPStatus.OK
    hung = show(client, b"hang")
    assert hung.status_code == HTTPStatus.GATEWAY_TIMEOUT
    assert show(client, b"x").status_code == HTTPStatus.OK


def test_a_process_that_ended_by_itself_is_started_anew(make: Make) -> None:
    client = make()
    for _ in range(3):
        assert show(client, b"last").status_code == HTTPStatus.OK
    assert show(client, b"bundle").json()["detail"] == "bundle small changed"


def test_nothing_stays(make: Make, archive: Archive, settings: Settings) -> None:
    client = make()
    show(client, b"x")  # the process, and SQLite's files, are there from now on
    kept = sorted(settings.node.data_dir.rglob("*"))
    opened = open_files()
    for content in (b"x", b"bundle", b"memory"):
        show(client, content)
    assert sorted(settings.node.data_dir.rglob("*")) == kept
    assert open_files() == opened
    assert archive.studies.list() == []
    entry = archive.audit.list()[0]
    assert (entry.event, entry.detail) == ("prediction", "small, 1 file, not kept")
    assert "secret-name" not in str(archive.audit.list())


def test_senders_may_not_ask_and_viewers_may(
    archive: Archive, settings: Settings, guarded: FastAPI, clock: Clock, bundle: Path
) -> None:
    guarded.state.predictions = Predictions(settings, COMMAND)
    browser = Browser(guarded)
    answers = {}
    for role in (Role.SENDER, Role.VIEWER):
        make_account(archive, str(role), role, clock)
        token = make_token(archive, str(role), role, clock)
        answers[role] = browser.request("POST", ASKED, files=[("file", ("a", b"x"))], headers=token).status_code
    guarded.state.predictions.close()
    assert answers == {Role.SENDER: HTTPStatus.FORBIDDEN, Role.VIEWER: HTTPStatus.OK}


def test_the_description_tells_what_is_taken_and_answered(make: Make) -> None:
    described = make().get(DESCRIPTION).json()
    operation = described["paths"][URL]["post"]
    assert {"multipart/form-data", "application/dicom", "image/png"} <= set(operation["requestBody"]["content"])
    assert {item["name"] for item in operation["parameters"]} >= {"model", "class", "grad_cam", "spacing"}
    content = operation["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/PredictionAnswer"}
    assert {"classifier", "detector"} == set(content["examples"])
    assert "not kept" in operation["summary"] and "not cleared for diagnosis" in operation["summary"]
    assert {"413", "415", "503", "504"} <= set(operation["responses"])
    assert "422" not in operation["responses"]
    assert "MapPicture" in described["components"]["schemas"]


@pytest.mark.parametrize("name", ANSWERS)
def test_examples_are_what_the_interface_answers(name: str) -> None:
    value = ANSWERS[name]["value"]
    assert PredictionAnswer.model_validate_json(PredictionAnswer.model_validate(value).model_dump_json())


def test_the_page_offers_the_models_and_says_what_to_know(make: Make) -> None:
    page = make().get("/predict")
    assert page.status_code == HTTPStatus.OK
    for sentence in STATEMENTS:
        assert sentence in page.text
    assert '<option value="small"' in page.text
    assert "At least 8 \u00d7 8 pixels." in page.text


def test_without_models_the_page_says_what_to_do(client: Client) -> None:
    assert "models set NAME silent" in client.get("/predict").text


def test_it_can_be_switched_off(make: Make) -> None:
    client = make(enabled=False)
    assert client.get("/predict").status_code == HTTPStatus.NOT_FOUND
    assert show(client, b"x").status_code == HTTPStatus.NOT_FOUND
    assert 'href="/predict"' not in client.get("/").text


def test_predictions_are_counted(make: Make) -> None:
    client = make()
    assert show(client, b"one", b"two").status_code == HTTPStatus.OK
    assert show(client, b"abort").status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    told = client.get("/metrics").text
    for outcome in ("answered", "failed"):
        assert f'dicomnode_predictions_total{{model="small",outcome="{outcome}"}} 1.0' in told
