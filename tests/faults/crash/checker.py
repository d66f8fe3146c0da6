"""Restarts the archive on what a power cut left, and counts what was promised and is not there.

Looks into the index by plain SQL, not through the archive, so that a fault of the archive cannot hide itself.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.digest import content_digest
from dicomnode.errors import DicomNodeError
from tests.archives import at
from tests.faults.crash.scenario import ANSWERS, settings_in


def write_tree(tree: Mapping[PurePosixPath, bytes | None], folder: Path) -> None:
    """Lay out what a power cut left."""
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)


def broken_promises(folder: Path, told: Collection[str], contents: Mapping[str, str]) -> list[str]:
    """Start again on a folder and say what is wrong, one line each.

    Args:
        folder: What is left.
        told: What was said to the outside before the power went.
        contents: Content digest of each instance that was sent, by SOP Instance UID.
    """
    settings = settings_in(folder)
    (folder / "index").mkdir(exist_ok=True)
    try:
        with Archive.open(settings) as archive:
            archive.instances.recover(Origin(Way.RECOVERED), at(100))
            archive.retention.settle()
    except (DicomNodeError, OSError) as error:
        return [f"the archive cannot be opened: {error}"]
    index = sqlite3.connect(folder / "index" / "index.sqlite")
    try:
        data = settings.node.data_dir
        return [*_missing(index, data, told, contents), *_half_written(index, data)]
    finally:
        index.close()


def _missing(
    index: sqlite3.Connection, data: Path, told: Collection[str], contents: Mapping[str, str]
) -> Iterator[str]:
    for line in told:
        what, _, which = line.partition(" ")
        if what == "stored":
            study = which.rpartition(".")[0]
            if f"forgotten {study}" not in told:
                yield from _not_kept(index, data, which, contents, may_be_gone=f"forgetting {study}" in told)
        elif what == "finished":
            yield from _unfinished(index, int(which))
        elif what == "delivered":
            state = index.execute("SELECT state FROM deliveries WHERE delivery_id = ?", (which,)).fetchone()
            if state != ("delivered",):
                yield f"delivery {which} was marked and is {state}"
        elif what == "forgotten" and _count(index, "instances", "study_instance_uid", which):
            yield f"study {which} was deleted and is here again"


def _count(index: sqlite3.Connection, table: str, column: str, value: str) -> int:
    found: int = index.execute(f"SELECT count(*) FROM {table} WHERE {column} = ?", (value,)).fetchone()[0]
    return found


def _not_kept(
    index: sqlite3.Connection, data: Path, uid: str, contents: Mapping[str, str], *, may_be_gone: bool
) -> Iterator[str]:
    row = index.execute("SELECT path FROM instances WHERE sop_instance_uid = ?", (uid,)).fetchone()
    if row is None:
        if not may_be_gone:
            yield f"instance {uid} was acknowledged and is not in the index"
    elif not (data / row[0]).is_file():
        yield f"instance {uid} was acknowledged and has no file"
    elif content_digest(data / row[0]) != contents[uid]:
        yield f"instance {uid} was acknowledged and its file holds something else"


def _unfinished(index: sqlite3.Connection, job_id: int) -> Iterator[str]:
    state = index.execute("SELECT state FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    if state != ("done",):
        yield f"job {job_id} was finished and is {state}"
    found = _count(index, "evidence", "job_id", str(job_id))
    if found != len(ANSWERS):
        yield f"job {job_id} was finished and has {found} evidence objects"


def _half_written(index: sqlite3.Connection, data: Path) -> Iterator[str]:
    """Whatever the index names must be there as it says, promised or not: it would be served."""
    if index.execute("PRAGMA integrity_check").fetchone() != ("ok",):
        yield "the index is damaged"
    rows = index.execute(
        "SELECT sop_instance_uid, path, sha256 FROM instances UNION SELECT sop_instance_uid, path, sha256 FROM evidence"
    )
    for uid, path, sha256 in rows.fetchall():
        file = data / path
        if not file.is_file():
            yield f"object {uid} is in the index and has no file"
        elif hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            yield f"object {uid} is in the index and its file has another digest"
