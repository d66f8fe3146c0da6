"""Runs migrations on the connection that dicomnode.archive.migrate hands in."""

from alembic import context
from sqlalchemy import Connection

from dicomnode.archive.tables import metadata


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


_run(context.config.attributes["connection"])
