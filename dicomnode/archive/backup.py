"""A backup of a running node: one state of the index, and every file that it names.

The journals of arrivals come first: what was acknowledged by then is in them, or in the index that is copied next, in
one step of SQLite's online backup. The files follow: a file is durable before its
row is written and never changes afterwards, so whatever the copied rows name is there. Only retention takes files away;
where it took one in between, the index is copied once more.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.files import EVIDENCE, INSTANCES, JOURNAL, STAGING, file_sha256, named_by_content
from dicomnode.archive.landing.journal import read_journal
from dicomnode.errors import ArchiveError, SettingsError

MANIFEST, FILES, CHECKSUMS = "backup.json", "files", "files.sha256"
_ROUNDS = 5
_INDEXED = (tables.instances.name, tables.evidence.name, tables.substitutes.name)
_COUNTED = (tables.studies.name, tables.instances.name, tables.evidence.name, tables.deliveries.name)
_NOT_COPIED = frozenset({INSTANCES, EVIDENCE, STAGING, JOURNAL, "run"})
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a finished backup holds.

    Attributes:
        created: When, ISO 8601 in UTC.
        index: File name of the index, empty if it is on a server (then `pg_dump` keeps it).
        index_sha256: Its digest.
        files: Files that the index names.
        bytes: Their size.
        copied: How many of them this run copied; the others were here from an earlier one.
        others: Files besides, such as conflicts and audit.
        studies: Rows of studies.
        instances: Rows of instances.
        evidence: Rows of evidence.
        deliveries: Rows of deliveries.
    """

    created: str
    index: str
    index_sha256: str
    files: int
    bytes: int
    copied: int
    others: int
    studies: int
    instances: int
    evidence: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class _Copied:
    files: int
    size: int
    new: int


class _VanishedError(Exception):
    """A file that the copied index names is gone."""


def back_up(database_url: str, data_dir: Path, target: Path, now: datetime, *, hard_links: bool = False) -> Manifest:
    """Back up a node, running or not; a second run into the same folder copies what is new.

    Args:
        database_url: The node's index.
        data_dir: Its folder.
        target: Where to; made if missing.
        now: Present time.
        hard_links: Link files instead of copying them, where the file system can; a lost disk then loses both.

    Raises:
        SettingsError: The target lies in the node's folder.
        ArchiveError: A file's content is not what the index says; the backup is not finished then.
        OSError: Something cannot be read or written.
    """
    if target.resolve().is_relative_to(data_dir.resolve()):
        raise SettingsError(f"{target} lies in the folder that is backed up; choose another place, best another disk")
    (target / FILES).mkdir(parents=True, exist_ok=True)
    landed = _copy_journals(data_dir, target / FILES)
    for _ in range(_ROUNDS):
        index, digest, wanted, counts = _snapshot(database_url, target)
        wanted |= {path: sha256 for path, sha256 in landed.items() if (data_dir / path).exists()}
        try:
            copied = _copy_all(data_dir, target / FILES, wanted, hard_links)
            break
        except _VanishedError:
            continue
    else:
        raise ArchiveError(f"files go away faster than they can be copied; back up {data_dir} at a quieter time")
    others = _copy_others(data_dir, target / FILES, wanted)
    _write(target / CHECKSUMS, "".join(f"{sha256}  {FILES}/{path}\n" for path, sha256 in sorted(wanted.items())))
    manifest = Manifest(now.isoformat(), index, digest, copied.files, copied.size, copied.new, others, **counts)
    os.sync()  # everything before the manifest, which says that it is there
    _write(target / MANIFEST, json.dumps(asdict(manifest), indent=2) + "\n")
    os.sync()
    _drop_old_indexes(target, index)
    return manifest


def _copy_journals(data_dir: Path, target: Path) -> dict[str, str]:
    """Copy what processes have acknowledged and may not have indexed; digest by path of the files that it names.

    They go on writing meanwhile: a record that is copied in part is told from a whole one.
    """
    shutil.rmtree(target / JOURNAL, ignore_errors=True)
    named: dict[str, str] = {}
    for folder in sorted((data_dir / JOURNAL).glob("*")):
        copy = target / JOURNAL / folder.name
        copy.mkdir(parents=True)
        for segment in folder.glob("*"):
            with suppress(FileNotFoundError):  # all of it is in the index by now
                shutil.copy2(segment, copy / segment.name)
        digests = [record.entry.sha256 for record in read_journal(copy) if not record.content]
        named |= {named_by_content(sha256, INSTANCES).as_posix(): sha256 for sha256 in digests}
    return named


