"""What devices do when they have sent a study, so that it need not be waited for."""

import sqlalchemy as sa
from alembic import op

from dicomnode.archive.database import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _learn_devices()
    op.create_table(
        "early_claims",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", name=op.f("pk_early_claims")),
    )


def _learn_devices() -> None:
    op.add_column("associations", sa.Column("clean", sa.Boolean(), nullable=True))
    op.add_column("association_studies", sa.Column("first_at", UtcDateTime(), nullable=True))
    op.create_table(
        "device_habits",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=64), nullable=False),
        sa.Column("studies", sa.Integer(), nullable=False),
        sa.Column("fewest", sa.Integer(), nullable=False),
        sa.Column("seen", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("device", "signature", name=op.f("pk_device_habits")),
    )
    op.create_table(
        "continuing_devices",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("seen", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_continuing_devices")),
    )
