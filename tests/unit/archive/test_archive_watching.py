"""What monitors and messages ask of the index gives the same on every database."""

from __future__ import annotations

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState, JobState, ProofState
from dicomnode.archive.tallies import Tally
from tests.archives import at, make_file, put
from tests.deliveries import STUDY, queue, send


def test_how_the_node_stands(archive: Archive) -> None:
    queue(archive)
    assert archive.gauges.open_jobs() == {}
    assert archive.gauges.instances() == {"own": 1, "source": 1}
    assert archive.gauges.oldest_due_job(at(9)) is None
    assert archive.gauges.oldest_waiting_deliveries(("pacs", "other")) == {"pacs": at(0)}
    send(archive, at(5))
    assert archive.gauges.proofs() == {("pacs", ProofState.PENDING): 1}
    assert archive.gauges.oldest_waiting_deliveries(("pacs",)) == {}
    archive.tallies.add([Tally("mr1", day, instances=2, size=1 << 40) for day in ("2026-11-20", "2026-11-21")])
    assert archive.gauges.tallies() == [Tally("mr1", "", instances=4, size=1 << 41)]
    assert archive.gauges.database_size() > 10_000


def test_what_needs_attention(archive: Archive) -> None:
    queue(archive)
    [waiting] = archive.deliveries.list()
    archive.deliveries.lease(waiting.delivery_id, "me", at(60), at(1))
    archive.deliveries.mark(waiting.delivery_id, "me", DeliveryState.REFUSED, "0xC000", at(1), at(1))
    [(state, [group])] = archive.attention.troubled_deliveries().items()
    assert (state, group.name, group.count, group.since, group.detail) == ("refused", "pacs", 1, at(1), "0xC000")
    put(archive, make_file("1.2.9.1", "1.2.9"), at(10))
    assert [stuck.study_instance_uid for stuck in archive.attention.stuck_studies(at(11), at(11), 9)] == ["1.2.9"]
    assert archive.attention.stuck_jobs(at(11), 9) == []
    assert archive.attention.failed_jobs(at(-1)) == []
    assert archive.attention.set_aside() == (0, 0, 0)


def test_messages(archive: Archive) -> None:
    queue(archive)
    [job] = archive.notifications.ended_jobs(at(-1))
    assert (job.study_instance_uid, job.failed, job.accession_number) == (STUDY, False, "")
    for expected in (True, False):
        assert archive.notifications.add("team", "positive", STUDY, {"study": STUDY}, at(1), at(2)) is expected
    [due] = archive.notifications.due(["team"], at(2), 9)
    archive.notifications.failed(due.notification_id, "away", at(5))
    assert archive.notifications.due(["team"], at(3), 9) == []
    archive.notifications.give_up(due.notification_id, "away")
    assert archive.notifications.given_up(at(0)) == {"team": 1}
    [unsent] = archive.gauges.unsent_notifications()
    assert (unsent.channel, unsent.given_up, unsent.count) == ("team", True, 1)


def test_a_journey(archive: Archive) -> None:
    queue(archive)
    assert archive.journeys.at_rest(at(-9), at(-9), 9) == []
    assert archive.journeys.at_rest(at(-9), at(9), 9) == [(STUDY, 1)]  # whatever still goes on
    archive.proofs.settle(send(archive, at(5)), ProofState.VISIBLE, "seen", at(7))
    assert archive.journeys.at_rest(at(-9), at(-9), 9) == [(STUDY, 1)]
    journey = archive.journeys.read(STUDY, 1)
    assert journey is not None
    assert (journey.instances, journey.completed, journey.routed, journey.earlier) == (1, at(0), None, 0)
    [work] = journey.work
    assert (work.state, work.created, work.finished) == (JobState.DONE, at(0), at(0))
    [passage] = work.passages
    assert (passage.target, passage.sent, passage.proven) == ("pacs", at(5), at(7))
    archive.journeys.told(STUDY, 1)
    assert archive.journeys.at_rest(at(-9), at(9), 9) == []
    assert archive.journeys.oldest(at(-9)) is None
