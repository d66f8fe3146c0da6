"""accounts: what it makes, what it prints once, and what it refuses."""

from __future__ import annotations

import io
import json

import pytest

from dicomnode.archive import Archive
from dicomnode.cli.main import main
from dicomnode.security.passwords import Passwords, secret_digest
from dicomnode.settings import Settings, load_settings
from dicomnode.web.access.first_account import make_first_account
from tests.archives import NOW


@pytest.fixture
def settings_path(tmp_path):
    path = tmp_path / "dicomnode.toml"
    path.write_text('[node]\ndata_dir = "data"\n')
    return path


@pytest.fixture
def run(settings_path, capsys):
    """Run `dicomnode accounts`; gives its exit status and what it printed."""

    def running(*words: str) -> tuple[int, str]:
        status = main(["--settings", str(settings_path), "accounts", *words])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return running


@pytest.fixture
def archive(settings_path):
    with Archive.open(load_settings(settings_path)) as opened:
        yield opened


def test_an_account_is_added_shown_changed_and_closed(run, archive):
    status, said = run("add", "eva", "--role", "operator")
    assert status == 0
    password = said.splitlines()[-1]
    (account,) = archive.accounts.list()
    assert Passwords().match(account.password_hash, password)
    assert run("list") == (0, "eva  operator  one-time password\n")
    assert run("set-role", "eva", "viewer")[0] == 0
    assert run("disable", "eva")[0] == 0
    (listed,) = json.loads(run("list", "--json")[1])
    assert (listed["role"], listed["disabled"]) == ("viewer", True)
    assert run("enable", "eva")[0] == 0
    status, said = run("reset-password", "eva", "--json")
    assert json.loads(said)["one_time_password"] != password
    events = [entry.event for entry in reversed(archive.audit.list())]
    assert events == ["account added", "account role changed", "account disabled", "account enabled", "password reset"]


def test_a_typed_password_is_read_from_a_program_too(run, archive, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("ein Satz mit Wörtern\n"))
    assert run("add", "eva", "--prompt")[0] == 0
    (account,) = archive.accounts.list()
    assert not account.must_change
    assert Passwords().match(account.password_hash, "ein Satz mit Wörtern")


def test_a_token_is_shown_once_and_can_be_ended(run, archive):
    run("add", "eva", "--role", "operator")
    status, said = run("token", "add", "eva", "--label", "CT 2", "--days", "30")
    assert status == 0
    token = said.splitlines()[-1]
    assert token.startswith("dicomnode_")
    found = archive.tokens.find(secret_digest(token))
    assert found is not None
    assert str(found[0].role) == "sender"
    assert "CT 2" in run("token", "list")[1]
    assert token not in run("token", "list", "--json")[1]
    assert run("token", "revoke", "1")[0] == 0
    assert json.loads(run("token", "list", "--json")[1])[0]["revoked"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("add", "bad name"), 2, "the name of an account"),
        (("add", "oidc:eva"), 2, "the name of an account"),
        (("add", "eva"), 2, "already"),
        (("set-role", "tom", "admin"), 1, "no account tom"),
        (("token", "add", "eva", "--role", "operator"), 2, "eva is viewer: its tokens cannot be operator"),
        (("token", "add", "eva", "--role", "viewer", "--days", "0"), 2, "--days 0"),
        (("token", "add", "tom"), 1, "no account tom"),
        (("token", "revoke", "7"), 1, "no token 7"),
    ],
)
def test_what_cannot_be_done_is_told(run, words, status, said):
    run("add", "eva")
    answered = run(*words)
    assert answered[0] == status
    assert said in answered[1]


def test_the_first_start_tells_a_password_once_and_logs_none(archive, capsys, caplog):
    web = Settings().web
    with caplog.at_level("INFO"):
        make_first_account(archive, web, NOW)
        make_first_account(archive, web, NOW)
    told = capsys.readouterr().err
    password = told.partition("account admin: ")[2].split()[0]
    assert told.count("password") == 1
    assert password not in caplog.text
    (account,) = archive.accounts.list()
    assert Passwords().match(account.password_hash, password)


def test_without_logins_no_account_is_made(archive, capsys):
    web = Settings.model_validate({"web": {"accounts": {"required": False}}}).web
    make_first_account(archive, web, NOW)
    assert archive.accounts.list() == []
    assert capsys.readouterr().err == ""
