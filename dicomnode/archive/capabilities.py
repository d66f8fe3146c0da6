"""What targets said that they take, kept so that they are not asked before each object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.database import Database, IndexRow


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a target takes.

    Attributes:
        address: Who was asked, such as ``PACS at 10.0.0.1:11112`` or a URL.
        probed_at: When.
        accepted: Transfer syntaxes accepted for each abstract syntax; None of a target that cannot be asked beforehand
            (STOW-RS), which then takes everything that it has not refused.
        refused: What it said when it refused an object, by SOP class, although it had accepted the class or could not
            be asked.
        implementation_class_uid: Of the peer (PS3.7 D.3.3.2); empty if it is unknown.
        implementation_version_name: Likewise.
        maximum_length: Largest PDU that it receives, bytes (PS3.8 D.1); 0 of one without a limit, None if unknown.
    """

    address: str
    probed_at: datetime
    accepted: Mapping[str, tuple[str, ...]] | None
    refused: Mapping[str, str] = field(default_factory=dict)
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    maximum_length: int | None = None

    def syntaxes(self, sop_class_uid: str) -> tuple[str, ...] | None:
        """The transfer syntaxes in which the target takes a class: none if it does not, None if any will do."""
        if sop_class_uid in self.refused:
            return ()
        return None if self.accepted is None else self.accepted.get(sop_class_uid, ())

    def takes(self, sop_class_uid: str) -> bool:
        """Whether the target takes objects or requests of a class, as far as is known."""
        return self.syntaxes(sop_class_uid) != ()


class CapabilityStore:
    """The newest answer of each target."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, target: str) -> Capabilities | None:
        """What is known of a target, None if it was never asked."""
        rows = tables.capabilities
        with self._database.read() as connection:
            row = connection.execute(select(rows).where(rows.c.target == target)).one_or_none()
        return None if row is None else _capabilities(row)

    def put(self, target: str, capabilities: Capabilities) -> None:
        """Keep what a target said, in place of what it said before."""
        rows = tables.capabilities
        content = {
            "accepted": None if capabilities.accepted is None else dict(capabilities.accepted),
            "refused": dict(capabilities.refused),
            "implementation_class_uid": capabilities.implementation_class_uid,
            "implementation_version_name": capabilities.implementation_version_name,
            "maximum_length": capabilities.maximum_length,
        }
        values = {
            "address": capabilities.address,
            "content": json.dumps(content),
            "probed_at": capabilities.probed_at,
        }
        with self._database.write() as connection:
            changed = connection.execute(update(rows).where(rows.c.target == target).values(values))
            if changed.rowcount == 0:
                connection.execute(insert(rows).values(target=target, **values))

    def forget(self, target: str) -> None:
        """Let the target be asked anew before the next object."""
        with self._database.write() as connection:
            connection.execute(delete(tables.capabilities).where(tables.capabilities.c.target == target))


def _capabilities(row: IndexRow) -> Capabilities:
    content = json.loads(row.content)
    accepted = content.pop("accepted")
    if accepted is not None:
        accepted = {sop_class: tuple(syntaxes) for sop_class, syntaxes in accepted.items()}
    return Capabilities(row.address, row.probed_at, accepted, **content)
