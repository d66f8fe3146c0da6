"""What the pages show: how peers answered, what the devices do, and who was told of what."""

import json

import sqlalchemy as sa
from alembic import op

from dicomnode.archive.database import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "echoes",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("good", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_echoes")),
    )
    op.create_table(
        "devices",
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("memory_used", sa.BigInteger(), nullable=False),
        sa.Column("memory_total", sa.BigInteger(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("seen", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_devices")),
    )
    op.create_table(
        "notifications",
        sa.Column("notification_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt", UtcDateTime(), nullable=False),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("channel", "event", "subject", name=op.f("uq_notifications_channel")),
    )
    op.add_column("jobs", sa.Column("outcome", sa.String(length=16), nullable=True))
    op.add_column("jobs", sa.Column("score", sa.Float(), nullable=True))
    op.create_index("ix_jobs_answers", "jobs", ["model_name", "finished_at"], unique=False)
    _fill_answers(op.get_bind())


def _fill_answers(connection: sa.Connection) -> None:
    """Outcome and score of what was answered before, so that it counts too."""
    jobs = sa.table("jobs", *(sa.column(name) for name in ("job_id", "result_json", "outcome", "score")))
    found = sa.select(jobs.c.job_id, jobs.c.result_json).where(jobs.c.result_json.is_not(None))
    for job_id, text in connection.execute(found).all():
        result = json.loads(text)
        if isinstance(result, dict) and "outcome" in result:
            values = {"outcome": result["outcome"], "score": (result.get("answer") or {}).get("score")}
            connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(values))
