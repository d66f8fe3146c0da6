"""Proof of delivery: the store, and the prover against peers that answer as told; time is an argument."""

from __future__ import annotations

import pytest

from dicomnode.archive.proofs import Reported
from dicomnode.archive.records import DeliveryState, ProofState
from dicomnode.delivery.proving import Prover, Ways
from dicomnode.errors import PeerRefusedError, PeerUnavailableError
from dicomnode.peers.commitment import CommitmentReport
from dicomnode.settings import TargetSettings
from tests.archives import at
from tests.deliveries import OBJECT, STUDY, Opened, queue, send, stands

ADDRESS = {"name": "pacs", "host": "127.0.0.1", "port": 1, "ae_title": "PACS", "maximum_backoff_seconds": 60}
AWAY, REFUSED = PeerUnavailableError("PACS: cannot connect"), PeerRefusedError("PACS: does not accept it", 0x0122)


class Committing:
    """Storage commitment by a peer that does as it is told: "later", "never", a failure reason, 0 or an error."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.requests: list[tuple[str, list[str]]] = []

    def __call__(self, transaction_uid, objects, answer) -> None:
        told = self.told.pop(0)
        if isinstance(told, Exception):
            raise told
        uids = [item.sop_instance_uid for item in objects]
        self.requests.append((transaction_uid, uids))
        if told == "later":
            return
        failed = tuple((uid, told) for uid in uids) if told else ()
        assert answer(CommitmentReport(transaction_uid, () if told else tuple(uids), failed)) == 0


class Shown(Opened):
    """A PACS that shows what it is told to: True, False or an error."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def holds(self, study, series, sop) -> bool:
        assert (study, sop) == (STUDY, OBJECT)
        told = self.told.pop(0)
        if isinstance(told, Exception):
            raise told
        return told


@pytest.fixture
def commit():
    return Committing()


@pytest.fixture
def shown():
    return Shown()


@pytest.fixture
def delivery(archive, clock) -> int:
    queue(archive)
    return send(archive, clock())


@pytest.fixture
def prover(archive, commit, shown, clock, delivery):
    def make(both: bool = True, **settings) -> Prover:
        target = TargetSettings(**{**ADDRESS, **settings})
        ways = Ways(
            commit if target.proof in (None, "commitment") else None,
            (lambda: shown) if both or target.proof == "read-back" else None,
        )
        return Prover(archive, target, ways, clock, lambda: 1.0)

    return make


def events(archive) -> list[str]:
    return [entry.event for entry in archive.traces.list(STUDY)]


def test_what_is_committed_at_once_is_never_asked_for_again(archive, prover, commit, clock):
    commit.told = [0]
    one = prover()
    assert one.prove_due() == 1
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.COMMITTED)
    clock.seconds += 1e6
    assert one.prove_due() == 0
    assert "committed" in events(archive)
    assert archive.proofs.counts() == {("pacs", ProofState.COMMITTED): 1}


def test_a_late_report_counts_whichever_request_it_answers(archive, prover, commit, clock):
    commit.told = ["later", "later"]
    one = prover(both=False, commitment_timeout_seconds=900)
    one.prove_due()
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.REQUESTED)
    clock.seconds += 899
    assert one.prove_due() == 0
    clock.seconds += 1
    assert one.prove_due() == 1
    (first, _), (second, _) = commit.requests
    assert first != second
    stale = [Reported(OBJECT, ProofState.FAILED, "0x0112")]
    assert archive.proofs.report(first, stale, clock())
    assert stands(archive)[1] is ProofState.REQUESTED, "a failure of an earlier request says nothing of the present one"
    assert archive.proofs.report(first, [Reported(OBJECT, ProofState.COMMITTED, "")], clock())
    assert stands(archive)[1] is ProofState.COMMITTED
    assert archive.proofs.report(second, stale, clock())
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.COMMITTED)
    assert not archive.proofs.report("1.2.3.4", stale, clock())


