"""QIDO-RS searches."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from dicomnode.archive import Archive
from dicomnode.archive.records import QidoQuery, StudyState
from dicomnode.errors import UsageError
from tests.archives import make_file, only_sqlite, put


@pytest.fixture
def filled(archive: Archive) -> Archive:
    jane = {"StudyDate": "20260101", "StudyTime": "120059.5", "AccessionNumber": "A_1", "PatientSex": "F"}
    put(archive, make_file("1.1.1", "1.1", InstanceNumber=2, SeriesNumber=1, Rows=8, Columns=9, **jane))
    put(archive, make_file("1.1.2", "1.1", InstanceNumber=1, SeriesNumber=1, **jane))
    put(archive, make_file("1.1.3", "1.1", SeriesInstanceUID="1.1.8", Modality="CT", SeriesNumber=2, **jane))
    muller = {"PatientName": "Müller^Max", "PatientID": "P2", "StudyDate": "20260315", "AccessionNumber": "AX1"}
    put(archive, make_file("1.2.1", "1.2", SpecificCharacterSet="ISO_IR 192", **muller))
    put(archive, make_file("1.3.1", "1.3", PatientID="P3", PatientName="Roe"))
    return archive


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ({}, ["1.2", "1.1", "1.3"]),
        ({"StudyInstanceUID": "1.1"}, ["1.1"]),
        ({"StudyInstanceUID": "1.1,1.3"}, ["1.1", "1.3"]),
        ({"PatientID": "P2"}, ["1.2"]),
        ({"PatientID": "p2"}, []),
        ({"PatientID": "P?"}, ["1.2", "1.1", "1.3"]),
        ({"PatientName": "doe*"}, ["1.1"]),
        ({"PatientName": "DOE^JANE"}, ["1.1"]),
        ({"PatientName": "Doe"}, []),
        ({"PatientName": "Doe^Jane^^"}, ["1.1"]),
        ({"PatientName": "MÜLLER*"}, ["1.2"]),
        ({"PatientName": "*"}, ["1.2", "1.1", "1.3"]),
        ({"PatientName": "*max"}, ["1.2"]),
        ({"AccessionNumber": "A_1"}, ["1.1"]),
        ({"AccessionNumber": "A_*"}, ["1.1"]),
        ({"StudyDate": "20260101"}, ["1.1"]),
        ({"StudyDate": "20260101-20260401"}, ["1.2", "1.1"]),
        ({"StudyDate": "20260201-"}, ["1.2"]),
        ({"StudyDate": "-20260201"}, ["1.1"]),
        ({"StudyTime": "1000-1200"}, ["1.1"]),
        ({"StudyTime": "1201-"}, []),
        ({"StudyTime": "120059.5"}, ["1.1"]),
        ({"ModalitiesInStudy": "CT"}, ["1.1"]),
        ({"ModalitiesInStudy": "MR,CT"}, ["1.2", "1.1", "1.3"]),
        ({"ModalitiesInStudy": "\\"}, []),
        ({"ModalitiesInStudy": "MR", "PatientSex": "F"}, ["1.1"]),
        ({"ReferringPhysicianName": ""}, ["1.2", "1.1", "1.3"]),
    ],
)
def test_studies_match_as_the_standard_says(filled: Archive, match: dict[str, str], found: list[str]) -> None:
    rows = filled.studies.search_studies(QidoQuery(tuple(match.items())))
    assert [row.study_instance_uid for row in rows] == found


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ({"StudyInstanceUID": "1.1"}, [("1.1.9", 2), ("1.1.8", 1)]),
        ({"Modality": "CT"}, [("1.1.8", 1)]),
        ({"SeriesNumber": "1", "PatientID": "P1"}, [("1.1.9", 2)]),
        ({"SeriesInstanceUID": "1.2.9"}, [("1.2.9", 1)]),
        ({"ModalitiesInStudy": "CT", "Modality": "MR"}, [("1.1.9", 2)]),
    ],
)
def test_series_match(filled: Archive, match: dict[str, str], found: list[tuple[str, int]]) -> None:
    rows = filled.studies.search_series(QidoQuery(tuple(match.items())))
    assert [(row.series_instance_uid, row.number_of_instances) for row in rows] == found


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ({"SeriesInstanceUID": "1.1.9"}, ["1.1.2", "1.1.1"]),
        ({"SOPInstanceUID": "1.1.3"}, ["1.1.3"]),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "StudyInstanceUID": "1.2"}, ["1.2.1"]),
        ({"InstanceNumber": "2"}, ["1.1.1"]),
        ({"ModalitiesInStudy": "CT", "InstanceNumber": "1"}, ["1.1.2"]),
    ],
)
def test_instances_match(filled: Archive, match: dict[str, str], found: list[str]) -> None:
    rows = filled.studies.search_instances(QidoQuery(tuple(match.items())))
    assert [row.instance.sop_instance_uid for row in rows] == found


def test_rows_say_what_qido_asks_for(filled: Archive) -> None:
    (row,) = filled.studies.search_instances(QidoQuery((("SOPInstanceUID", "1.1.1"),)))
    assert (row.rows, row.columns, row.instance.path.is_file()) == (8, 9, True)
    study = row.series.study
    assert (study.number_of_series, study.number_of_instances, study.modalities) == (2, 3, ("CT", "MR"))
    assert study.attributes.accession_number == "A_1"


def test_pages_follow_each_other(filled: Archive) -> None:
    pages = [filled.studies.search_studies(QidoQuery(limit=2, offset=offset)) for offset in (0, 2, 4)]
    assert [[row.study_instance_uid for row in page] for page in pages] == [["1.2", "1.1"], ["1.3"], []]
    assert len(filled.studies.search_studies(QidoQuery(offset=1))) == 2


@pytest.mark.parametrize(
    "match", [("Nonsense", "1"), ("StudyDate", "yesterday"), ("StudyTime", "noon"), ("StudyDate", "-")]
)
def test_what_cannot_be_searched_is_said(filled: Archive, match: tuple[str, str]) -> None:
    with pytest.raises(UsageError):
        filled.studies.search_studies(QidoQuery((match,)))


def test_lists_show_the_latest_first_and_count(filled: Archive) -> None:
    assert len(filled.studies.list()) == 3
    assert len(filled.studies.list(StudyState.OPEN, limit=1, offset=1)) == 1
    assert filled.studies.list(StudyState.COMPLETE) == []
    assert filled.studies.counts() == {StudyState.OPEN: 3}


@pytest.mark.parametrize("level", ["search_studies", "search_series", "search_instances"])
def test_a_search_asks_the_database_as_often_for_many_rows_as_for_one(archive: Archive, level: str) -> None:
    asked: list[str] = []
    event.listen(archive._database.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    counts = []
    for number in range(1, 4):
        put(archive, make_file(f"1.{number}.1", f"1.{number}"))
        asked.clear()
        assert len(getattr(archive.studies, level)(QidoQuery())) == number
        counts.append(len(asked))
    assert len(set(counts)) == 1


@only_sqlite
@pytest.mark.parametrize(
    ("match", "index"),
    [
        ((), "ix_studies_newest"),
        ((("StudyDate", "20260101-20260201"),), "ix_studies_newest"),
        ((("ModalitiesInStudy", "CT"), ("StudyDate", "20260101-")), "ix_studies_newest"),
        ((("PatientID", "P1"),), "ix_studies_patient_id"),
        ((("PatientID", "P1*"),), "ix_studies_patient_id"),
        ((("PatientName", "Do*"),), "ix_studies_patient_name_key"),
        ((("AccessionNumber", "A1"),), "ix_studies_accession_number"),
    ],
)
def test_studies_are_found_by_index(filled: Archive, match: tuple[tuple[str, str], ...], index: str) -> None:
    asked: list[tuple[str, object]] = []
    event.listen(filled._database.engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    filled.studies.search_studies(QidoQuery(match, limit=25))
    statement, parameters = next(told for told in asked if told[0].startswith("SELECT"))
    with filled._database.read() as connection:
        plan = "; ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
    assert f"studies USING INDEX {index}" in plan
    assert "instances" not in plan
