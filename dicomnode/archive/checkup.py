"""The archive's own check-up: files and index against each other, told or mended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dicomnode.archive.comparing import Comparison, Progress
from dicomnode.archive.database import Database
from dicomnode.archive.discrepancies import Discrepancy
from dicomnode.archive.files import FileStore
from dicomnode.archive.instances import InstanceStore
from dicomnode.archive.repairing import Repairs


class Checkup:
    """What `dicomnode doctor --deep` asks of the archive; safe while the node runs."""

    def __init__(self, database: Database, files: FileStore, instances: InstanceStore) -> None:
        self._database = database
        self._files = files
        self._instances = instances

    def look(self, progress: Progress) -> Iterator[Discrepancy]:
        """Tell every contradiction; change nothing."""
        comparison = Comparison(self._database, self._files)
        yield from comparison.journals()
        yield from comparison.counts()
        yield from comparison.rows(progress)
        yield from comparison.strays()

    def repair(self, now: datetime, progress: Progress, *, fetch: bool = False) -> Iterator[Discrepancy]:
        """Tell every contradiction with what was done about it.

        What dead processes had acknowledged comes first: it may hold what seems to be missing. Counts come before rows,
        whose repairs keep them right, and rows before files: what a row lacks may lie where no row looks.

        Args:
            now: Present time.
            progress: Told of each row.
            fetch: Studies that lost an instance open again, to be compared with a PACS that is asked before they close.
        """
        comparison = Comparison(self._database, self._files)
        repairs = Repairs(self._database, self._files, self._instances, comparison, now, fetch=fetch)
        repairs.evidence_found_again()
        for journal in list(comparison.journals()):  # which lets go of them
            yield repairs.repair(journal)
        for found in (comparison.counts(), comparison.rows(progress), comparison.strays()):
            yield from map(repairs.repair, found)
