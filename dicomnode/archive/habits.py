"""What devices do once they have sent a study: whether more follows the release of their association."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.records import Kind

_FORGOTTEN_AFTER = timedelta(days=180)
_SOON = timedelta(minutes=10)
"""What comes later after a study was complete is another act, such as a reconstruction that somebody asked for."""


@dataclass(frozen=True, slots=True)
class Brought:
    """An association that brought instances of a study.

    Attributes:
        first_at: When it began to, None if that was not noted.
        closed_at: When it ended, None if it is still open.
        clean: Whether the sender released it (PS3.8 7.2), and all that it brought was kept.
    """

    first_at: datetime | None
    closed_at: datetime | None
    clean: bool


@dataclass(frozen=True, slots=True)
class Habit:
    """What is known of a device, of studies that looked the same when their only association was released.

    Attributes:
        studies: How many of them nothing followed, for the whole quiet period.
        fewest: Images of the smallest of them.
        images: Images of the study that is asked about.
        goes_on: Whether the device was ever seen to go on with a study after it had released its associations.
    """

    studies: int
    fewest: int
    images: int
    goes_on: bool


def went_on(brought: Sequence[Brought]) -> bool:
    """Whether more of a study came after all associations that had brought some of it were released."""
    begun = sorted((item.first_at, number) for number, item in enumerate(brought) if item.first_at is not None)
    earlier: list[Brought] = []
    for first_at, number in begun:
        ended = [item.closed_at for item in earlier if item.closed_at is not None and item.clean]
        if ended and len(ended) == len(earlier) and max(ended) <= first_at:
            return True
        earlier.append(brought[number])
    return False


class Lesson(StrEnum):
    """What a study that is complete says of who sent it."""

    ENDS = "ends"  # nothing followed the release of its only association
    GOES_ON = "goes on"  # more followed a release
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Ended:
    """A study that is about to be complete.

    Attributes:
        brought: The associations that brought it since it was complete last.
        reopened_after: How long after its last completion more came; None for the first completion.
        waited: Whether nothing came for the quiet period; a study that was closed before that proves nothing yet.
    """

    brought: Sequence[Brought]
    reopened_after: timedelta | None
    waited: bool

    def lesson(self) -> Lesson:
        """What it says."""
        if self.reopened_after is not None:
            return Lesson.GOES_ON if self.reopened_after <= _SOON else Lesson.NOTHING
        if went_on(self.brought):
            return Lesson.GOES_ON
        return Lesson.ENDS if self.waited and ended_once(self.brought) else Lesson.NOTHING


def ended_once(brought: Sequence[Brought]) -> bool:
    """Whether one association brought everything and was released."""
    return len(brought) == 1 and brought[0].closed_at is not None and brought[0].clean


class HabitStore:
    """Rows of devices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, study_instance_uid: str) -> Habit | None:
        """What is known of who sent a study, and of studies like it; None if several sent it."""
        with self._database.read() as connection:
            devices = _devices(connection, study_instance_uid)
            if len(devices) != 1:
                return None
            (device,) = devices
            signature, images = _looks(connection, study_instance_uid)
            known = connection.execute(select(_HABITS).where(_one(device, signature))).one_or_none()
            refuted = select(_REFUTED.device).where(_REFUTED.device == device)
            goes_on = connection.execute(refuted).first() is not None
        return Habit(0 if known is None else known.studies, 0 if known is None else known.fewest, images, goes_on)


def brought_of(connection: Connection, study_instance_uid: str) -> list[Brought]:
    """The associations that brought instances of a study since it was complete last."""
    rows, studies = tables.associations, tables.association_studies
    query = select(studies.c.first_at, rows.c.closed_at, rows.c.clean)
    query = query.join_from(rows, studies, rows.c.association_id == studies.c.association_id)
    found = connection.execute(query.where(studies.c.study_instance_uid == study_instance_uid))
    return [Brought(row.first_at, row.closed_at, bool(row.clean)) for row in found]


