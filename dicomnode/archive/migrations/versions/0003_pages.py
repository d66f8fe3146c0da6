"""What the pages show: peers' answers, devices, who was told of what; and counts that make searches quick."""

import json

import sqlalchemy as sa
from alembic import op

from dicomnode.archive.database import UtcDateTime
from dicomnode.archive.matching import name_words

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_page_tables()
    _count_contents()
    _add_indexes()
    _time_work()
    _add_search_keys()


def _time_work() -> None:
    op.create_table(
        "figures",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("labels", sa.String(length=600), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", "bucket", name=op.f("pk_figures")),
    )
    op.add_column("jobs", sa.Column("created_at", UtcDateTime(), nullable=True))
    op.add_column("jobs", sa.Column("started_at", UtcDateTime(), nullable=True))
    op.create_index("ix_jobs_finished", "jobs", ["finished_at"])
    op.add_column("deliveries", sa.Column("proven_at", UtcDateTime(), nullable=True))
    op.create_index(op.f("ix_deliveries_updated_at"), "deliveries", ["updated_at"])
    op.add_column("studies", sa.Column("traced_generation", sa.Integer(), server_default="0", nullable=False))
    op.create_index(op.f("ix_studies_completed_at"), "studies", ["completed_at"])


def _add_search_keys() -> None:
    for name in (
        "performed_procedure_step_start_date",
        "performed_procedure_step_start_time",
        "scheduled_procedure_step_id",
        "requested_procedure_id",
    ):
        op.add_column("series", sa.Column(name, sa.Text(), server_default="", nullable=False))
    names = ("patient_name", "referring_physician_name")
    for name in names:
        op.add_column("studies", sa.Column(f"{name}_words", sa.Text(), server_default="", nullable=False))
    columns = ("study_instance_uid", *names, *(f"{name}_words" for name in names))
    studies = sa.table("studies", *(sa.column(name) for name in columns))
    connection = op.get_bind()
    for row in connection.execute(sa.select(studies)).all():
        words = {f"{name}_words": name_words(getattr(row, name)) for name in names}
        one = studies.c.study_instance_uid == row.study_instance_uid
        connection.execute(sa.update(studies).where(one).values(words))


def _count_contents() -> None:
    op.create_table(
        "contents",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_instance_uid", "series_instance_uid"],
            ["series.study_instance_uid", "series.series_instance_uid"],
            name=op.f("fk_contents_study_instance_uid"),
        ),
        sa.PrimaryKeyConstraint(
            "study_instance_uid", "series_instance_uid", "sop_class_uid", "modality", "kind", name=op.f("pk_contents")
        ),
        sqlite_with_rowid=False,
    )
    columns = "study_instance_uid, series_instance_uid, sop_class_uid, modality, kind"
    counted = f"SELECT {columns}, count(*) FROM instances GROUP BY {columns}"  # noqa: S608  our own names
    op.execute(f"INSERT INTO contents ({columns}, held) {counted}")


def _add_indexes() -> None:
    op.drop_index("ix_studies_study_date", "studies")
    op.create_index("ix_studies_newest", "studies", ["study_date", "study_time", "study_instance_uid"])
    op.create_index("ix_studies_last_arrival", "studies", ["last_arrival", "study_instance_uid"])
    op.create_index(op.f("ix_series_modality"), "series", ["modality"])
    unrouted = sa.text("generation > routed_generation")
    op.create_index(
        "ix_studies_unrouted",
        "studies",
        ["state"],
        sqlite_where=unrouted,
        postgresql_where=unrouted,
    )
    leased = sa.text("lease_owner IS NOT NULL")
    op.create_index("ix_deliveries_leased", "deliveries", ["lease_owner"], sqlite_where=leased, postgresql_where=leased)


def _add_page_tables() -> None:
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
        sa.Column("given_up", sa.Boolean(), server_default=sa.false(), nullable=False),
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