def _snapshot(database_url: str, target: Path) -> tuple[str, str, dict[str, str], dict[str, int]]:
    """One state of the index: its file's name and digest, digest by path of all files that it names, row counts."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        wanted, counts = _read_server(database_url)
        return "", "", wanted, counts
    draft = target / "index.new"
    draft.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"file:{url.database}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(draft)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, complete by itself
    wanted, counts = _read_copy(draft)
    digest = file_sha256(draft)
    name = f"index-{digest[:16]}.sqlite"
    draft.replace(target / name)
    for leftover in ("index.new-wal", "index.new-shm"):
        (target / leftover).unlink(missing_ok=True)
    return name, digest, wanted, counts


def _read_copy(index: Path) -> tuple[dict[str, str], dict[str, int]]:
    # Not through `Database`, which would change the copy's journal mode and so its digest
    with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as connection:
        return _read_rows(connection.execute)


def _read_server(database_url: str) -> tuple[dict[str, str], dict[str, int]]:
    database = Database(database_url)
    try:
        with database.read() as connection:
            return _read_rows(connection.exec_driver_sql)
    finally:
        database.close()


def _read_rows(execute: Callable[[str], Iterable[Any]]) -> tuple[dict[str, str], dict[str, int]]:
    wanted: dict[str, str] = {}
    for name in _INDEXED:
        wanted.update((str(path), str(sha256)) for path, sha256 in execute(f"SELECT path, sha256 FROM {name}"))  # noqa: S608
    counts = {name: int(next(iter(execute(f"SELECT count(*) FROM {name}")))[0]) for name in _COUNTED}  # noqa: S608
    return wanted, counts


def _copy_all(data_dir: Path, target: Path, wanted: Mapping[str, str], hard_links: bool) -> _Copied:
    size, new = 0, 0
    for path, sha256 in wanted.items():
        source, copy = data_dir / path, target / path
        try:
            expected = source.stat().st_size
        except FileNotFoundError:
            raise _VanishedError from None
        size += expected
        if copy.is_file() and copy.stat().st_size == expected:
            continue  # names hold digests and files never change, so the same name and size is the same file
        _copy_one(source, copy, sha256, hard_links)
        new += 1
    return _Copied(len(wanted), size, new)


def _copy_one(source: Path, copy: Path, sha256: str, hard_links: bool) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    draft = copy.with_name(f"{copy.name}.new")
    try:
        found = _link(source, draft) if hard_links else copy_file(source, draft)
    except FileNotFoundError:
        raise _VanishedError from None
    if found != sha256:
        draft.unlink()
        raise ArchiveError(f"file {source} is not what the index says; `dicomnode doctor --deep` tells more")
    draft.replace(copy)


def _link(source: Path, draft: Path) -> str:
    draft.unlink(missing_ok=True)
    try:
        os.link(source, draft)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        return copy_file(source, draft)
    return file_sha256(draft)


def copy_file(source: Path, copy: Path) -> str:
    """Copy a file's bytes; returns their SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, copy.open("wb") as writing:
        while block := reading.read(_BLOCK):
            digest.update(block)
            writing.write(block)
    return digest.hexdigest()


def _copy_others(data_dir: Path, target: Path, wanted: Mapping[str, str]) -> int:
    """Whatever else the node keeps (conflicts, audit); a file that changed since is copied again."""
    count = 0
    for source in other_files(data_dir):
        copy = target / source.relative_to(data_dir)
        if source.relative_to(data_dir).as_posix() in wanted:
            continue
        count += 1
        if _is_same(source, copy):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        draft = copy.with_name(f"{copy.name}.new")
        shutil.copy2(source, draft)
        draft.replace(copy)
    return count


def other_files(data_dir: Path) -> Iterator[Path]:
    """Files of the data folder that the index does not name and that a node cannot make anew."""
    for entry in sorted(data_dir.iterdir()):
        if entry.is_dir() and entry.name not in _NOT_COPIED:
            yield from sorted(path for path in entry.rglob("*") if path.is_file() and not path.is_symlink())


def _is_same(source: Path, copy: Path) -> bool:
    if not copy.is_file():
        return False
    before, after = source.stat(), copy.stat()
    return (before.st_size, int(before.st_mtime)) == (after.st_size, int(after.st_mtime))


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _drop_old_indexes(target: Path, index: str) -> None:
    for path in target.glob("index-*.sqlite"):
        if path.name != index:
            path.unlink()
