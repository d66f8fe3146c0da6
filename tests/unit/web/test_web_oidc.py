"""Sign-in by a provider: the whole way round, and every answer that must not be believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey, OctKey

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.errors import PeerRefusedError
from dicomnode.settings import OidcSettings, Settings
from dicomnode.web.access.provider import Provider
from dicomnode.web.app import create_app
from tests.oidc_provider import SECRET, OidcProvider, running_provider
from tests.unit.web.signed_in import HTML, Browser

Change = Callable[[OidcProvider], None]


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def guarded(archive: Archive, settings: Settings, provider: OidcProvider, tmp_path: Path) -> FastAPI:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    oidc = {
        "issuer": provider.issuer,
        "client_id": "dicomnode",
        "client_secret": f"file:{secret}",
        "role_claim": "realm_access.roles",
        "roles": {"readers": "viewer", "chiefs": "admin"},
    }
    return create_app(archive, Settings.model_validate(settings.model_dump() | {"web": {"accounts": {"oidc": oidc}}}))


def go_round(browser: Browser, provider: OidcProvider) -> tuple[int, str]:
    """There and back; gives status and page."""
    left = browser.get("/login/oidc")
    assert left.status_code == 303
    came = browser.get(provider.authorize(left.headers["location"]), headers={**HTML, "Sec-Fetch-Site": "cross-site"})
    return came.status_code, came.text


def test_whom_the_provider_signs_in_is_signed_in(guarded: FastAPI, provider: OidcProvider, archive: Archive) -> None:
    browser = Browser(guarded)
    assert 'href="/login/oidc"' in browser.get("/").text
    status, page = go_round(browser, provider)
    assert status == 200
    assert 'content="0; url=/"' in page
    assert browser.get("/").status_code == 200
    assert browser.get("/accounts").status_code == 403
    (account,) = archive.accounts.list()
    assert account.name.startswith("oidc:248289761001@127.0.0.1:")
    assert (account.role, account.password_hash) == (Role.VIEWER, "")
    assert Browser(guarded).sign_in(account.name, "").status_code == 401
    provider.claims = {"realm_access": {"roles": ["nothing", "chiefs", "readers"]}}
    assert go_round(browser, provider)[0] == 200
    assert browser.get("/accounts").status_code == 200
    assert provider.asked.count("/realm/keys") == 1


def test_a_closed_account_stays_closed(guarded: FastAPI, provider: OidcProvider, archive: Archive) -> None:
    browser = Browser(guarded)
    go_round(browser, provider)
    (account,) = archive.accounts.list()
    archive.accounts.set_disabled(account.name, True, account.created)
    assert browser.get("/").status_code == 401
    assert go_round(browser, provider)[0] == 401


def claim(**claims: object) -> Change:
    return lambda provider: provider.claims.update(claims)


def sign_by(key: object, algorithm: str = "ES256") -> Change:
    def change(provider: OidcProvider) -> None:
        provider.signing, provider.algorithm = key, algorithm  # type: ignore[assignment]

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(claim(nonce="of another sign-in"), id="wrong nonce"),
        pytest.param(claim(nonce=None), id="no nonce"),
        pytest.param(claim(aud="somebody else"), id="wrong audience"),
        pytest.param(claim(aud=["dicomnode", "other"], azp="other"), id="another party"),
        pytest.param(claim(iss="http://127.0.0.1/elsewhere"), id="wrong issuer"),
        pytest.param(claim(exp=int(time.time()) - 3600), id="expired"),
        pytest.param(claim(exp=None), id="never expires"),
        pytest.param(claim(iat=int(time.time()) + 3600), id="from the future"),
        pytest.param(claim(sub=None), id="nobody"),
        pytest.param(claim(sub="x" * 300), id="long name"),
        pytest.param(claim(realm_access={"roles": ["strangers"]}), id="no role of ours"),
        pytest.param(claim(realm_access="chiefs"), id="roles elsewhere"),
        pytest.param(sign_by(None, "none"), id="unsigned"),
        pytest.param(sign_by(ECKey.generate_key("P-256", {"kid": "first"})), id="another key"),
        pytest.param(sign_by(OctKey.import_key(SECRET), "HS256"), id="shared secret"),
        pytest.param(lambda provider: provider.address_answer.update(state="guessed"), id="wrong state"),
        pytest.param(lambda provider: provider.address_answer.update(code="guessed"), id="wrong code"),
        pytest.param(lambda provider: provider.address_answer.update(code=""), id="no code"),
        pytest.param(lambda provider: provider.address_answer.update(iss="https://mix.up"), id="another provider"),
    ],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_what_cannot_be_trusted_is_refused(
    guarded: FastAPI, provider: OidcProvider, archive: Archive, change: Change
) -> None:
    change(provider)
    browser = Browser(guarded)
    status, page = go_round(browser, provider)
    assert status == 401
    assert 'role="alert"' in page
    assert browser.get("/").status_code == 401
    assert archive.accounts.list() == []
    assert [entry.event for entry in archive.audit.list()] == ["login failed"]


def test_an_answer_without_an_errand_is_refused(guarded: FastAPI, provider: OidcProvider) -> None:
    back = provider.authorize(Browser(guarded).get("/login/oidc").headers["location"])
    assert Browser(guarded).get(back).status_code == 401


def test_an_answer_is_good_for_once(guarded: FastAPI, provider: OidcProvider) -> None:
    browser = Browser(guarded)
    back = provider.authorize(browser.get("/login/oidc").headers["location"])
    kept = dict(browser.cookies)
    assert browser.get(back).status_code == 200
    for name, value in kept.items():
        browser.cookies.set(name, value)
    assert browser.get(back).status_code == 401


def test_changed_keys_are_read_anew_though_not_at_once(provider: OidcProvider) -> None:
    ticking = [0.0]
    settings = OidcSettings(issuer=provider.issuer, client_id="dicomnode", client_secret="env:NONE")
    asked = Provider(settings, lambda: ticking[0])
    first = asked.keys()
    provider.key = ECKey.generate_key("P-256", {"kid": "second"})
    assert not asked.forget_keys()
    assert asked.keys() == first
    ticking[0] = 61.0
    assert asked.forget_keys()
    (second,) = asked.keys()
    assert second["kid"] == "second"


def test_a_provider_is_asked_over_https_and_by_its_own_name(provider: OidcProvider) -> None:
    plain = OidcSettings(issuer="http://login.example.org", client_id="d", client_secret="env:NONE")
    with pytest.raises(PeerRefusedError, match="https only"):
        Provider(plain).endpoint("token_endpoint")
    provider.issuer += "/"
    other = OidcSettings(issuer=provider.issuer.rstrip("/"), client_id="d", client_secret="env:NONE")
    with pytest.raises(PeerRefusedError, match="calls itself otherwise"):
        Provider(other).endpoint("token_endpoint")


def test_a_provider_that_is_away_is_told_on_the_login_page(
    archive: Archive, settings: Settings, guarded: FastAPI
) -> None:
    oidc = guarded.state.settings.web.accounts.oidc.model_copy(update={"issuer": "http://127.0.0.1:9"})
    accounts = guarded.state.settings.web.accounts.model_copy(update={"oidc": oidc})
    web = settings.web.model_copy(update={"accounts": accounts})
    away = Browser(create_app(archive, settings.model_copy(update={"web": web}))).get("/login/oidc")
    assert away.status_code == 502
    assert "cannot be asked" in away.text
    assert Browser(create_app(archive, settings)).get("/login/oidc").status_code == 404
