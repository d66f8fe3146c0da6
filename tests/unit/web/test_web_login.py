"""Logins in a browser: cookies, forms, time-outs, guessing, and other sites."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi import FastAPI

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.dicom.audit import AuditOutcome
from dicomnode.errors import NotFoundError, UsageError
from dicomnode.settings import Settings
from dicomnode.web.access.accounts import add_first_account
from dicomnode.web.access.clients import client_key
from dicomnode.web.access.throttle import Buckets, Throttle
from dicomnode.web.app import create_app
from tests.unit.web.signed_in import HTML, PASSWORD, QUICK, Browser, Clock, make_account


@pytest.fixture
def guarded(guarded: FastAPI, archive: Archive, clock: Clock) -> FastAPI:
    make_account(archive, "eva", Role.ADMIN, clock)
    return guarded


def test_a_login_leads_to_the_page_that_was_asked_for(guarded: FastAPI) -> None:
    browser = Browser(guarded)
    assert browser.get("/accounts").status_code == 401
    answer = browser.submit("/accounts", "/login", name="eva", password=PASSWORD)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/accounts"
    assert browser.get("/accounts").status_code == 200
    assert browser.get("/login").headers["location"] == "/"


def test_cookies_are_kept_from_scripts_and_other_sites(guarded: FastAPI) -> None:
    (cookie,) = [
        value for value in Browser(guarded).sign_in("eva").headers.get_list("set-cookie") if "session" in value
    ]
    assert "; HttpOnly" in cookie
    assert "; SameSite=strict" in cookie
    assert "Secure" not in cookie
    secure = Browser(guarded, "https://localhost").sign_in("eva").headers.get_list("set-cookie")
    (cookie,) = [value for value in secure if "session" in value]
    assert cookie.startswith("__Host-dicomnode-session=")
    assert "; Secure" in cookie
    assert "; Path=/" in cookie
    assert "Domain" not in cookie


def test_every_login_is_a_new_one(guarded: FastAPI) -> None:
    browser = Browser(guarded)
    browser.cookies.set("dicomnode-session", "set by somebody else", domain="localhost.local")
    browser.sign_in("eva")
    first = browser.cookies["dicomnode-session"]
    assert first != "set by somebody else"
    other = Browser(guarded)
    other.sign_in("eva")
    assert other.cookies["dicomnode-session"] != first


def test_logins_end_by_logout_by_idling_and_by_age(guarded: FastAPI, clock: Clock) -> None:
    browser = Browser(guarded)
    browser.sign_in("eva")
    kept = dict(browser.cookies)
    assert browser.submit("/", "/logout").headers["location"] == "/login"
    assert "dicomnode-session" not in browser.cookies
    for name, value in kept.items():
        browser.cookies.set(name, value)
    assert browser.get("/").status_code == 401
    browser.sign_in("eva")
    clock.turn(minutes=29)
    assert browser.get("/").status_code == 200
    clock.turn(minutes=29)
    assert browser.get("/").status_code == 200
    clock.turn(minutes=31)
    assert browser.get("/").status_code == 401
    browser.sign_in("eva")
    for _ in range(20):
        clock.turn(minutes=25)
        last = browser.get("/").status_code
    assert last == 401


def test_a_page_that_loads_itself_anew_keeps_no_login_alive(guarded: FastAPI, clock: Clock) -> None:
    browser = Browser(guarded)
    browser.sign_in("eva")
    assert 'content="15; url=/?auto=1"' in browser.get("/").text
    clock.turn(minutes=29)
    assert browser.get("/?auto=1").status_code == 200
    clock.turn(minutes=2)
    assert browser.get("/?auto=1").status_code == 401


def test_a_changed_password_ends_all_other_logins(guarded: FastAPI) -> None:
    here, there = Browser(guarded), Browser(guarded)
    here.sign_in("eva")
    there.sign_in("eva")
    new = "quite another sentence"
    for fields in ({"old": "wrong", "new": new, "again": new}, {"old": PASSWORD, "new": new, "again": new + "x"}):
        assert here.submit("/password", "/password", **fields).status_code == 400
    assert there.get("/").status_code == 200
    assert here.submit("/password", "/password", old=PASSWORD, new=new, again=new).status_code == 303
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 401


def test_forms_of_other_sites_are_refused(guarded: FastAPI) -> None:
    browser = Browser(guarded)
    browser.sign_in("eva")
    own = {**HTML, "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    for headers in (own, {**own, "Origin": "https://elsewhere.example"}, {**own, "Sec-Fetch-Site": "cross-site"}):
        assert browser.request("POST", "/logout", headers=headers, data={"csrf": "guessed"}).status_code == 403
    right = browser.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]
    for headers in ({**own, "Origin": "null"}, {**own, "Sec-Fetch-Site": "same-site"}):
        assert browser.request("POST", "/logout", headers=headers, data={"csrf": right}).status_code == 403
    kind = {"Content-Type": 'multipart/related; type="application/dicom"'}
    assert browser.request("POST", "/dicom-web/studies", headers=kind, content=b"").status_code == 403
    shown = browser.request("POST", "/dicom-web/studies", headers={**kind, "X-CSRF-Token": right}, content=b"")
    assert shown.status_code not in (401, 403)
    assert browser.get("/").status_code == 200


def test_a_login_form_of_another_site_is_refused(guarded: FastAPI) -> None:
    answer = Browser(guarded).request("POST", "/login", data={"name": "eva", "password": PASSWORD, "csrf": ""})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "goal", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "javascript:x", "/a\tb", ""]
)
def test_a_login_never_leads_elsewhere(guarded: FastAPI, goal: str) -> None:
    browser = Browser(guarded)
    answer = browser.submit("/login", "/login", name="eva", password=PASSWORD, next=goal)
    assert answer.headers["location"] == "/"


def test_guessing_waits_and_others_do_not(guarded: FastAPI, clock: Clock, archive: Archive) -> None:
    guesser, other = Browser(guarded, address="192.0.2.7"), Browser(guarded, address="192.0.2.8")
    assert [guesser.sign_in("eva", f"guess {n}").status_code for n in range(6)] == [401] * 5 + [429]
    late = guesser.sign_in("eva")
    assert late.status_code == 429
    assert 1 <= int(late.headers["retry-after"]) <= 15
    assert other.sign_in("eva").status_code == 303
    clock.turn(seconds=16)
    assert guesser.sign_in("eva").status_code == 303
    events = [entry.event for entry in archive.audit.list()]
    assert events.count("login failed") == 5
    assert events.count("login") == 2
    newest, *_, oldest = [entry for entry in archive.audit.list() if entry.event.startswith("login")]
    assert (newest.actor, newest.outcome) == ("eva@192.0.2.7", AuditOutcome.SUCCESS)
    assert (oldest.actor, oldest.outcome) == ("eva@192.0.2.7", AuditOutcome.MINOR_FAILURE)


def test_many_addresses_lock_an_account_for_strangers_only(guarded: FastAPI, clock: Clock, archive: Archive) -> None:
    known = Browser(guarded, address="192.0.2.1")
    assert known.sign_in("eva").status_code == 303
    archive.accounts.note_failure("eva", clock() + timedelta(minutes=15))
    assert Browser(guarded, address="192.0.2.2").sign_in("eva").status_code == 429
    assert Browser(guarded, address="127.0.0.1").sign_in("eva").status_code == 303
    archive.accounts.note_failure("eva", clock() + timedelta(minutes=15))
    assert Browser(guarded, address="192.0.2.1").sign_in("eva").status_code == 303


def test_names_that_are_none_look_the_same_and_are_not_written_down(guarded: FastAPI, archive: Archive) -> None:
    typed = "my secret in the wrong field"
    wrong, unknown = Browser(guarded).sign_in("eva", "wrong"), Browser(guarded).sign_in(typed, "wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert "Name or password is wrong" in wrong.text
    assert "Name or password is wrong" in unknown.text
    assert all(typed not in entry.detail for entry in archive.audit.list())


def test_other_names_than_the_nodes_are_refused(guarded: FastAPI) -> None:
    for origin in ("http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost", "http://192.0.2.1"):
        assert Browser(guarded, origin).get("/health/live").status_code == 200
    for origin in ("http://rebound.example", "http://localhost.rebound.example"):
        assert Browser(guarded, origin).get("/health/live").status_code == 421


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"a=" + b"x" * 20_000, 413), (b"&".join([b"a=1"] * 99), 400), (b"\xff=1", 400), (b"a=%00", 400)],
)
def test_odd_forms_are_refused(guarded: FastAPI, content: bytes, status: int) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert Browser(guarded).request("POST", "/login", headers=headers, content=content).status_code == status


def test_answers_are_not_kept_and_stay_within_tls(guarded: FastAPI) -> None:
    plain, secure = Browser(guarded).get("/login"), Browser(guarded, "https://localhost").get("/login")
    assert plain.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in plain.headers
    assert secure.headers["strict-transport-security"] == "max-age=31536000"
    assert "script-src 'self';" in plain.headers["content-security-policy"]
    assert "unsafe" not in plain.headers["content-security-policy"]
    assert "style=" not in plain.text
    assert "<script" not in plain.text


def test_waits_double_and_are_forgotten(clock: Clock) -> None:
    throttle = Throttle(free=2)
    waits = []
    for _ in range(5):
        throttle.fail("a", clock())
        waits.append(throttle.wait("a", clock()).total_seconds())
    assert waits == [0, 15, 30, 60, 120]
    assert throttle.wait("b", clock()) == timedelta()
    clock.turn(hours=2)
    throttle.fail("a", clock())
    assert throttle.wait("a", clock()) == timedelta()


def test_buckets_fill_with_time() -> None:
    buckets = Buckets(per_minute=60)
    assert [buckets.take("a", 10.0) for _ in range(60)] == [0.0] * 60
    assert buckets.take("a", 10.0) == pytest.approx(1.0)
    assert buckets.take("b", 10.0) == 0.0
    assert buckets.take("a", 5.0) == pytest.approx(1.0)
    assert buckets.take("a", 6.5) == 0.0


def test_too_many_requests_are_told_to_come_later(archive: Archive, settings: Settings) -> None:
    web = settings.web.model_copy(update={"requests_per_minute": 60})
    browser = Browser(create_app(archive, settings.model_copy(update={"web": web})))
    answers = [browser.get("/health/ready") for _ in range(70)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert browser.get("/health/live").status_code == 200


def test_a_network_of_ipv6_counts_as_one_client() -> None:
    assert client_key("2001:db8:0:1::5") == client_key("2001:db8:0:1:ffff::9") != client_key("2001:db8:0:2::5")
    assert client_key("::ffff:192.0.2.1") == client_key("192.0.2.1") == "192.0.2.1"
    assert client_key("::1") == "::1"


def test_the_first_account_is_made_once(archive: Archive, clock: Clock) -> None:
    password = add_first_account(archive, QUICK, clock())
    assert password is not None
    assert QUICK.match(archive.accounts.list()[0].password_hash, password)
    assert archive.accounts.list()[0].must_change
    assert add_first_account(archive, QUICK, clock()) is None
    assert all(password not in entry.detail for entry in archive.audit.list())


def test_the_last_administrator_stays(archive: Archive, clock: Clock) -> None:
    make_account(archive, "eva", Role.ADMIN, clock)
    archive.accounts.add_external("oidc:1@issuer", Role.ADMIN, clock())
    with pytest.raises(UsageError, match="last administrator"):
        archive.accounts.set_role("eva", Role.VIEWER, clock())
    with pytest.raises(UsageError, match="last administrator"):
        archive.accounts.set_disabled("eva", True, clock())
    make_account(archive, "tom", Role.ADMIN, clock)
    archive.accounts.set_disabled("eva", True, clock())
    with pytest.raises(UsageError, match="already"):
        make_account(archive, "tom", Role.ADMIN, clock)
    with pytest.raises(NotFoundError, match="no account"):
        archive.accounts.set_role("nobody", Role.VIEWER, clock())
