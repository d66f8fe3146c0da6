"""Objects of older kinds that went in place of evidence objects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, insert, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.files import FileStore

_ROWS = tables.substitutes.c


@dataclass(frozen=True, slots=True)
class Substitute:
    """An object that says what an evidence object says, in an older kind.

    Attributes:
        sop_instance_uid: (0008,0018), derived from the original's.
        original_sop_instance_uid: The evidence object that it stands for.
        form: Which kind, such as ``comprehensive``.
        sop_class_uid: (0008,0016).
        series_instance_uid: (0020,000E), its own.
        transfer_syntax_uid: (0002,0010).
        path: Its file (PS3.10), durable.
        reason: Why it was made, one line.
        created: When.
    """

    sop_instance_uid: str
    original_sop_instance_uid: str
    form: str
    sop_class_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    path: Path
    reason: str
    created: datetime


class SubstituteStore:
    """Rows of substitutes; their files are written by `EvidenceStore.write_file`, before their rows."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def find(self, original_sop_instance_uid: str, form: str) -> Substitute | None:
        """The substitute of a kind for an evidence object, None if it was not made yet."""
        return self._one((_ROWS.original_sop_instance_uid == original_sop_instance_uid) & (_ROWS.form == form))

    def get(self, sop_instance_uid: str) -> Substitute | None:
        """The substitute of that UID, None if there is none."""
        return self._one(_ROWS.sop_instance_uid == sop_instance_uid)

    def add(self, substitute: Substitute) -> Substitute:
        """Keep a substitute whose file is durable; gives the one that is kept, which may be an earlier one."""
        digest = hashlib.sha256(substitute.path.read_bytes()).hexdigest()
        with self._database.write() as connection:
            known = select(_ROWS.sop_instance_uid).where(_ROWS.sop_instance_uid == substitute.sop_instance_uid)
            if connection.execute(known).first() is None:
                connection.execute(
                    insert(tables.substitutes).values(
                        sop_instance_uid=substitute.sop_instance_uid,
                        original_sop_instance_uid=substitute.original_sop_instance_uid,
                        form=substitute.form,
                        sop_class_uid=substitute.sop_class_uid,
                        series_instance_uid=substitute.series_instance_uid,
                        transfer_syntax_uid=substitute.transfer_syntax_uid,
                        path=substitute.path.relative_to(self._files.root).as_posix(),
                        sha256=digest,
                        reason=substitute.reason,
                        created=substitute.created,
                    )
                )
        return self.get(substitute.sop_instance_uid) or substitute

    def _one(self, which: ColumnElement[bool]) -> Substitute | None:
        with self._database.read() as connection:
            row = connection.execute(select(tables.substitutes).where(which)).one_or_none()
        if row is None:
            return None
        return Substitute(
            row.sop_instance_uid,
            row.original_sop_instance_uid,
            row.form,
            row.sop_class_uid,
            row.series_instance_uid,
            row.transfer_syntax_uid,
            self._files.root / row.path,
            row.reason,
            row.created,
        )
