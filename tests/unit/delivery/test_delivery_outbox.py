"""The outbox against an archive and a sender that answers as told; time is an argument."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import select

from dicomnode.archive import tables
from dicomnode.archive.records import DeliveryState, JobKind, NewEvidence, NewJob
from dicomnode.delivery.document import Document
from dicomnode.delivery.outbox import Outbox, make_courier
from dicomnode.delivery.outcomes import OutcomeKind, SendOutcome
from dicomnode.settings import TargetSettings
from tests.archives import SR, at, complete, make_file, open_archive, put
from tests.deliveries import Clock

TARGET = TargetSettings(name="pacs", url="http://127.0.0.1:1", timeout_seconds=5, maximum_backoff_seconds=60)
ROLES = ("answer", "text")


class Told:
    """A sender that gives the outcomes it was told, in order."""

    def __init__(self) -> None:
        self.outcomes: list[SendOutcome | Exception] = []
        self.batches: list[list[str]] = []
        self.closed = False

    def say(self, *kinds: OutcomeKind, retry_after: float | None = None) -> None:
        self.outcomes += [SendOutcome(kind, str(kind), retry_after) for kind in kinds]

    def send(self, documents: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        self.batches.append([document.sop_instance_uid for document in documents])
        for document in documents:
            outcome = self.outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            yield document, outcome

    def rest(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def queue(archive, number: int = 1) -> None:
    """Two documents of one result for target pacs."""
    study = f"1.2.{number}"
    put(archive, make_file(f"{study}.1", study))
    generation = complete(archive, study)
    job = NewJob("brain", "d" * 64, JobKind.INFER, "", (f"{study}.9",), ("pacs",), False)
    archive.jobs.add_all(study, generation, [job], [], at(0))
    leased = archive.jobs.lease("worker", at(0), 60)
    evidence = []
    for role in ROLES:
        uid = f"{study}.{8 + len(role)}"
        path = archive.evidence.write_file(make_file(uid, study, SOPClassUID=SR), uid)
        evidence.append(NewEvidence(uid, SR, f"{study}.8{len(role)}", study, "brain", role, path, 1))
    assert archive.jobs.finish(leased.job_id, "worker", evidence, "{}", at(0))


@pytest.fixture
def clock() -> Clock:
    return Clock(1.0)


@pytest.fixture
def sender() -> Told:
    return Told()


@pytest.fixture
def outbox(archive, sender, clock) -> Outbox:
    courier = make_courier(archive, TARGET, "DICOMNODE", clock)
    return Outbox(archive, TARGET, sender, courier, "me", clock, lambda: 1.0)


def states(archive):
    return [delivery.state for delivery in archive.deliveries.list()]


def test_the_documents_of_a_result_go_out_together_and_count_as_delivered(archive, outbox, sender):
    queue(archive)
    sender.say(OutcomeKind.SUCCESS, OutcomeKind.WARNING)
    assert outbox.send_due() == 2
    assert states(archive) == [DeliveryState.DELIVERED, DeliveryState.WARNING]
    assert outbox.send_due() == 0
    assert sender.batches == [["1.2.1.14", "1.2.1.12"]]


def test_a_transient_failure_is_tried_again_for_ever_with_a_growing_capped_pause(archive, outbox, sender, clock):
    queue(archive)
    pauses = []
    for _ in range(9):
        sender.say(OutcomeKind.TRANSIENT, OutcomeKind.TRANSIENT)
        assert outbox.send_due() == 2
        assert outbox.send_due() == 0
        [next_attempt] = {delivery.next_attempt_at for delivery in archive.deliveries.list()}
        pauses.append((next_attempt - clock()).total_seconds())
        clock.seconds += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert states(archive) == [DeliveryState.WAITING] * 2


def test_a_permanent_refusal_waits_for_an_administrator(archive, outbox, sender, clock):
    queue(archive)
    sender.say(OutcomeKind.PERMANENT, OutcomeKind.SUCCESS)
    outbox.send_due()
    assert states(archive) == [DeliveryState.REFUSED, DeliveryState.DELIVERED]
    clock.seconds += 1e6
    assert outbox.send_due() == 0
    assert archive.deliveries.retry(clock(), study_instance_uid="1.2.1") == 1
    sender.say(OutcomeKind.SUCCESS)
    assert outbox.send_due() == 1
    assert states(archive) == [DeliveryState.DELIVERED] * 2


def test_the_peers_wish_to_be_left_alone_is_honoured(archive, outbox, sender, clock):
    queue(archive)
    sender.say(OutcomeKind.TRANSIENT, OutcomeKind.TRANSIENT, retry_after=500.0)
    outbox.send_due()
    clock.seconds += 499
    assert outbox.send_due() == 0
    clock.seconds += 2
    sender.say(OutcomeKind.SUCCESS, OutcomeKind.SUCCESS)
    assert outbox.send_due() == 2


def test_a_broken_connection_leaves_the_rest_for_later(archive, outbox, sender):
    queue(archive)
    sender.say(OutcomeKind.SUCCESS)
    sender.outcomes.append(ConnectionResetError("gone"))
    outbox.send_due()
    assert states(archive) == [DeliveryState.DELIVERED, DeliveryState.WAITING]


def test_what_a_killed_process_was_sending_is_sent_after_its_lease(archive, outbox, sender, clock):
    queue(archive)
    for delivery in archive.deliveries.due("pacs", clock(), 9):
        archive.deliveries.lease(delivery.delivery_id, "killed", at(30), clock())
    assert outbox.send_due() == 0
    clock.seconds = 31.0
    sender.say(OutcomeKind.SUCCESS, OutcomeKind.SUCCESS)
    assert outbox.send_due() == 2
    assert states(archive) == [DeliveryState.DELIVERED] * 2


def test_running_ends_when_told_and_closes_the_sender(archive, outbox, sender):
    stop = threading.Event()
    running = threading.Thread(target=outbox.run, args=(stop,))
    running.start()
    stop.set()
    archive.wakeups.wake()
    running.join(30)
    assert not running.is_alive()
    assert sender.closed


def lease_all(archive, clock, owner: str) -> None:
    for delivery in archive.deliveries.due("pacs", clock(), 9):
        archive.deliveries.lease(delivery.delivery_id, owner, at(30), clock())


def test_what_a_process_was_sending_that_is_known_to_be_dead_is_sent_at_once(archive, outbox, sender, clock, tmp_path):
    queue(archive)
    with open_archive(tmp_path / "node") as other:
        lease_all(archive, clock, other.deliveries.claim_name())
        assert outbox.send_due() == 0
    sender.say(OutcomeKind.SUCCESS, OutcomeKind.SUCCESS)
    assert outbox.send_due() == 2
    assert states(archive) == [DeliveryState.DELIVERED] * 2


def test_what_a_living_process_sends_is_never_sent_by_another_however_long_it_takes(archive, outbox, clock, tmp_path):
    queue(archive)
    with open_archive(tmp_path / "node") as other:
        lease_all(archive, clock, other.deliveries.claim_name())
        clock.seconds = 1e6
        assert outbox.send_due() == 0


def test_what_a_slow_peer_keeps_waiting_stays_leased(archive, sender, clock):
    queue(archive)
    outbox = Outbox(
        archive, TARGET, sender, make_courier(archive, TARGET, "DICOMNODE", clock), "me", clock, lambda: 1.0
    )
    ends = []
    answer = sender.send

    def slowly(documents):
        for item in answer(documents):
            clock.seconds += 15
            yield item
            ends.append([row.lease_until for row in _leases(archive)])

    sender.send = slowly
    sender.say(OutcomeKind.SUCCESS, OutcomeKind.SUCCESS)
    assert outbox.send_due() == 2
    assert ends == [[at(clock.seconds - 15 + 20)], []]


def _leases(archive) -> list:
    with archive.deliveries._database.read() as connection:
        return connection.execute(select(tables.deliveries).where(tables.deliveries.c.lease_until.is_not(None))).all()


def test_hours_without_the_pacs_cost_few_attempts_and_its_return_is_noticed_within_minutes(archive, sender, clock):
    target = TARGET.model_copy(update={"maximum_backoff_seconds": 300.0})
    jitter = iter([0.0, 0.25, 0.5, 0.75, 1.0] * 100)
    outbox = Outbox(
        archive, target, sender, make_courier(archive, target, "DICOMNODE", clock), "me", clock, lambda: next(jitter)
    )
    queue(archive)
    pauses = []
    while clock.seconds < 2 * 3600:
        sender.say(OutcomeKind.TRANSIENT, OutcomeKind.TRANSIENT)
        assert outbox.send_due() == 2
        [again] = {delivery.next_attempt_at for delivery in archive.deliveries.list()}
        pauses.append((again - clock()).total_seconds())
        clock.seconds += pauses[-1]
    assert len(sender.batches) < 2 * 3600 / 150 + 12
    assert max(pauses) <= 300
    assert len(set(pauses[12:])) > 3, "pauses are spread"
    sender.say(OutcomeKind.SUCCESS, OutcomeKind.SUCCESS)
    assert outbox.send_due() == 2
    assert states(archive) == [DeliveryState.DELIVERED] * 2