def learn(connection: Connection, study: IndexRow, now: datetime, *, waited: bool) -> None:
    """Learn from a study that is about to be complete.

    Args:
        connection: Of the transaction that completes it.
        study: Its row, before that.
        now: Present time.
        waited: Whether nothing came for the quiet period.
    """
    uid = study.study_instance_uid
    devices = _devices(connection, uid)
    if not devices:
        return
    reopened = study.first_arrival - study.completed_at if study.generation > 0 else None
    lesson = Ended(brought_of(connection, uid), reopened, waited).lesson()
    # Whoever brought what followed: it is the first one whose studies cannot be taken for complete
    if lesson is Lesson.GOES_ON:
        _distrust(connection, devices[0], uid, now)
    elif lesson is Lesson.ENDS and len(devices) == 1:
        _count(connection, devices[0], _looks(connection, uid), now)


_HABITS, _REFUTED = tables.device_habits, tables.continuing_devices.c


def _one(device: str, signature: str) -> ColumnElement[bool]:
    return and_(_HABITS.c.device == device, _HABITS.c.signature == signature)


def _devices(connection: Connection, study_instance_uid: str) -> list[str]:
    """Names who sent a study, without saying who; the first one first."""
    rows = tables.study_origins.c
    query = select(rows.way, rows.calling_ae_title, rows.peer).order_by(rows.first_seen)
    found = connection.execute(query.where(rows.study_instance_uid == study_instance_uid)).all()
    return list(dict.fromkeys(_digest(list(row)) for row in found))


def _distrust(connection: Connection, device: str, study_instance_uid: str, now: datetime) -> None:
    if connection.execute(select(_REFUTED.device).where(_REFUTED.device == device)).first() is None:
        values = {"device": device, "study_instance_uid": study_instance_uid, "seen": now}
        connection.execute(insert(tables.continuing_devices).values(values))


def _looks(connection: Connection, study_instance_uid: str) -> tuple[str, int]:
    """A signature of what kind of study this is and which of its series are here, and how many images it has.

    Two studies look the same if they have the same description and as many series of the same descriptions, whose
    Instance Numbers begin alike and are without gaps in both or in neither.
    """
    series, instances = tables.series.c, tables.instances.c
    number = instances.instance_number
    of_series = and_(
        series.study_instance_uid == instances.study_instance_uid,
        series.series_instance_uid == instances.series_instance_uid,
    )
    columns = (series.modality, series.series_description, series.body_part_examined)
    counts = (func.count(), func.min(number), func.max(number), func.count(number.distinct()))
    query = select(*columns, *counts).join_from(tables.series, tables.instances, of_series)
    query = query.where(instances.study_instance_uid == study_instance_uid, instances.kind == Kind.SOURCE)
    found = connection.execute(query.group_by(series.series_instance_uid, *columns)).all()
    kinds = sorted([*row[:3], row[4], row[4] is not None and row[5] - row[4] + 1 == row[6] == row[3]] for row in found)
    described = select(tables.studies.c.study_description)
    one = tables.studies.c.study_instance_uid == study_instance_uid
    words = connection.execute(described.where(one)).scalar_one()
    return _digest([words, *map(json.dumps, kinds)]), sum(row[3] for row in found)


def _digest(words: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def _count(connection: Connection, device: str, looks: tuple[str, int], now: datetime) -> None:
    signature, images = looks
    known = connection.execute(select(_HABITS).where(_one(device, signature))).one_or_none()
    if known is not None:
        more = {"studies": known.studies + 1, "fewest": min(known.fewest, images), "seen": now}
        connection.execute(update(_HABITS).where(_one(device, signature)).values(more))
        return
    old = and_(_HABITS.c.device == device, _HABITS.c.seen < now - _FORGOTTEN_AFTER)
    connection.execute(delete(_HABITS).where(old))
    values = {"device": device, "signature": signature, "studies": 1, "fewest": images, "seen": now}
    connection.execute(insert(_HABITS).values(values))
