"""Restoring a backup into an empty folder: all of it and verified, or nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from dicomnode.archive.backup import CHECKSUMS, FILES, MANIFEST, Manifest, copy_file, other_files
from dicomnode.archive.files import JOURNAL, STAGING
from dicomnode.errors import ArchiveError, SettingsError

_INDEX = "index.sqlite"
_SEPARATOR = "  "  # of sha256sum's lists


def read_manifest(source: Path) -> Manifest:
    """What a backup says of itself.

    Raises:
        ArchiveError: There is no finished backup.
    """
    try:
        return Manifest(**json.loads((source / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ArchiveError(f"{source} holds no finished backup: {MANIFEST} is missing or cannot be read") from error


def restore(source: Path, data_dir: Path) -> Manifest:
    """Make a node's folder from a backup; every file's digest is checked on the way.

    Args:
        source: A backup.
        data_dir: The folder to make; it may exist, if it is empty.

    Raises:
        SettingsError: The folder holds something.
        ArchiveError: The backup is unfinished or damaged; nothing is left of the attempt then.
    """
    if data_dir.exists() and any(data_dir.iterdir()):
        raise SettingsError(f"{data_dir} is not empty: restore into a new folder, or move this one away")
    manifest = read_manifest(source)
    draft = data_dir.with_name(f"{data_dir.name}.restoring")
    if draft.exists():  # of an attempt that was killed
        shutil.rmtree(draft)
    try:
        _fill(source, draft, manifest)
        os.sync()
        if data_dir.exists():
            data_dir.rmdir()
        draft.rename(data_dir)
        os.sync()
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return manifest


def _fill(source: Path, draft: Path, manifest: Manifest) -> None:
    (draft / STAGING).mkdir(parents=True)
    if manifest.index:
        if copy_file(source / manifest.index, draft / _INDEX) != manifest.index_sha256:
            raise ArchiveError(f"the index {source / manifest.index} is damaged: its digest is not the manifest's")
        _forget_owners(draft / _INDEX)
    count = 0
    for path, sha256 in _listed(source):
        _restore_one(source / FILES / path, draft / path, sha256)
        count += 1
    if count != manifest.files:
        raise ArchiveError(f"{source / CHECKSUMS} lists {count} files, the manifest {manifest.files}: it is damaged")
    if (source / FILES / JOURNAL).exists():
        shutil.copytree(source / FILES / JOURNAL, draft / JOURNAL)
    for other in other_files(source / FILES):
        copy = draft / other.relative_to(source / FILES)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(other, copy)


def _listed(source: Path) -> Iterator[tuple[Path, str]]:
    for line in (source / CHECKSUMS).read_text(encoding="utf-8").splitlines():
        sha256, _, name = line.partition(_SEPARATOR)
        path = Path(name).relative_to(FILES)
        if path.is_absolute() or ".." in path.parts:
            raise ArchiveError(f"{source / CHECKSUMS} names a file outside of the backup")
        yield path, sha256


def _restore_one(source: Path, copy: Path, sha256: str) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = copy_file(source, copy)
    except FileNotFoundError:
        raise ArchiveError(f"the backup is damaged: {source} is missing") from None
    if found != sha256:
        raise ArchiveError(f"the backup is damaged: the digest of {source} is not the one that was listed")


def _forget_owners(index: Path) -> None:
    """Leases of the node that was backed up do not bind the one that takes its place."""
    with closing(sqlite3.connect(index)) as connection, connection:
        if connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise ArchiveError("the backup's index is damaged: SQLite's integrity check fails")
        connection.execute("DELETE FROM node_leases")
        connection.execute("UPDATE jobs SET state = 'waiting', lease_owner = NULL WHERE state = 'leased'")
        connection.execute("UPDATE deliveries SET state = 'waiting', lease_owner = NULL WHERE state = 'sending'")