def test_what_is_not_committed_is_sent_again_and_then_asked_for_anew(archive, prover, commit, clock):
    commit.told = [0x0112, 0]
    one = prover()
    one.prove_due()
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.FAILED)
    one.prove_due()
    assert stands(archive) == (DeliveryState.WAITING, ProofState.FAILED)
    assert archive.deliveries.due("pacs", clock(), 9) == []
    [waiting] = archive.deliveries.list()
    assert waiting.status == "sent, but not there: not committed, 0x0112 no such object instance"
    assert waiting.sent_at is None
    assert "not proven" in events(archive)
    clock.seconds += 60
    send(archive, clock())
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.PENDING)
    stale = [Reported(OBJECT, ProofState.COMMITTED, "")]
    archive.proofs.report(commit.requests[0][0], stale, clock())
    assert stands(archive)[1] is ProofState.PENDING, "that request was made before the object was sent again"
    one.prove_due()
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.COMMITTED)


@pytest.mark.parametrize("reason", [0x0131, 0x0213])
def test_a_reason_that_says_not_now_has_it_asked_again_not_sent_again(archive, prover, commit, reason):
    commit.told = [reason, 0]
    one = prover()
    one.prove_due()
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.PENDING)
    one.prove_due()
    assert stands(archive)[1] is ProofState.COMMITTED


def test_a_class_that_the_target_never_commits_to_is_said_to_be_unproven(archive, prover, commit):
    commit.told = [0x0122]
    prover().prove_due()
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.UNPROVEN)


def test_a_target_without_commitment_is_looked_into(archive, prover, commit, shown, clock):
    commit.told, shown.told = [REFUSED], [False, AWAY, True]
    one = prover()
    for _ in range(3):
        assert one.prove_due() == 1
        clock.seconds += 61
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.VISIBLE)


def test_a_target_that_takes_requests_and_never_reports_is_looked_into(archive, prover, commit, shown, clock):
    commit.told, shown.told = ["later"] * 3, [True]
    one = prover(commitment_timeout_seconds=10)
    for _ in range(4):
        assert one.prove_due() == 1
        clock.seconds += 90
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.VISIBLE)


def test_without_any_way_it_stays_unproven_and_is_not_sent_again(archive, prover, commit, shown):
    commit.told, shown.told = [REFUSED], [REFUSED]
    prover().prove_due()
    [delivery] = archive.deliveries.list()
    assert (delivery.state, delivery.proof) == (DeliveryState.DELIVERED, ProofState.UNPROVEN)
    assert delivery.proof_status == str(REFUSED)


def test_proof_that_was_asked_for_is_waited_for_without_end(archive, prover, commit, clock):
    one = prover(proof="commitment")
    for _ in range(12):
        commit.told = [AWAY, REFUSED]
        assert one.prove_due() == 1
        clock.seconds += 61
        assert one.prove_due() == 1
        clock.seconds += 61
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.PENDING)
    commit.told = [0]
    one.prove_due()
    assert stands(archive)[1] is ProofState.COMMITTED


def test_what_stays_invisible_is_sent_again_but_not_because_the_pacs_is_away(archive, prover, shown, clock):
    one = prover(proof="read-back")
    shown.told = [AWAY] * 20
    while shown.told:
        clock.seconds += 61
        one.prove_due()
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.PENDING)
    shown.told = [False] * 8
    while shown.told:
        clock.seconds += 61
        one.prove_due()
    assert stands(archive) == (DeliveryState.DELIVERED, ProofState.FAILED)
    one.prove_due()
    assert stands(archive) == (DeliveryState.WAITING, ProofState.FAILED)


def test_a_request_that_died_with_its_process_is_made_again(archive, prover, clock, delivery, commit):
    taken = archive.proofs.request("pacs", [delivery], "1.2.99", at(clock.seconds + 900), clock())
    assert taken == [delivery]
    assert archive.proofs.request("pacs", [delivery], "1.2.98", at(clock.seconds + 900), clock()) == []
    one = prover()
    assert one.prove_due() == 0
    clock.seconds += 901
    commit.told = [0]
    assert one.prove_due() == 1
    assert stands(archive)[1] is ProofState.COMMITTED
