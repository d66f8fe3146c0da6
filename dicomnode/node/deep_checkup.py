"""The long check-up: database, files and index against each other, told or mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.discrepancies import Discrepancy
from dicomnode.archive.integrity import index_damage
from dicomnode.archive.rebuilding import Rebuilt, rebuild_index
from dicomnode.errors import IndexDamagedError, UsageError
from dicomnode.node.supervisor import ROLES, running_roles
from dicomnode.settings import Settings

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Orders:
    """What the long check-up may change.

    Attributes:
        repair: Mend what can be mended, a damaged index too.
        rebuild: Put a new index in the place of a sound one as well.
    """

    repair: bool = False
    rebuild: bool = False


def renew_index(settings: Settings, orders: Orders, now: datetime) -> Rebuilt | None:
    """Put a new index in the place of a damaged one, where that is ordered.

    Returns:
        What became of the old one; None if it is sound, and stays.

    Raises:
        IndexDamagedError: It is damaged, and nothing may be changed.
        UsageError: The node runs.
    """
    damage = index_damage(settings.database_url, thorough=True)
    if damage and not orders.repair:
        raise IndexDamagedError(damage)
    if not damage and not orders.rebuild:
        return None
    if any(running_roles(settings.node.data_dir, ROLES).values()):
        raise UsageError("the node runs: stop it before its index is built anew")
    return rebuild_index(settings.database_url, settings.node.data_dir, now)


def compare_files(settings: Settings, orders: Orders, now: datetime, progress: Progress) -> Iterator[Discrepancy]:
    """Every contradiction between files and index, mended where that is ordered."""
    with Archive.open(settings) as archive:
        if orders.repair:
            archive.retention.settle()  # what a killed process was about to delete is not lost
            yield from archive.checkup.repair(now, progress, fetch=bool(settings.completion.ask))
        else:
            yield from archive.checkup.look(progress)
