"""Find files that were named but not indexed: their process was killed in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from dicomnode.archive import tables
from dicomnode.archive.database import Database
from dicomnode.archive.files import INSTANCES

_NAME = re.compile(r"[0-9a-f]{64}\.dcm")


def unknown_files(database: Database, root: Path) -> Iterator[Path]:
    """Paths below `instances`, relative to the root, that the index does not know.

    Looks at one sub-folder at a time, so memory stays small however many files there are.
    """
    rows = tables.instances
    for folder in sorted((root / INSTANCES).iterdir()):
        if not folder.is_dir():
            continue
        # Files before rows: what is committed between the two looks is then no surprise.
        present = {entry.name for entry in folder.iterdir() if _NAME.fullmatch(entry.name)}
        with database.read() as connection:
            query = select(rows.c.sha256, rows.c.path).where(
                rows.c.sha256 >= folder.name, rows.c.sha256 < f"{folder.name}g"
            )
            known = {Path(row.path).name for row in connection.execute(query)}
        for name in sorted(present - known):
            yield Path(INSTANCES, folder.name, name)
