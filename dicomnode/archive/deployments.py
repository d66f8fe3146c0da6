"""Which bundles are approved, and what they do."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from dicomnode.archive import tables
from dicomnode.archive.audit import add_event
from dicomnode.archive.database import Database, IndexRow
from dicomnode.archive.records import Deployment, DeploymentState
from dicomnode.dicom.audit import AuditEvent, kind_of
from dicomnode.errors import NotFoundError


class DeploymentStore:
    """One approved digest per model; every change is audited."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def approve(self, model_name: str, digest: str, state: DeploymentState, now: datetime, actor: str = "") -> None:
        """Approve a bundle's digest, in place of an earlier one of that name; ``actor`` is who does."""
        rows = tables.deployments
        values = {"digest": digest, "state": state, "approved_at": now}
        with self._database.write() as connection:
            changed = connection.execute(update(rows).where(rows.c.model_name == model_name).values(values))
            if changed.rowcount == 0:
                connection.execute(insert(rows).values(model_name=model_name, **values))
            _note(connection, "model approved", f"{model_name} {digest} {state}", now, actor)

    def set_state(self, model_name: str, state: DeploymentState, now: datetime, actor: str = "") -> None:
        """Switch an approved model; ``actor`` is who does.

        Raises:
            NotFoundError: No bundle of that name was approved.
        """
        rows = tables.deployments
        with self._database.write() as connection:
            changed = connection.execute(update(rows).where(rows.c.model_name == model_name).values(state=state))
            if changed.rowcount == 0:
                raise NotFoundError(f"model {model_name} was never approved: use 'dicomnode models add' first")
            _note(connection, "model switched", f"{model_name} {state}", now, actor)

    def get(self, model_name: str) -> Deployment | None:
        """The deployment of a model, None if it was never approved."""
        rows = tables.deployments
        with self._database.read() as connection:
            row = connection.execute(select(rows).where(rows.c.model_name == model_name)).one_or_none()
        return None if row is None else _deployment(row)

    def list(self) -> list[Deployment]:
        """Every deployment, by model name."""
        with self._database.read() as connection:
            rows = connection.execute(select(tables.deployments).order_by(tables.deployments.c.model_name))
            return [_deployment(row) for row in rows]


def _note(connection: Connection, event: str, detail: str, now: datetime, actor: str) -> None:
    add_event(connection, AuditEvent(event, detail, kind_of(event), actor=actor), now)


def _deployment(row: IndexRow) -> Deployment:
    return Deployment(row.model_name, row.digest, DeploymentState(row.state), row.approved_at)
