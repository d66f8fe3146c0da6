"""What series hold is counted as it comes, so that searches need not."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text, update

from dicomnode.archive import Archive, tables
from dicomnode.archive.discrepancies import Fault, Holding
from dicomnode.archive.rebuilding import rebuild_index
from dicomnode.archive.records import QidoQuery
from dicomnode.errors import UsageError
from tests.archives import NOW, SR, make_file, open_archive, put


def held(archive: Archive) -> dict[tuple[str, str, str], int]:
    with archive._database.read() as connection:
        rows = connection.execute(tables.contents.select()).all()
    return {(row.series_instance_uid, row.modality, row.kind): row.held for row in rows}


@pytest.fixture
def filled(archive: Archive) -> Archive:
    put(archive, make_file("1.2.3.1"))
    put(archive, make_file("1.2.3.2"))
    put(archive, make_file("1.2.3.2"))
    put(archive, make_file("1.2.3.3", SOPClassUID=SR, Modality="SR", SeriesInstanceUID="1.2.3.8"))
    put(archive, make_file("1.2.3.4", PatientID="P2"))
    return archive


def test_each_arrival_is_counted_once(filled: Archive) -> None:
    assert held(filled) == {
        ("1.2.3.9", "MR", "source"): 2,
        ("1.2.3.8", "SR", "document"): 1,
        ("1.2.3.9", "MR", "identity_conflict"): 1,
    }


def test_what_is_kept_aside_is_in_no_answer(filled: Archive) -> None:
    put(filled, make_file("9.1", "9", PatientID="P9"))
    with filled._database.write() as connection:
        other = tables.instances.c.study_instance_uid == "9"
        connection.execute(update(tables.instances).where(other).values(kind="discarded"))
        connection.execute(
            update(tables.contents).where(tables.contents.c.study_instance_uid == "9").values(kind="discarded")
        )
    (study,) = filled.studies.search_studies(QidoQuery())
    assert (study.number_of_series, study.number_of_instances, study.source_instances) == (2, 3, 3)
    found = filled.studies.search_series(QidoQuery())
    assert [(series.series_instance_uid, series.number_of_instances) for series in found] == [
        ("1.2.3.8", 1),
        ("1.2.3.9", 2),
    ]
    assert filled.studies.search_studies(QidoQuery((("StudyInstanceUID", "9"),))) == []


def test_wrong_counts_are_told_and_counted_anew(filled: Archive) -> None:
    put(filled, make_file("1.9.1", "1.9"))
    right = held(filled)
    with filled._database.write() as connection:
        connection.execute(text("UPDATE contents SET held = 7 WHERE series_instance_uid = '1.2.3.9'"))
        connection.execute(text("DELETE FROM contents WHERE study_instance_uid = '1.9'"))
    found = list(filled.checkup.look(lambda done, total: None))
    assert [(item.fault, item.holding, item.study_instance_uid) for item in found] == [
        (Fault.MISCOUNTED, Holding.CONTENTS, "1.2.3"),
        (Fault.MISCOUNTED, Holding.CONTENTS, "1.9"),
    ]
    assert str(found[1]) == "contents: counts differ from the rows: study 1.9"
    mended = list(filled.checkup.repair(NOW, lambda done, total: None))
    assert [item.mended for item in mended] == [True, True]
    assert held(filled) == right


def test_a_file_that_is_lost_is_not_counted(filled: Archive) -> None:
    filled.instances.get("1.2.3.3").path.unlink()
    list(filled.checkup.repair(NOW, lambda done, total: None))
    assert ("1.2.3.8", "SR", "document") not in held(filled)
    assert [series.series_instance_uid for series in filled.studies.search_series(QidoQuery())] == ["1.2.3.9"]


def test_a_rebuilt_index_counts_what_it_took_over(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    with open_archive(folder) as archive:
        put(archive, make_file("1.2.3.1"))
        put(archive, make_file("1.2.3.2"))
        with archive._database.write() as connection:
            connection.execute(text("UPDATE contents SET held = 7"))
    rebuild_index(f"sqlite:///{folder / 'index.sqlite'}", folder, NOW)
    with open_archive(folder) as again:
        assert held(again) == {("1.2.3.9", "MR", "source"): 2}


def test_letters_count_and_no_text_holds_a_nul(filled: Archive) -> None:
    assert filled.studies.search_studies(QidoQuery((("PatientID", "p*"),))) == []
    assert filled.studies.search_studies(QidoQuery((("PatientID", "*p*"),))) == []
    with pytest.raises(UsageError, match="NUL"):
        filled.studies.search_studies(QidoQuery((("PatientID", "P\0"),)))
