"""Who may be let in without a login, and when passwords cross a network in the clear."""

import pytest
from pydantic import ValidationError

from dicomnode.settings import WebSettings

NO_LOGIN = {"accounts": {"required": False}}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_may_do_without_logins(host: str) -> None:
    assert not WebSettings.model_validate({**NO_LOGIN, "host": host}).accounts.required


@pytest.mark.parametrize("more", [{"host": "0.0.0.0"}, {"host": "node.example.org"}, {"proxies": ["127.0.0.1"]}])
def test_others_may_not(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"accounts\.required = false"):
        WebSettings.model_validate({**NO_LOGIN, **more})


@pytest.mark.parametrize(
    ("more", "in_the_clear"),
    [
        ({}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "proxies": ["192.0.2.1"]}, False),
        ({"host": "0.0.0.0", "tls": {"certificate": "node.pem", "key": "node.key"}}, False),
    ],
)
def test_a_listener_without_tls_is_known_as_such(more: dict[str, object], in_the_clear: bool) -> None:
    assert WebSettings.model_validate(more).in_the_clear is in_the_clear


def test_roles_of_a_provider_are_ours() -> None:
    oidc = {"issuer": "https://login.example.org", "client_id": "d", "client_secret": "env:X", "roles": {"a": "king"}}
    with pytest.raises(ValidationError, match="viewer"):
        WebSettings.model_validate({"accounts": {"oidc": oidc}})
