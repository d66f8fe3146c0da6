"""The devices that models run on, as their workers tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from dicomnode.archive import tables
from dicomnode.archive.database import Database


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A worker's device.

    Attributes:
        owner: The worker, as in its leases.
        device: torch's name of it, such as ``cuda:0``.
        description: What it is, such as the name of the card.
        memory_used: Bytes; of a CPU, of the worker's process.
        memory_total: Bytes; of a CPU, of the machine.
        models: Names of the models that are loaded.
        seen: When the worker told this.
    """

    owner: str
    device: str
    description: str
    memory_used: int
    memory_total: int
    models: tuple[str, ...]
    seen: datetime


class DeviceStore:
    """One row per worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, record: DeviceRecord, forget_before: datetime) -> None:
        """Keep what a worker tells, and forget workers that fell silent before a moment."""
        rows = tables.devices
        values = {
            "device": record.device,
            "description": record.description,
            "memory_used": record.memory_used,
            "memory_total": record.memory_total,
            "models": json.dumps(record.models),
            "seen": record.seen,
        }
        with self._database.write() as connection:
            connection.execute(delete(rows).where((rows.c.owner == record.owner) | (rows.c.seen < forget_before)))
            connection.execute(insert(rows).values(owner=record.owner, **values))

    def forget(self, owner: str) -> None:
        """A worker ended."""
        rows = tables.devices
        with self._database.write() as connection:
            connection.execute(delete(rows).where(rows.c.owner == owner))

    def list(self) -> list[DeviceRecord]:
        """Every worker's device, by device and worker."""
        rows = tables.devices
        with self._database.read() as connection:
            found = connection.execute(select(rows).order_by(rows.c.device, rows.c.owner)).all()
        return [
            DeviceRecord(
                row.owner,
                row.device,
                row.description,
                row.memory_used,
                row.memory_total,
                tuple(json.loads(row.models)),
                row.seen,
            )
            for row in found
        ]
