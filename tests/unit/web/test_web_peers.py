"""Peers and rules by page and by API: echo, probe, counts, sentences, and the tester of rules."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydicom.uid import MRImageStorage

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.archive.capabilities import Capabilities
from dicomnode.archive.records import DeploymentState
from dicomnode.archive.tallies import Tally, day_of
from dicomnode.bundles import bundle_digest
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from tests.unit.web.conftest import NOW, Client, file_bytes, make_dataset
from tests.unit.web.signed_in import Browser, Clock, make_account, make_token

FORM = "multipart/form-data; boundary=b0undary"


class _Qido(BaseHTTPRequestHandler):
    """A DICOMweb server without studies."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Qido) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/dicom-web"
        listening.shutdown()
        thread.join()


@pytest.fixture
def settings(settings: Settings, server: str) -> Settings:
    values = settings.model_dump() | {
        "targets": [
            {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 1, "timeout_seconds": 2},
            {"name": "web", "url": server.replace("//", "//user:secret@")},
        ],
        "pacs": [{"name": "archive", "url": server}],
        "pollers": [{"name": "poll", "url": server}],
        "peers": [{"name": "ct", "ae_title": "CT1", "require_tls": True}],
        "rules": [
            {"model": "small", "modality": ["MR"], "targets": ["web"]},
            {"model": "small", "called_ae_title": "BRAIN", "targets": ["pacs"]},
            {"model": "gone"},
        ],
    }
    return Settings.model_validate(values)


@pytest.fixture
def bundle(make_bundle: Any, settings: Settings, archive: Archive) -> Path:
    path: Path = make_bundle(folder=settings.models.folder, weights=False)
    archive.deployments.approve("small", bundle_digest(path), DeploymentState.LIVE, NOW)
    return path


@pytest.mark.parametrize(
    ("kind", "name", "good", "said"),
    [
        ("target", "pacs", False, "PACS at 127.0.0.1:1"),
        ("target", "web", True, "answered"),
        ("pacs", "archive", True, "answers questions"),
        ("poller", "poll", True, "answered"),
    ],
)
def test_an_echo_is_asked_and_kept(
    client: Client, archive: Archive, kind: str, name: str, good: bool, said: str
) -> None:
    answer = client.request("POST", f"/api/v1/peers/{kind}/{name}/echo")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["good"], said in answer.json()["detail"]) == (good, True), answer.json()
    (kept,) = archive.echoes.list()
    assert (kept.kind, kept.name, kept.good) == (kind, name, good)
    peers = client.get("/api/v1/peers").json()
    found = {(peer["kind"], peer["name"]): peer["knock"] for peer in (*peers["targets"], *peers["others"])}
    assert found[kind, name]["good"] is good
    assert [key for key, knock in found.items() if knock] == [(kind, name)]


def test_nobody_is_asked_whom_the_settings_do_not_name(client: Client) -> None:
    assert client.request("POST", "/api/v1/peers/target/other/echo").status_code == 404
    assert client.request("POST", "/api/v1/peers/pacs/web/echo").status_code == 404
    assert client.request("POST", "/api/v1/peers/friend/web/echo").status_code == 400
    assert client.request("POST", "/api/v1/peers/target/other/probe").status_code == 404


def test_a_probe_is_kept_and_one_that_fails_is_told(client: Client, archive: Archive) -> None:
    answer = client.request("POST", "/api/v1/peers/target/web/probe").json()
    assert answer["accepted"] is None and len(answer["documents"]) > 3
    assert archive.capabilities.get("web") is not None
    assert [(entry.event, entry.detail) for entry in archive.audit.list()] == [("target probed", "web")]
    assert client.request("POST", "/api/v1/peers/target/web/echo").json()["good"]
    assert "secret" not in client.get("/api/v1/peers").text
    away = client.request("POST", "/api/v1/peers/target/pacs/probe")
    assert (away.status_code, "127.0.0.1:1" in away.json()["detail"]) == (502, True)
    page = client.request("POST", "/peers/target/pacs/probe", headers={"Accept": "text/html"})
    assert (page.status_code, 'class="alert"' in page.text) == (502, True)


def test_peers_are_shown_with_what_they_sent_and_take(settings: Settings, archive: Archive) -> None:
    archive.tallies.add(
        [
            Tally("ct", day_of(Clock()()), size=3 << 20, instances=7, duplicates=2),
            Tally("?", day_of(Clock()()), rejected=4),
        ]
    )
    accepted = {MRImageStorage: ("1.2.840.10008.1.2.1",)}
    archive.capabilities.put("pacs", Capabilities("PACS at 127.0.0.1:1", NOW, accepted, {"1.2.3": "out of space"}))
    app_client = Client(create_app(archive, settings, Clock()))
    peers = app_client.get("/api/v1/peers").json()
    pacs, web = peers["targets"]
    assert (pacs["way"], pacs["address"], web["way"]) == ("C-STORE", "PACS at 127.0.0.1:1", "STOW-RS")
    assert "secret" not in json.dumps(peers)
    assert pacs["probe"]["accepted"] == ["MR Image"]
    callers = {caller["name"]: caller for caller in peers["callers"]}
    assert (callers["ct"]["instances"], callers["ct"]["require_tls"], callers["?"]["rejected"]) == (7, True, 4)
    page = app_client.get("/peers").text
    for words in ("strangers", "3.0", "out of space", "CT1", "C-STORE"):
        assert words in page, words
    assert "secret" not in page


