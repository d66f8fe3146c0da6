"""Settling whose a study is, once an administrator knows: nothing is deleted, no file is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import Connection, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_audit
from dicomnode.archive.contents import recount
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.files import FileStore
from dicomnode.archive.indexing import open_study, study_generation
from dicomnode.archive.matching import name_key, name_words
from dicomnode.archive.records import Kind, PatientStudy, TraceEntry
from dicomnode.archive.traces import add_trace
from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.dicom.kinds import is_derived_document
from dicomnode.errors import ArchiveError, NotFoundError, UsageError

_STUDIES, _INSTANCES = tables.studies.c, tables.instances.c
_JUDGED = (Kind.SOURCE, Kind.DOCUMENT, Kind.IDENTITY_CONFLICT, Kind.DISCARDED)


@dataclass(frozen=True, slots=True)
class NamedIdentity:
    """A patient whom instances of a study name. Holds PHI: for an administrator's eyes, not for a log.

    Attributes:
        patient_id: (0010,0020).
        issuer_of_patient_id: (0010,0021).
        patient_name: (0010,0010) of the first of the instances.
        patient_birth_date: (0010,0030) of the first of the instances.
        instances: Their SOP Instance UIDs.
        aside: How many of them are kept aside.
    """

    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    instances: tuple[str, ...]
    aside: int


class SettlingStore:
    """Studies whose instances name different patients."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def conflicts(self) -> list[tuple[str, str]]:
        """Study Instance UID and reason of every study that no model runs on because of its identity."""
        query = select(_STUDIES.study_instance_uid, _STUDIES.identity_conflict)
        with self._database.read() as connection:
            rows = connection.execute(query.where(_STUDIES.identity_conflict.is_not(None)))
            return [(row.study_instance_uid, row.identity_conflict) for row in rows]

    def identities(self, study_instance_uid: str) -> list[NamedIdentity]:
        """The patients that a study's instances name, the most frequent one first.

        Raises:
            NotFoundError: No such study.
        """
        rows, headers = self._read(study_instance_uid)
        groups: dict[tuple[str, str], list[IndexRow]] = {}
        for row in rows:
            groups.setdefault(_whose(headers[row.sop_instance_uid]), []).append(row)
        named = [_named(members, headers) for members in groups.values()]
        return sorted(named, key=lambda identity: len(identity.instances), reverse=True)

    def settle(self, study_instance_uid: str, right: str | None, *, release: bool, now: datetime) -> int:
        """Say whose a study is; it is completed and analysed anew.

        Args:
            study_instance_uid: A study.
            right: An instance that names the right patient; None if the study already does.
            release: Whether instances that name another patient belong to the study all the same (one person, two
                identifiers); else they are kept aside for good.
            now: Present time.

        Returns:
            How many instances name another patient than the right one.

        Raises:
            NotFoundError: No such study, or no such instance in it.
            UsageError: No image would be left in the study.
            ArchiveError: An instance arrived meanwhile.
        """
        rows, headers = self._read(study_instance_uid)
        if right is not None and right not in headers:
            raise NotFoundError(f"instance {right} is not in study {study_instance_uid}")
        with self._database.write() as connection:
            if {row.sop_instance_uid for row in _rows(connection, study_instance_uid)} != set(headers):
                raise ArchiveError(f"an instance of study {study_instance_uid} arrived meanwhile; look again")
            whose = _take_identity(connection, study_instance_uid, headers[right] if right is not None else None)
            others = {uid for uid, header in headers.items() if not _is_of(header, whose)}
            kinds = {uid: _kind(header, uid in others and not release) for uid, header in headers.items()}
            if Kind.SOURCE not in kinds.values():
                raise UsageError(f"no image of study {study_instance_uid} would be left: choose --release, or --as")
            for row in rows:
                one = _INSTANCES.sop_instance_uid == row.sop_instance_uid
                connection.execute(update(tables.instances).where(one).values(kind=kinds[row.sop_instance_uid]))
            recount(connection, study_instance_uid)
            _note(connection, study_instance_uid, right, len(others), release, now)
        return len(others)

    def _read(self, study_instance_uid: str) -> tuple[list[IndexRow], dict[str, InstanceHeader]]:
        with self._database.read() as connection:
            known = connection.execute(select(_STUDIES.state).where(_STUDIES.study_instance_uid == study_instance_uid))
            if known.first() is None:
                raise NotFoundError(f"study {study_instance_uid} is not in the archive")
            rows = _rows(connection, study_instance_uid)
        return rows, {row.sop_instance_uid: read_header(self._files.root / row.path) for row in rows}


def _rows(connection: Connection, study_instance_uid: str) -> list[IndexRow]:
    query = select(tables.instances).where(
        _INSTANCES.study_instance_uid == study_instance_uid, _INSTANCES.kind.in_(_JUDGED)
    )
    return list(connection.execute(query.order_by(_INSTANCES.sop_instance_uid)).all())


def _whose(header: InstanceHeader) -> tuple[str, str]:
    return header.patient_id, header.issuer_of_patient_id


def _is_of(header: InstanceHeader, whose: tuple[str, str]) -> bool:
    patient_id, issuer = whose
    issuers = {issuer, header.issuer_of_patient_id} - {""}
    return header.patient_id == patient_id and len(issuers) < 2


def _kind(header: InstanceHeader, discarded: bool) -> Kind:
    if discarded:
        return Kind.DISCARDED
    return Kind.DOCUMENT if is_derived_document(header.sop_class_uid) else Kind.SOURCE


def _named(members: list[IndexRow], headers: Mapping[str, InstanceHeader]) -> NamedIdentity:
    first = headers[members[0].sop_instance_uid]
    aside = sum(1 for row in members if row.kind in (Kind.IDENTITY_CONFLICT, Kind.DISCARDED))
    uids = tuple(row.sop_instance_uid for row in members)
    return NamedIdentity(*_whose(first), first.patient_name, first.patient_birth_date, uids, aside)


def _take_identity(connection: Connection, study: str, right: InstanceHeader | None) -> tuple[str, str]:
    """Write the right identity into the study; gives Patient ID and issuer."""
    one = _STUDIES.study_instance_uid == study
    values: dict[str, object] = {"identity_conflict": None}
    if right is not None:
        values |= {field.name: getattr(right, field.name) for field in fields(PatientStudy)}
        values["patient_name_key"] = name_key(right.patient_name)
        values["patient_name_words"] = name_words(right.patient_name)
        values["referring_physician_name_words"] = name_words(right.referring_physician_name)
    connection.execute(update(tables.studies).where(one).values(values))
    row = connection.execute(select(_STUDIES.patient_id, _STUDIES.issuer_of_patient_id).where(one)).one()
    return row.patient_id, row.issuer_of_patient_id


def _note(connection: Connection, study: str, right: str | None, others: int, release: bool, now: datetime) -> None:
    whose = "the study's own" if right is None else f"that of instance {right}"
    fate = "belong to the study all the same" if release else "are kept aside for good"
    text = f"an administrator settled the identity: {whose}; {others} instance(s) that name another patient {fate}"
    add_audit(connection, "identity settled", f"study {study}: {text}", now)
    open_study(connection, study, now)
    generation = study_generation(connection, study)
    add_trace(connection, TraceEntry(study, generation, "identity settled", None, text, now))
