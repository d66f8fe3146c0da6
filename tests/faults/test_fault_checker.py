"""The checker of the fault runs finds each kind of loss: a checker that cannot fail proves nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.archive.staged import StagedFile
from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.settings import Settings
from tests.factories import make_series
from tests.faults.checking import Held, check
from tests.faults.ledger import Ledger

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MODEL = "model"
UID = "1.2.3"


class Case:
    """One study of two instances in an archive, with one result that the PACS holds."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.ledger = Ledger()
        self.study = ""
        settings = Settings.model_validate({"node": {"data_dir": self.data}})
        with Archive.open(settings) as archive:
            for path in make_series(folder / "sent", 2):
                with archive.instances.new_file() as staged:
                    staged.write(path.read_bytes())
                    stored = archive.instances.commit(staged, _header(staged), Origin(Way.STOW), NOW)
                self.study = stored.instance.study_instance_uid
                self.ledger.acknowledged(self.study, stored.instance.sop_instance_uid, path)
        self.ledger.whole(self.study)
        self.sql(
            "INSERT INTO jobs (job_id, study_instance_uid, generation, model_name, bundle_digest, kind, reason,"
            " series_instance_uids, targets, silent, state, attempts, next_attempt_at, error) VALUES"
            f" (1, '{self.study}', 1, '{MODEL}', '', 'infer', '', '[]', '[]', 0, 'done', 1, '{NOW:%Y-%m-%d}', '')"
        )
        self.sql(
            "INSERT INTO evidence (sop_instance_uid, sop_class_uid, transfer_syntax_uid, series_instance_uid,"
            " study_instance_uid, model_name, role, path, sha256, instance_number, state, reason, job_id, created)"
            f" VALUES ('{UID}', '', '', '1.2', '{self.study}', '{MODEL}', 'answer', '', '', 1, 'ready', '', 1,"
            f" '{NOW:%Y-%m-%d}')"
        )
        self.sql(
            "INSERT INTO deliveries (sop_instance_uid, target, state, attempts, next_attempt_at, status,"
            f" updated_at) VALUES ('{UID}', 'pacs', 'delivered', 1, '{NOW:%Y-%m-%d}', '', '{NOW:%Y-%m-%d}')"
        )
        self.held = {UID: Held(self.study, "1.2", UID, 1)}

    def sql(self, statement: str) -> None:
        with sqlite3.connect(self.data / "index.sqlite") as index:
            index.execute(statement)
        index.close()

    def file(self) -> Path:
        return next((self.data / "instances").rglob("*.dcm"))

    def verdict(self):
        return check(self.data, self.ledger, self.held, MODEL)


def _header(staged: StagedFile) -> InstanceHeader:
    staged.flush()
    return read_header(staged.path)


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    return Case(tmp_path)


def test_what_is_whole_passes(case: Case) -> None:
    verdict = case.verdict()
    assert verdict.problems == () and (verdict.acknowledged, verdict.studies) == (2, 1)


def test_a_missing_file_is_a_loss(case: Case) -> None:
    case.file().unlink()
    assert len(case.verdict().lost) == 1


def test_a_changed_byte_is_a_loss(case: Case) -> None:
    path = case.file()
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    assert "is not what the index says" in case.verdict().lost[0]


def test_a_missing_row_is_a_loss(case: Case) -> None:
    case.sql(f"DELETE FROM instances WHERE sop_instance_uid = '{case.ledger.instances[0].instance}'")
    assert "not in the index" in case.verdict().lost[0]


def test_a_study_without_a_result_is_told(case: Case) -> None:
    case.sql("DELETE FROM deliveries")
    case.sql("DELETE FROM evidence")
    case.held.clear()
    assert "has no result" in case.verdict().doubled[0]


def test_an_older_result_in_the_pacs_is_told(case: Case) -> None:
    case.held = {"1.9": Held(case.study, "1.2", "1.9", 1)}
    assert "is not the current result" in case.verdict().doubled[0]


def test_a_second_result_of_the_same_number_is_told(case: Case) -> None:
    case.held["1.9"] = Held(case.study, "1.2", "1.9", 1)
    assert any("two objects" in line for line in case.verdict().doubled)


def test_a_result_in_a_series_of_its_own_is_told(case: Case) -> None:
    case.held["1.9"] = Held(case.study, "1.7", "1.9", 1)
    assert any("belongs to no current result" in line for line in case.verdict().doubled)


def test_a_delivery_that_never_arrived_is_told(case: Case) -> None:
    case.held.clear()
    assert case.verdict().untrue
