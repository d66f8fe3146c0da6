"""Alarms: each comes on for its reason, says it in whole sentences, and goes off again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.archive.records import DeliveryState, JobKind, NewJob
from dicomnode.archive.tallies import Tally
from dicomnode.errors import ArchiveError
from dicomnode.settings import Settings
from dicomnode.watch.alarm import Alarm, AlarmKind
from dicomnode.watch.alarms import gather_alarms
from tests.archives import NOW, at, complete, make_file, put
from tests.deliveries import queue

TARGET = {"name": "pacs", "url": "http://127.0.0.1:1/dicom-web"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {"node": {"data_dir": tmp_path}, "targets": [TARGET], "watch": {"disk_warning_mib": 0}}
    )


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    with Archive.open(settings) as opened:
        yield opened


def alarms(archive: Archive, settings: Settings, seconds: float = 0.0) -> dict[AlarmKind, Alarm]:
    """By kind, without those of roles: none runs here."""
    found = gather_alarms(archive, settings, at(seconds))
    assert all(alarm.text and alarm.advice for alarm in found)  # every field that a sentence names is there
    return {alarm.kind: alarm for alarm in found if alarm.kind is not AlarmKind.ROLE}


def test_a_quiet_node_has_none(archive: Archive, settings: Settings) -> None:
    assert alarms(archive, settings) == {}


def test_roles_that_do_not_run_are_told(archive: Archive, settings: Settings) -> None:
    archive.node_leases.claim("dispatch", NOW, 30.0, alone=True)
    archive.node_leases.claim("web", NOW, 30.0, alone=False)
    told = [alarm for alarm in gather_alarms(archive, settings, NOW) if alarm.kind is AlarmKind.ROLE]
    assert [alarm.subject for alarm in told] == ["receive", "infer"]
    assert told[0].text == "The role receive does not run."


def test_clocks_that_differ(archive: Archive, settings: Settings) -> None:
    archive.node_leases.claim("web", at(120), 30.0, alone=False)
    assert "120 seconds" in alarms(archive, settings)[AlarmKind.CLOCK].text


def test_disk(archive: Archive, settings: Settings) -> None:
    low = settings.model_copy(update={"watch": settings.watch.model_copy(update={"disk_warning_mib": 1 << 40})})
    assert not alarms(archive, low)[AlarmKind.DISK_LOW].grave
    tight = settings.storage.model_copy(update={"refuse_below_mib": 1 << 40, "accept_above_mib": 1 << 40})
    full = low.model_copy(update={"storage": tight})
    with Archive.open(full) as other:
        found = alarms(other, full)
    assert found[AlarmKind.DISK_FULL].grave
    assert AlarmKind.DISK_LOW not in found


def test_a_peer_that_did_not_answer(archive: Archive, settings: Settings) -> None:
    away = Echo(PeerKind.TARGET, "pacs", NOW, False, "connection refused", 3)
    archive.echoes.note(away)
    archive.echoes.note(replace(away, name="gone from the settings"))
    told = alarms(archive, settings)[AlarmKind.PEER_AWAY]
    assert (told.subject, told.since, told.detail) == ("target pacs", NOW, "connection refused")
    archive.echoes.note(replace(away, good=True))
    assert alarms(archive, settings) == {}


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (DeliveryState.WAITING, AlarmKind.DELIVERIES_WAIT),
        (DeliveryState.REFUSED, AlarmKind.DELIVERIES_REFUSED),
        (DeliveryState.HELD, AlarmKind.DELIVERIES_HELD),
    ],
)
def test_deliveries_that_do_not_arrive(
    archive: Archive, settings: Settings, state: DeliveryState, kind: AlarmKind
) -> None:
    queue(archive)
    [delivery] = (item.delivery_id for item in archive.deliveries.list())
    assert alarms(archive, settings) == {}
    archive.deliveries.lease(delivery, "me", at(60), NOW)
    archive.deliveries.mark(delivery, "me", state, "0xC000", at(60), at(1))
    told = alarms(archive, settings)[kind]
    assert (told.fields["count"], told.since, told.detail, told.grave) == (1, at(1), "0xC000", True)
    nowhere = settings.model_copy(update={"targets": ()})
    expected = {AlarmKind.DELIVERIES_NOWHERE} if state is DeliveryState.WAITING else set()
    assert set(alarms(archive, nowhere)) == expected


def test_a_study_that_nobody_closes_and_one_that_nobody_routes(archive: Archive, settings: Settings) -> None:
    put(archive, make_file())
    assert alarms(archive, settings, 2399) == {}  # ten minutes until the deadline, thirty of patience
    assert alarms(archive, settings, 2401)[AlarmKind.STUDY_STUCK].fields == {"study": "1.2.3", "minutes": 40}
    complete(archive, now=at(2402))
    assert alarms(archive, settings, 2402 + 1799) == {}
    assert alarms(archive, settings, 2402 + 1801)[AlarmKind.STUDY_STUCK].since == at(2402)


def test_jobs_that_nobody_takes_and_jobs_that_failed(archive: Archive, settings: Settings) -> None:
    put(archive, make_file())
    complete(archive)
    job = NewJob("brain", "d", JobKind.INFER, "", ("1.2.3.9",), (), False)
    archive.jobs.add_all("1.2.3", 1, [job], [], NOW)
    assert alarms(archive, settings, 1799) == {}
    assert alarms(archive, settings, 1801)[AlarmKind.JOB_STUCK].fields["study"] == "1.2.3"
    taken = archive.jobs.lease("me", at(1802), 60.0)
    assert taken is not None
    assert alarms(archive, settings, 1803) == {}
    archive.jobs.fail(taken.job_id, "me", "no such file", at(1804))
    assert alarms(archive, settings, 1805)[AlarmKind.JOBS_FAILED].detail == "no such file"
    assert alarms(archive, settings, 1805 + 86400) == {}


def test_what_was_set_aside(archive: Archive, settings: Settings) -> None:
    put(archive, make_file())
    archive.quarantine.put("1.2.3", "it killed its worker", NOW)
    put(archive, make_file("1.2.3.2", PatientID="P2"))
    found = alarms(archive, settings)
    assert {AlarmKind.QUARANTINED, AlarmKind.IDENTITY} <= set(found)


def test_what_strangers_and_conflicts_there_were_today(archive: Archive, settings: Settings) -> None:
    day = f"{NOW:%Y-%m-%d}"
    archive.tallies.add([Tally("?", day, rejected=2), Tally("mr1", day, conflicts=1)])
    assert set(alarms(archive, settings)) == {AlarmKind.STRANGERS, AlarmKind.CONFLICTS}
    assert alarms(archive, settings, timedelta(days=1).total_seconds()) == {}


def test_an_audit_that_waits(archive: Archive, settings: Settings) -> None:
    for number in range(1001):
        archive.audit.add("test", str(number), NOW)
    assert alarms(archive, settings)[AlarmKind.AUDIT].subject == "file"


def test_a_missing_certificate(archive: Archive, settings: Settings, tmp_path: Path) -> None:
    tls = {"certificate": tmp_path / "none.pem", "key": tmp_path / "none.key"}
    wrong = Settings.model_validate({"node": {"data_dir": tmp_path}, "web": {"tls": tls}})
    assert alarms(archive, wrong)[AlarmKind.CERTIFICATE].subject == "web.tls"


def test_an_index_that_does_not_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with Archive.open(settings) as archive:
        monkeypatch.setattr(archive.node_leases, "roles", _broken)
        (told,) = gather_alarms(archive, settings, NOW)
    assert (told.kind, told.detail) == (AlarmKind.INDEX, "the index is gone")


def _broken(_now: object) -> None:
    raise ArchiveError("the index is gone")
