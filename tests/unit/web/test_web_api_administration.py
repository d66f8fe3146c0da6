"""The programs' interface to deliveries, accounts, tokens, the audit trail and the settings."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.archive.records import DeliveryState
from dicomnode.dicom.audit import AuditKind
from dicomnode.settings import Settings
from dicomnode.web.api.settings import settings_in_force
from tests.archives import at
from tests.deliveries import OBJECT, queue
from tests.unit.web.signed_in import PASSWORD, Browser, Clock, make_account, make_token

JSON = {"Accept": "application/json"}


@pytest.fixture
def program(guarded: FastAPI, archive: Archive, clock: Clock) -> Program:
    make_account(archive, "root", Role.ADMIN, clock)
    return Program(guarded, make_token(archive, "root", Role.ADMIN, clock))


class Program:
    """Asks with a token, and sends JSON."""

    def __init__(self, app: FastAPI, token: dict[str, str]) -> None:
        self._browser, self._headers = Browser(app), {**JSON, **token}

    def ask(self, method: str, path: str, body: object = None, status: int = 200) -> dict:
        answer = self._browser.request(method, f"/api/v1{path}", headers=self._headers, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else {}


def refuse(archive: Archive, state: DeliveryState) -> int:
    queue(archive)
    (due,) = archive.deliveries.due("pacs", at(1), 9)
    archive.deliveries.lease(due.delivery_id, "me", at(60), at(1))
    archive.deliveries.mark(due.delivery_id, "me", state, "0xC000 cannot understand", at(2), at(2), answer="no")
    return due.delivery_id


def test_a_refused_delivery_is_listed_and_tried_again(program: Program, archive: Archive) -> None:
    number = refuse(archive, DeliveryState.REFUSED)
    found = program.ask("GET", "/deliveries?state=refused&state=held&target=pacs")
    assert found["before"] is None
    (delivery,) = found["deliveries"]
    assert delivery["delivery_id"] == number
    assert delivery["sop_instance_uid"] == OBJECT
    assert (delivery["state"], delivery["status"], delivery["answer"]) == ("refused", "0xC000 cannot understand", "no")
    assert delivery["next_attempt_at"] is None
    assert program.ask("GET", "/deliveries?target=other")["deliveries"] == []
    assert program.ask("POST", f"/deliveries/{number}/retry")["state"] == "waiting"
    told = program.ask("GET", "/audit?words=retried")["entries"]
    assert [entry["actor"] for entry in told] == ["root@127.0.0.1"]
    assert "there is no delivery 999" in program.ask("POST", "/deliveries/999/retry", status=404)["detail"]


def test_only_held_deliveries_are_released(program: Program, archive: Archive) -> None:
    number = refuse(archive, DeliveryState.HELD)
    assert program.ask("POST", f"/deliveries/{number}/release")["state"] == "waiting"
    assert "only held ones" in program.ask("POST", f"/deliveries/{number}/release", status=503)["detail"]
    (entry,) = program.ask("GET", "/audit?words=released")["entries"]
    assert entry["actor"] == "root@127.0.0.1"


def test_lists_come_page_by_page(program: Program, archive: Archive, clock: Clock) -> None:
    for number in range(5):
        archive.audit.add("counted", f"number {number}", clock(), kind=AuditKind.OTHER)
    first = program.ask("GET", "/audit?kind=other&words=COUNTED&limit=3")
    assert [entry["detail"] for entry in first["entries"]] == ["number 4", "number 3", "number 2"]
    rest = program.ask("GET", f"/audit?kind=other&words=COUNTED&limit=3&before={first['before']}")
    assert [entry["detail"] for entry in rest["entries"]] == ["number 1", "number 0"]
    assert rest["before"] is None
    assert program.ask("GET", "/audit?words=%25")["entries"] == []
    assert program.ask("GET", "/audit/chain") == {"whole": True, "problem": ""}


def test_an_account_is_made_changed_and_closed(program: Program, guarded: FastAPI) -> None:
    made = program.ask("POST", "/accounts", {"name": "tom", "role": "viewer"}, status=201)
    assert made["must_change"]
    assert Browser(guarded).sign_in("tom", made["one_time_password"]).headers["location"] == "/password"
    assert [account["one_time_password"] for account in program.ask("GET", "/accounts")] == [None, None]
    assert program.ask("PATCH", "/accounts/tom", {"role": "operator"})["role"] == "operator"
    assert program.ask("PATCH", "/accounts/tom", {"disabled": True})["disabled"]
    assert Browser(guarded).sign_in("tom", made["one_time_password"]).status_code == 401
    again = program.ask("POST", "/accounts/tom/password")
    assert again["one_time_password"] != made["one_time_password"]
    assert "no account eva" in program.ask("PATCH", "/accounts/eva", {"disabled": True}, status=404)["detail"]
    assert "role" in program.ask("POST", "/accounts", {"name": "eva", "role": "king"}, status=400)["detail"]


def test_a_token_is_told_once_and_revoked(program: Program, guarded: FastAPI) -> None:
    made = program.ask("POST", "/tokens", {"account": "root", "role": "viewer", "days": 3}, status=201)
    header = {"Authorization": f"Bearer {made['token']}"}
    assert Browser(guarded).get("/dicom-web/studies", headers=header).status_code < 300
    assert [token["token"] for token in program.ask("GET", "/tokens")] == [None, None]
    program.ask("DELETE", f"/tokens/{made['token_id']}", status=204)
    assert Browser(guarded).get("/dicom-web/studies", headers=header).status_code == 401


def test_a_browser_shows_the_token_of_its_page_in_a_header(program: Program, guarded: FastAPI) -> None:
    browser = Browser(guarded)
    browser.sign_in("root", PASSWORD)
    body = {"name": "ann", "role": "viewer"}
    assert browser.request("POST", "/api/v1/accounts", headers=JSON, json=body).status_code == 403
    csrf = browser.get("/accounts").text.partition('name="csrf" value="')[2].partition('"')[0]
    headers = {**JSON, "X-CSRF-Token": csrf}
    assert browser.request("POST", "/api/v1/accounts", headers=headers, json=body).status_code == 201


def test_settings_are_told_without_secrets() -> None:
    settings = Settings.model_validate(
        {
            "archive": {"database_url": "postgresql+psycopg://node:s3cret@db/node?password=s3cret"},
            "targets": [{"name": "pacs", "url": "https://ann:s3cret@pacs/dicom-web", "authorization": "env:PACS_AUTH"}],
        }
    )
    found = {setting.key: setting for setting in settings_in_force(settings).settings}
    assert "s3cret" not in str(found)
    assert found["archive.database_url"].value == "postgresql+psycopg://node:••••@db/node?••••"
    assert found["targets.0.url"].value == "https://ann:••••@pacs/dicom-web"
    assert found["targets.0.authorization"].value == "env:PACS_AUTH"
    assert found["targets.0.name"].is_default is False
    assert found["receive.port"].is_default
    assert all(setting.description for setting in found.values())


def test_the_settings_page_shows_them(program: Program, guarded: FastAPI) -> None:
    browser = Browser(guarded)
    browser.sign_in("root", PASSWORD)
    page = browser.get("/settings").text
    assert "<code>[receive]</code>" in page
    assert "TESTNODE" in page
