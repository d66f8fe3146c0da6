"""The audit trail: every way of altering it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update

from dicomnode.archive import Archive, tables
from dicomnode.archive.audit import SinkMark
from dicomnode.archive.database import Database
from dicomnode.dicom.audit import AuditKind, AuditObject, AuditOutcome
from dicomnode.settings import NodeSettings, Settings
from tests.archives import at

AUDIT = tables.audit.c


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(node=NodeSettings(data_dir=tmp_path / "data"))


def test_what_is_added_comes_back(settings: Settings) -> None:
    study = AuditObject("1.2.3", (("1.2.840.10008.5.1.4.1.1.4", 7),))
    with Archive.open(settings) as archive:
        archive.audit.add("login failed", "bob", at(1), outcome=AuditOutcome.MINOR_FAILURE)
        archive.audit.add("received", "7\nlines\x00", at(2), kind=AuditKind.TRANSFERRED, actor="MR@h", objects=[study])
        archive.audit.add("deleted", "", at(3), kind=AuditKind.STUDY_DELETED, objects=["1.2.4"])
        deleted, received, login = archive.audit.list()
        assert archive.audit.after(login.audit_id) == [received, deleted]
    assert (login.kind, login.outcome, login.at) == (AuditKind.LOGIN, AuditOutcome.MINOR_FAILURE, at(1))
    assert (received.detail, received.actor, received.objects) == ("7 lines ", "MR@h", (study,))
    assert deleted.objects == (AuditObject("1.2.4"),)


ALTERATIONS: list[tuple[Callable, int | None]] = [
    (lambda: update(tables.audit).where(AUDIT.audit_id == 2).values(actor="somebody else"), 2),
    (lambda: update(tables.audit).where(AUDIT.audit_id == 2).values(at=at(99)), 2),
    (lambda: update(tables.audit).where(AUDIT.audit_id == 2).values(objects="[]"), 2),
    (lambda: update(tables.audit).where(AUDIT.audit_id == 2).values(digest=""), 2),
    (lambda: delete(tables.audit).where(AUDIT.audit_id == 2), 3),
    (lambda: delete(tables.audit).where(AUDIT.audit_id == 1), 2),
    (lambda: text("UPDATE audit SET audit_id = 9 WHERE audit_id = 2"), 3),
    (lambda: text("SELECT 1"), None),
]


@pytest.mark.parametrize(("alteration", "broken"), ALTERATIONS)
def test_an_alteration_shows(settings: Settings, alteration: Callable, broken: int | None) -> None:
    with Archive.open(settings) as archive:
        for number in range(1, 5):
            archive.audit.add("event", f"detail {number}", at(number), objects=["1.2.3"])
        assert archive.audit.first_break() is None
    database = Database(settings.database_url)
    with database.write() as connection:
        connection.execute(alteration())
    database.close()
    with Archive.open(settings) as archive:
        said = archive.audit.first_break()
    assert said is None if broken is None else said is not None and said.startswith(f"entry {broken} ")


def test_marks(settings: Settings) -> None:
    with Archive.open(settings) as archive:
        assert archive.audit.mark("file") == SinkMark()
        for number in range(3):
            archive.audit.add("event", str(number), at(number))
        assert archive.audit.waiting("file") == 3
        for number in (1, 2):
            archive.audit.move_mark("file", SinkMark(number, "word"))
        assert archive.audit.mark("file") == SinkMark(2, "word")
        assert (archive.audit.waiting("file"), archive.audit.waiting("syslog")) == (1, 3)


def test_many_entries_are_read_in_pages(settings: Settings) -> None:
    with Archive.open(settings) as archive:
        with archive._database.write() as connection:
            rows = [{"event": "old", "detail": str(number), "at": at(number)} for number in range(2500)]
            connection.execute(tables.audit.insert(), rows)
        archive.audit.add("event", "", at(1))
        assert [entry.audit_id for entry in archive.audit.all()] == list(range(1, 2502))
        assert archive.audit.first_break() is None  # entries older than the chain have no digest
