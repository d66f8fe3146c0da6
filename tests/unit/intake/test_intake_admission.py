"""Who may open an association: the decision as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicomnode.intake.admission import (
    CALLED_AE_TITLE,
    CALLING_AE_TITLE,
    LOCAL_LIMIT,
    NO_REASON,
    Admitted,
    Caller,
    Load,
    Rejected,
    admit,
    hosts_to_ask,
    plain_addresses,
    rules_of,
)
from dicomnode.settings import Settings

GIB = 2**30
SETTINGS = Settings.model_validate(
    {
        "receive": {"maximum_associations": 3},
        "rules": [{"model": "*", "called_ae_title": "BRAIN"}],
        "peers": [
            {"name": "mr1", "ae_title": "MR1", "addresses": ["192.0.2.17", "2001:db8::/64"], "maximum_associations": 2},
            {"name": "mr1-spare", "ae_title": "MR1", "addresses": ["192.0.2.18"], "may": ["echo"]},
            {"name": "ct", "ae_title": " CT ", "maximum_gib_per_day": 2.0, "may": ["store"]},
            {"name": "far", "ae_title": "FAR", "require_tls": True, "certificate_name": "far.example.org"},
            {"name": "pacs-in", "ae_title": "PACS", "may": ["store"]},
        ],
        "targets": [{"name": "pacs", "ae_title": "PACS", "host": "pacs.example.org", "port": 104}],
        "pacs": [
            {"name": "a", "ae_title": "MOVER", "host": "a.example.org", "port": 104, "retrieve": "c-move"},
            {"name": "b", "ae_title": "GETTER", "host": "b.example.org", "port": 104},
        ],
    }
)
ADDRESSES = {
    "pacs.example.org": plain_addresses(["198.51.100.4"]),
    "a.example.org": plain_addresses(["198.51.100.5", "fe80::1%eth0"]),
    "b.example.org": plain_addresses([]),
}
TLS = {"tls": True, "certificate_names": ("FAR.example.org",)}


def ask(ae_title: str, address: str = "192.0.2.17", load: Load | None = None, **more: object) -> Admitted | Rejected:
    caller = replace(Caller(ae_title, "DICOMNODE", address), **more)
    return admit(caller, rules_of(SETTINGS), load or Load(), ADDRESSES)


@pytest.mark.parametrize(
    ("ae_title", "address", "more", "name", "services"),
    [
        ("MR1", "192.0.2.17", {}, "mr1", {"echo", "store"}),
        (" MR1 ", "::ffff:192.0.2.17", {}, "mr1", {"echo", "store"}),
        ("MR1", "2001:db8::7", {}, "mr1", {"echo", "store"}),
        ("MR1", "192.0.2.18", {}, "mr1-spare", {"echo"}),
        ("CT", "203.0.113.1", {}, "ct", {"store"}),
        ("FAR", "203.0.113.1", TLS, "far", {"echo", "store"}),
        ("PACS", "198.51.100.4", {}, "pacs-in", {"store", "echo", "commit"}),
        ("PACS", "198.51.100.9", {}, "pacs-in", {"store"}),
        ("MOVER", "198.51.100.5", {}, "a", {"echo", "store"}),
        ("MOVER", "fe80::1%eth3", {}, "a", {"echo", "store"}),
    ],
)
def test_a_peer_is_known_by_title_and_address(ae_title, address, more, name, services) -> None:
    found = ask(ae_title, address, **more)
    assert isinstance(found, Admitted)
    assert (found.peer.name, found.services) == (name, services)


@pytest.mark.parametrize(
    ("ae_title", "address", "more", "code", "alert", "peer"),
    [
        ("STRANGER", "192.0.2.17", {}, CALLING_AE_TITLE, True, "?"),
        ("mr1", "192.0.2.17", {}, CALLING_AE_TITLE, True, "?"),
        ("MR1", "192.0.2.19", {}, CALLING_AE_TITLE, True, "mr1"),
        ("MR1", "not an address", {}, CALLING_AE_TITLE, True, "mr1"),
        ("GETTER", "198.51.100.6", {}, CALLING_AE_TITLE, True, "b"),
        ("FAR", "203.0.113.1", {}, NO_REASON, True, "far"),
        ("FAR", "203.0.113.1", {"tls": True, "certificate_names": ("x",)}, CALLING_AE_TITLE, True, "far"),
        ("MR1", "192.0.2.17", {"load": Load({"mr1": 2})}, LOCAL_LIMIT, False, "mr1"),
        ("CT", "192.0.2.17", {"load": Load({"mr1": 2, "ct": 1})}, LOCAL_LIMIT, False, "ct"),
        ("CT", "192.0.2.17", {"load": Load({}, {"ct": 2 * GIB})}, LOCAL_LIMIT, False, "ct"),
        ("CT", "192.0.2.17", {"load": Load(no_space="full")}, LOCAL_LIMIT, False, "ct"),
    ],
)
def test_others_are_rejected_with_the_standards_reason(ae_title, address, more, code, alert, peer) -> None:
    found = ask(ae_title, address, **more)
    assert isinstance(found, Rejected)
    assert (found.result, found.source, found.diagnostic) == code
    assert (found.alert, found.peer) == (alert, peer)
    assert found.reason


@pytest.mark.parametrize(
    ("load", "stores"),
    [(Load(no_space="full"), False), (Load({}, {"ct": 2 * GIB - 1}), True), (Load({"mr1": 1, "ct": 1}), True)],
)
def test_below_the_limits_and_without_storage_it_may(load: Load, stores: bool) -> None:
    assert isinstance(ask("CT", load=load, stores=stores), Admitted)


def test_strangers_may_echo_and_store_where_that_is_set_but_not_under_a_known_title() -> None:
    settings = SETTINGS.model_copy(
        update={"receive": SETTINGS.receive.model_copy(update={"accept_unknown_peers": True})}
    )
    rules = rules_of(settings)
    found = admit(Caller("STRANGER", "X", "192.0.2.99"), rules, Load(), ADDRESSES)
    assert isinstance(found, Admitted) and found.services == {"echo", "store"}
    assert isinstance(admit(Caller("MR1", "X", "192.0.2.99"), rules, Load(), ADDRESSES), Rejected)


def test_a_target_is_no_worse_off_than_anybody() -> None:
    settings = SETTINGS.model_copy(
        update={"receive": SETTINGS.receive.model_copy(update={"accept_unknown_peers": True}), "peers": ()}
    )
    answer = admit(Caller("PACS", "DICOMNODE", "198.51.100.4"), rules_of(settings), Load(), ADDRESSES)
    assert isinstance(answer, Admitted) and answer.services == {"echo", "store", "commit"}


@pytest.mark.parametrize(("called", "accepted"), [("DICOMNODE", True), ("BRAIN ", True), ("OTHER", False)])
def test_the_called_title_counts_if_so_set(called: str, accepted: bool) -> None:
    rules = replace(rules_of(SETTINGS), require_called_ae_title=True)
    found = admit(Caller("CT", called, "192.0.2.1"), rules, Load(), ADDRESSES)
    assert isinstance(found, Admitted) is accepted
    if isinstance(found, Rejected):
        assert (found.result, found.source, found.diagnostic) == CALLED_AE_TITLE


def test_only_the_callers_own_host_names_are_asked() -> None:
    assert hosts_to_ask("PACS", rules_of(SETTINGS)) == ("pacs.example.org",)
    assert hosts_to_ask("MR1", rules_of(SETTINGS)) == ()