def test_rules_are_sentences(client: Client, bundle: Path) -> None:
    rules = client.get("/api/v1/rules").json()
    assert [rule["unknown_model"] for rule in rules["rules"]] == [False, False, True]
    assert rules["models"][0]["modality"] == ["MR"]
    page = " ".join(client.get("/peers").text.split())
    assert "is asked about studies of the modality <b>MR</b>. Its answers go to <b>web</b>." in page
    assert "is asked about studies sent to the AE title <b>BRAIN</b>." in page
    assert "There is no bundle of that name" in page


def test_one_file_tells_what_would_run(client: Client, bundle: Path, archive: Archive) -> None:
    file = file_bytes(make_dataset(BodyPartExamined="BRAIN"))
    trial = ask(client, file)
    (study,) = trial["studies"]
    assert (study["study_instance_uid"], study["modalities"], study["instances"]) == ("1.2.1", ["MR"], 1)
    (small,) = study["models"]
    assert (small["kind"], small["rules"], small["targets"]) == ("infer", [1], ["web"])
    both = ask(client, file, "?called_ae_title=BRAIN")["studies"][0]["models"][0]
    assert (both["rules"], both["targets"]) == ([1, 2], ["pacs", "web"])
    assert archive.studies.list() == []  # nothing is kept
    assert "Müller" not in json.dumps(trial) and "P-1" not in json.dumps(trial)


@pytest.mark.parametrize(
    ("attributes", "query", "kind", "why"),
    [
        ({"Modality": "CT"}, "", None, "no rule gives this study to it"),
        ({"Modality": "CT"}, "?called_ae_title=BRAIN", "out_of_scope", "modality CT is not MR"),
        ({"BodyPartExamined": "KNEE"}, "", None, "body part KNEE is not BRAIN or HEAD"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "", None, "holds no images"),
    ],
)
def test_a_model_that_would_not_run_says_why(
    client: Client, bundle: Path, attributes: dict[str, str], query: str, kind: str | None, why: str
) -> None:
    (model,) = ask(client, file_bytes(make_dataset(**attributes)), query)["studies"][0]["models"]
    assert (model["kind"], why in model["reason"]) == (kind, True), model


def test_several_files_make_studies(client: Client, bundle: Path) -> None:
    files = [file_bytes(make_dataset(number=number)) for number in (1, 2)] + [
        file_bytes(make_dataset(study="2")),
        b"no",
    ]
    trial = ask(client, form(files), content_type=FORM)
    assert [(study["study_instance_uid"], study["instances"]) for study in trial["studies"]] == [
        ("1.2.1", 2),
        ("1.2.2", 1),
    ]
    assert len(trial["unreadable"]) == 1 and trial["unreadable"][0].startswith("file 4: ")


def test_the_beginning_of_a_file_is_enough(client: Client, bundle: Path) -> None:
    assert ask(client, file_bytes(make_dataset())[:-20])["studies"][0]["instances"] == 1


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"x=1", "application/x-www-form-urlencoded", 415),
        (b"--other--", FORM, 400),
        (b"--b0undary--\r\n", FORM, 400),
        (b"", "multipart/form-data", 400),
    ],
)
def test_what_holds_no_files_is_refused(client: Client, content: bytes, content_type: str, status: int) -> None:
    assert post(client, content, "", content_type).status_code == status


def test_buttons_are_for_operators(archive: Archive, guarded: FastAPI, clock: Clock) -> None:
    for role in (Role.VIEWER, Role.OPERATOR):
        make_account(archive, str(role), role, clock)
    operator, viewer = Browser(guarded), Browser(guarded)
    operator.sign_in("operator")
    viewer.sign_in("viewer")
    assert operator.submit("/peers", "/peers/target/web/echo").headers["location"] == "/peers"
    assert "answering" in operator.get("/peers").text
    assert viewer.submit("/peers", "/peers/target/web/echo").status_code == 403
    headers = make_token(archive, "viewer", Role.VIEWER, clock) | {"Content-Type": "application/dicom"}
    answer = viewer.request("POST", "/api/v1/rules/test", content=file_bytes(make_dataset()), headers=headers)
    assert answer.status_code == 200


def ask(client: Client, content: bytes, query: str = "", content_type: str = "application/dicom") -> Any:
    answer = post(client, content, query, content_type)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(client: Client, content: bytes, query: str, content_type: str) -> httpx.Response:
    return client.request("POST", f"/api/v1/rules/test{query}", content=content, headers={"Content-Type": content_type})


def form(files: list[bytes]) -> bytes:
    """A form as browsers send it: a field, and files."""
    field = b'--b0undary\r\nContent-Disposition: form-data; name="csrf"\r\n\r\nx\r\n'
    head = b'--b0undary\r\nContent-Disposition: form-data; name="files"; filename="file"\r\n\r\n'
    return field + b"".join(head + file + b"\r\n" for file in files) + b"--b0undary--\r\n"
