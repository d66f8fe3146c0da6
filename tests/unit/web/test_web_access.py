"""Who may do what: every route of the application, asked by everybody."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.settings import Settings
from dicomnode.web.access.rights import ROUTES, Right, includes
from dicomnode.web.app import create_app
from tests.unit.web.signed_in import HTML, PASSWORD, Browser, Clock, make_account, make_token

MAY = {
    "anybody": {Right.OPEN},
    "sender": {Right.OPEN, Right.SEND},
    "viewer": {Right.OPEN, Right.READ, Right.PREDICT},
    "operator": {Right.OPEN, Right.READ, Right.SEND, Right.PREDICT, Right.OPERATE},
    "admin": {Right.OPEN, Right.READ, Right.SEND, Right.PREDICT, Right.OPERATE, Right.ADMINISTER},
}


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    for route in app.routes:
        if isinstance(route, APIRoute):
            for method in route.methods:
                yield method, route.path


def test_every_route_is_in_the_table_and_the_table_holds_no_other(guarded: FastAPI) -> None:
    assert set(routes(guarded)) == set(ROUTES)
    others = {type(route).__name__: getattr(route, "path", "") for route in guarded.routes}
    del others["APIRoute"]
    assert others == {"Mount": "/static"}


@pytest.mark.parametrize("who", MAY)
def test_every_route_asks_for_its_right(guarded: FastAPI, archive: Archive, clock: Clock, who: str) -> None:
    headers = {}
    if who != "anybody":
        make_account(archive, who, Role(who), clock)
        headers = make_token(archive, who, Role(who), clock)
    guarded.state.bulletin.end()  # a stream that is allowed would go on
    browser = Browser(guarded)
    for (method, path), right in ROUTES.items():
        address = path.replace("{element:path}", "7FE00010").replace("{numbers}", "1")
        answer = browser.request(method, address.replace("{", "1.2.").replace("}", ""), headers=headers)
        refused = answer.status_code in (401, 403) and (method, path) != ("POST", "/login")
        assert refused == (right not in MAY[who]), (who, method, path, answer.text)
        if refused:
            assert answer.status_code == (401 if who == "anybody" else 403)
        if answer.status_code == 401 and refused:
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_route_that_is_in_no_table_is_refused_to_everybody(
    guarded: FastAPI, archive: Archive, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_account(archive, "root", Role.ADMIN, clock)
    monkeypatch.delitem(ROUTES, ("GET", "/"))
    assert Browser(guarded).get("/", headers=make_token(archive, "root", Role.ADMIN, clock)).status_code == 403


def test_only_who_may_read_is_told_what_is_not_ready(guarded: FastAPI, archive: Archive, clock: Clock) -> None:
    make_account(archive, "eva", Role.VIEWER, clock)
    browser = Browser(guarded)
    assert browser.get("/health/ready").json() == {"status": "ok"}
    assert browser.get("/health/ready", headers={"Authorization": "Bearer wrong"}).json() == {"status": "ok"}
    told = browser.get("/health/ready", headers=make_token(archive, "eva", Role.VIEWER, clock)).json()
    assert {"index", "storage", "models", "certificates"} < set(told["checks"])


def test_tokens_end_by_time_by_revocation_and_with_their_owner(
    guarded: FastAPI, archive: Archive, clock: Clock
) -> None:
    make_account(archive, "eva", Role.OPERATOR, clock)
    browser, kept = Browser(guarded), make_token(archive, "eva", Role.VIEWER, clock, days=2)
    assert browser.get("/dicom-web/studies", headers=kept).status_code < 300
    revoked = make_token(archive, "eva", Role.VIEWER, clock)
    archive.tokens.revoke(archive.tokens.list()[0].token_id, clock())
    assert browser.get("/dicom-web/studies", headers=revoked).status_code == 401
    archive.accounts.set_role("eva", Role.SENDER, clock())
    assert browser.get("/dicom-web/studies", headers=kept).status_code == 403
    archive.accounts.set_role("eva", Role.VIEWER, clock())
    archive.accounts.set_disabled("eva", True, clock())
    assert browser.get("/dicom-web/studies", headers=kept).status_code == 401
    archive.accounts.set_disabled("eva", False, clock())
    clock.turn(days=3)
    assert browser.get("/dicom-web/studies", headers=kept).status_code == 401
    assert all("Bearer" not in entry.detail for entry in archive.audit.list())


def test_secrets_are_nowhere_in_the_index(guarded: FastAPI, archive: Archive, settings: Settings, clock: Clock) -> None:
    make_account(archive, "eva", Role.VIEWER, clock)
    token = make_token(archive, "eva", Role.VIEWER, clock)["Authorization"].removeprefix("Bearer ")
    browser = Browser(guarded)
    assert browser.sign_in("eva").status_code == 303
    session = browser.cookies["dicomnode-session"]
    assert len(session) >= 43
    assert len(token) >= 43
    written = b"".join(path.read_bytes() for path in settings.node.data_dir.glob("index.sqlite*"))
    for secret in (token, session, PASSWORD):
        assert secret.encode() not in written
    assert b"$argon2id$" in written


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_basic_is_taken_where_nobody_listens(guarded: FastAPI, archive: Archive, clock: Clock) -> None:
    make_account(archive, "eva", Role.VIEWER, clock)
    path = "/dicom-web/studies"
    assert Browser(guarded).get(path, headers=basic("eva", PASSWORD)).status_code < 300
    assert "Basic" in Browser(guarded).get(path, headers={}).headers["www-authenticate"]
    outside = Browser(guarded, "http://192.0.2.1", "192.0.2.77")
    assert outside.get(path, headers=basic("eva", PASSWORD)).status_code == 403
    assert "Basic" not in outside.get(path, headers={}).headers["www-authenticate"]
    secure = Browser(guarded, "https://192.0.2.1", "192.0.2.77")
    assert secure.get(path, headers=basic("eva", PASSWORD)).status_code < 300
    archive.accounts.set_disabled("eva", True, clock())
    assert secure.get(path, headers=basic("eva", PASSWORD)).status_code == 401


@pytest.mark.parametrize("value", ["", "Basic", "Basic !", "Basic " + base64.b64encode(b"\xff:").decode(), "Digest x"])
def test_odd_authorizations_are_refused(guarded: FastAPI, value: str) -> None:
    assert Browser(guarded).get("/dicom-web/studies", headers={"Authorization": value}).status_code == 401


def test_a_one_time_password_opens_nothing_but_its_own_change(guarded: FastAPI, archive: Archive, clock: Clock) -> None:
    make_account(archive, "eva", Role.ADMIN, clock, must_change=True)
    assert Browser(guarded).get("/dicom-web/studies", headers=basic("eva", PASSWORD)).status_code == 403
    browser = Browser(guarded)
    assert browser.sign_in("eva").headers["location"] == "/password"
    assert browser.get("/").headers["location"] == "/password"
    assert browser.get("/accounts", headers={}).status_code == 403
    assert browser.submit("/password", "/password", old=PASSWORD, new="short", again="short").status_code == 400
    new = "quite another sentence"
    assert browser.submit("/password", "/password", old=PASSWORD, new=new, again=new).headers["location"] == "/"
    assert browser.get("/").status_code == 200
    assert Browser(guarded).sign_in("eva").status_code == 401
    assert Browser(guarded).sign_in("eva", new).headers["location"] == "/"


def test_without_login_everything_is_open_but_accounts(archive: Archive, settings: Settings) -> None:
    browser = Browser(create_app(archive, settings))
    assert browser.get("/").status_code == 200
    assert browser.get("/accounts").status_code == 403
    assert browser.get("/login").headers["location"] == "/"
    foreign = {"Origin": "https://elsewhere.example", "Content-Type": 'multipart/related; type="application/dicom"'}
    assert browser.request("POST", "/dicom-web/studies", headers=foreign, content=b"").status_code == 403


def test_a_role_gives_out_no_right_that_it_lacks() -> None:
    assert includes(Role.ADMIN, Role.OPERATOR)
    assert includes(Role.OPERATOR, Role.SENDER)
    assert not includes(Role.VIEWER, Role.SENDER)
    assert not includes(Role.SENDER, Role.VIEWER)


def test_the_login_page_answers_where_a_login_is_missing(guarded: FastAPI) -> None:
    answer = Browser(guarded).get("/studies/1.2.3?x=1")
    assert answer.status_code == 401
    assert 'name="next" value="/studies/1.2.3?x=1"' in answer.text
    sent = Browser(guarded).get("/studies/1.2.3", headers={**HTML, "Sec-Fetch-Site": "cross-site"})
    assert sent.status_code == 200
    assert 'content="0; url=/studies/1.2.3"' in sent.text


def test_administrators_manage_accounts_and_tokens_by_page(guarded: FastAPI, archive: Archive, clock: Clock) -> None:
    make_account(archive, "eva", Role.ADMIN, clock)
    browser = Browser(guarded)
    browser.sign_in("eva")
    page = browser.submit("/accounts", "/accounts/add", name="tom", role="operator").text
    password = page.partition('class="secret">')[2].partition("<")[0]
    assert "One-time password of tom" in page
    assert Browser(guarded).sign_in("tom", password).headers["location"] == "/password"
    page = browser.submit("/accounts", "/tokens/add", name="tom", role="viewer", label="<b>CT</b>", days="30").text
    token = page.partition('class="secret">')[2].partition("<")[0]
    assert "&lt;b&gt;CT" in page
    shown = {"Authorization": f"Bearer {token}"}
    assert Browser(guarded).get("/dicom-web/studies", headers=shown).status_code < 300
    assert token not in browser.get("/accounts").text
    assert browser.submit("/accounts", "/tokens/revoke", token="1").headers["location"] == "/accounts"
    assert Browser(guarded).get("/dicom-web/studies", headers=shown).status_code == 401
    reset = browser.submit("/accounts", "/accounts/reset", name="tom").text
    assert password not in reset
    assert browser.submit("/accounts", "/accounts/role", name="tom", role="viewer").status_code == 303
    assert browser.submit("/accounts", "/accounts/disable", name="tom").status_code == 303
    assert 'class="state disabled"' in browser.get("/accounts").text
    assert browser.submit("/accounts", "/accounts/enable", name="tom").status_code == 303
    trail = browser.get("/audit?words=disabled").text
    assert "<span>account disabled</span>" in trail
    assert "<span>tom</span>" in trail
    assert {entry.actor for entry in archive.audit.list() if entry.detail == "tom"} == {"eva@127.0.0.1"}
    for action, fields in (
        ("/accounts/role", {"name": "tom", "role": "king"}),
        ("/accounts/disable", {"name": "eva"}),
        ("/tokens/add", {"name": "tom", "role": "operator", "days": "30"}),
        ("/tokens/add", {"name": "eva", "role": "viewer", "days": "0"}),
        ("/tokens/revoke", {"token": "x"}),
    ):
        refused = browser.submit("/accounts", action, **fields)
        assert refused.status_code == 400
        assert 'role="alert"' in refused.text
