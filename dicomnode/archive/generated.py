"""Rows of studies that nobody sent, written in bulk: an archive of any size within minutes, to measure searches on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, insert, inspect, make_url, select, text

from dicomnode.archive import tables
from dicomnode.archive.contents import recount
from dicomnode.archive.database import Database, is_sqlite, translated
from dicomnode.archive.matching import name_key, name_words
from dicomnode.archive.records import (
    DeliveryState,
    EvidenceState,
    JobKind,
    JobState,
    Kind,
    PatientStudy,
    ProofState,
    StudyState,
)

_STUDIES_AT_ONCE = 200
_MODEL, _TARGET = "generated", "pacs"


@dataclass(frozen=True, slots=True)
class GeneratedSeries:
    """A series of a generated study; its instances are told apart by a number at the end of their UIDs.

    Attributes:
        series_instance_uid: (0020,000E).
        modality: (0008,0060).
        sop_class_uid: (0008,0016) of its instances.
        digests: SHA-256 of the file that each instance is said to have.
        own: Whether it is the node's answer.
    """

    series_instance_uid: str
    modality: str
    sop_class_uid: str
    digests: tuple[str, ...]
    own: bool = False


@dataclass(frozen=True, slots=True)
class GeneratedStudy:
    """A study that is complete, was given to a model, and whose answer was delivered.

    Attributes:
        study_instance_uid: (0020,000D).
        attributes: Of patient and study.
        arrived: When its last instance came.
        series: What it holds.
    """

    study_instance_uid: str
    attributes: PatientStudy
    arrived: datetime
    series: tuple[GeneratedSeries, ...]


def add_generated(database_url: str, studies: Iterable[GeneratedStudy]) -> Iterator[int]:
    """Write the rows of studies, some hundred at once; gives the instances of each lot."""
    database = Database(database_url)
    waiting = iter(studies)
    try:
        while lot := list(islice(waiting, _STUDIES_AT_ONCE)):
            with database.write() as connection:
                _add(connection, lot)
            yield sum(len(series.digests) for study in lot for series in study.series)
    finally:
        database.close()


def finish_generated(database_url: str) -> None:
    """Count what the rows hold and let the database look at them, as it does by itself sooner or later."""
    database = Database(database_url)
    try:
        with database.write() as connection:
            recount(connection)
    finally:
        database.close()
    if not is_sqlite(database_url):
        with _server(database_url) as connection:
            connection.execute(text("VACUUM ANALYZE"))


def tables_in(database_url: str) -> list[str]:
    """Names of the tables that a database holds."""
    database = Database(database_url)
    try:
        with database.read() as connection:
            return inspect(connection).get_table_names()
    finally:
        database.close()


def make_schema(database_url: str, name: str) -> str:
    """Make a schema in a PostgreSQL database; gives the URL by which an archive keeps its tables in it."""
    with _server(database_url) as connection:
        connection.execute(text(f'CREATE SCHEMA "{name}"'))
    url = make_url(database_url).update_query_dict({"options": f"-csearch_path={name}"})
    return url.render_as_string(hide_password=False)


def drop_schema(database_url: str, name: str) -> None:
    """Remove a schema with all that it holds, if it is there."""
    with _server(database_url) as connection:
        connection.execute(text(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'))


@contextmanager
def _server(database_url: str) -> Iterator[Connection]:
    """A connection on which each statement stands for itself."""
    database = Database(database_url)
    try:
        with translated(), database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    finally:
        database.close()


def _add(connection: Connection, studies: list[GeneratedStudy]) -> None:
    rows: dict[Table, list[dict[str, Any]]] = {
        tables.studies: [_study(study) for study in studies],
        tables.series: [_series(study, series) for study in studies for series in study.series],
        tables.instances: [row for study in studies for series in study.series for row in _instances(study, series)],
        tables.jobs: [_job(study) for study in studies],
    }
    for table, values in rows.items():
        connection.execute(insert(table), values)
    answers = [(study, series) for study in studies for series in study.series if series.own]
    if answers:
        jobs = _jobs_of(connection, studies)
        made = [_evidence(study, series, jobs[study.study_instance_uid]) for study, series in answers]
        connection.execute(insert(tables.evidence), made)
        connection.execute(insert(tables.deliveries), [_delivery(*answer) for answer in answers])


def _jobs_of(connection: Connection, studies: list[GeneratedStudy]) -> dict[str, int]:
    rows = tables.jobs.c
    query = select(rows.study_instance_uid, rows.job_id)
    found = connection.execute(
        query.where(rows.study_instance_uid.in_([study.study_instance_uid for study in studies]))
    )
    return {row.study_instance_uid: row.job_id for row in found}


def _study(study: GeneratedStudy) -> dict[str, Any]:
    return {
        "study_instance_uid": study.study_instance_uid,
        "state": StudyState.COMPLETE,
        "generation": 1,
        "routed_generation": 1,
        "arrivals": sum(len(series.digests) for series in study.series),
        "created_at": study.arrived,
        "first_arrival": study.arrived,
        "last_arrival": study.arrived,
        "completed_at": study.arrived,
        "patient_name_key": name_key(study.attributes.patient_name),
        "patient_name_words": name_words(study.attributes.patient_name),
        "referring_physician_name_words": name_words(study.attributes.referring_physician_name),
        **asdict(study.attributes),
    }


def _series(study: GeneratedStudy, series: GeneratedSeries) -> dict[str, Any]:
    number = int(series.series_instance_uid.rpartition(".")[2])
    return {
        "study_instance_uid": study.study_instance_uid,
        "series_instance_uid": series.series_instance_uid,
        "modality": series.modality,
        "series_number": number,
        "series_description": f"{series.modality} {number}",
        "body_part_examined": "",
        "manufacturer_model_name": "generated",
    }


def _instances(study: GeneratedStudy, series: GeneratedSeries) -> Iterator[dict[str, Any]]:
    for number, digest in enumerate(series.digests, 1):
        yield {
            "sop_instance_uid": f"{series.series_instance_uid}.{number}",
            "sop_class_uid": series.sop_class_uid,
            "series_instance_uid": series.series_instance_uid,
            "study_instance_uid": study.study_instance_uid,
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "kind": Kind.OWN if series.own else Kind.SOURCE,
            "path": f"instances/{digest[:2]}/{digest}.dcm",
            "sha256": digest,
            "modality": series.modality,
            "instance_number": number,
            "number_of_frames": 1,
            "rows": None if series.own else 512,
            "columns": None if series.own else 512,
            "received_at": study.arrived,
            "size": 524_288,
        }


def _job(study: GeneratedStudy) -> dict[str, Any]:
    return {
        "study_instance_uid": study.study_instance_uid,
        "generation": 1,
        "model_name": _MODEL,
        "bundle_digest": "0" * 64,
        "kind": JobKind.INFER,
        "reason": "generated",
        "series_instance_uids": json.dumps([series.series_instance_uid for series in study.series if not series.own]),
        "targets": json.dumps([_TARGET]),
        "silent": False,
        "state": JobState.DONE,
        "attempts": 1,
        "next_attempt_at": study.arrived,
        "error": "",
        "finished_at": study.arrived,
    }


def _evidence(study: GeneratedStudy, series: GeneratedSeries, job_id: int) -> dict[str, Any]:
    return {
        "sop_instance_uid": f"{series.series_instance_uid}.1",
        "sop_class_uid": series.sop_class_uid,
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "series_instance_uid": series.series_instance_uid,
        "study_instance_uid": study.study_instance_uid,
        "model_name": _MODEL,
        "role": "answer",
        "path": f"evidence/{series.digests[0]}.dcm",
        "sha256": series.digests[0],
        "instance_number": 1,
        "state": EvidenceState.READY,
        "reason": "",
        "job_id": job_id,
        "created": study.arrived,
    }


def _delivery(study: GeneratedStudy, series: GeneratedSeries) -> dict[str, Any]:
    return {
        "sop_instance_uid": f"{series.series_instance_uid}.1",
        "target": _TARGET,
        "state": DeliveryState.DELIVERED,
        "attempts": 1,
        "next_attempt_at": study.arrived,
        "status": "0000H",
        "updated_at": study.arrived,
        "sent_at": study.arrived,
        "proof": ProofState.VISIBLE,
    }
