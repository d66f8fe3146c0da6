"""What trust needs: proof of deliveries, checks of completeness, recalls, quotas, accounts, a chained audit."""

import sqlalchemy as sa
from alembic import op

from dicomnode.archive.database import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", UtcDateTime(), nullable=True),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
    )
    op.create_table(
        "audit_sinks",
        sa.Column("sink", sa.String(length=16), nullable=False),
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("sink", name=op.f("pk_audit_sinks")),
    )
    op.create_table(
        "capabilities",
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("probed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_capabilities")),
    )
    op.create_table(
        "commitments",
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_uid", name=op.f("pk_commitments")),
    )
    op.create_index(op.f("ix_commitments_requested_at"), "commitments", ["requested_at"], unique=False)
    op.create_table(
        "evidence_numbers",
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("instance_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("series_instance_uid", name=op.f("pk_evidence_numbers")),
    )
    op.create_table(
        "intake_tallies",
        sa.Column("peer", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("conflicts", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "day", name=op.f("pk_intake_tallies")),
    )
    op.create_table(
        "node_leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("folder", sa.String(length=64), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_node_leases")),
    )
    op.create_table(
        "recalls",
        sa.Column("recall_id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.String(length=255), nullable=False),
        sa.Column("first", UtcDateTime(), nullable=False),
        sa.Column("last", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("recall_id", name=op.f("pk_recalls")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("expires", UtcDateTime(), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_api_tokens_account")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
    )
    op.create_table(
        "priors",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("prior_study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("model_name", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["studies.study_instance_uid"], name=op.f("fk_priors_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("study_instance_uid", "prior_study_instance_uid", "model_name", name=op.f("pk_priors")),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("last_used", UtcDateTime(), nullable=False),
        sa.Column("expires", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_sessions_account")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
    )
    op.create_table(
        "study_checks",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("pacs", sa.String(length=64), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_instance_uid"], ["studies.study_instance_uid"], name=op.f("fk_study_checks_study_instance_uid")
        ),
        sa.PrimaryKeyConstraint("study_instance_uid", name=op.f("pk_study_checks")),
    )
    op.create_index("ix_study_checks_due", "study_checks", ["state", "next_attempt_at"], unique=False)
    op.create_table(
        "substitutes",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("original_sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["original_sop_instance_uid"],
            ["evidence.sop_instance_uid"],
            name=op.f("fk_substitutes_original_sop_instance_uid"),
        ),
        sa.PrimaryKeyConstraint("sop_instance_uid", name=op.f("pk_substitutes")),
    )
    op.create_index(
        op.f("ix_substitutes_original_sop_instance_uid"), "substitutes", ["original_sop_instance_uid"], unique=False
    )
    op.add_column("audit", sa.Column("kind", sa.String(length=32), server_default="", nullable=False))
    op.add_column("audit", sa.Column("actor", sa.Text(), server_default="", nullable=False))
    op.add_column("audit", sa.Column("outcome", sa.Integer(), server_default="0", nullable=False))
    op.add_column("audit", sa.Column("objects", sa.Text(), server_default="[]", nullable=False))
    op.add_column("audit", sa.Column("digest", sa.String(length=64), server_default="", nullable=False))
    op.add_column("deliveries", sa.Column("answer", sa.Text(), server_default="", nullable=False))
    op.add_column("deliveries", sa.Column("sent_sop_instance_uid", sa.String(length=64), nullable=True))
    op.add_column("deliveries", sa.Column("sent_at", UtcDateTime(), nullable=True))
    op.add_column("deliveries", sa.Column("proof", sa.String(length=16), server_default="none", nullable=False))
    op.add_column("deliveries", sa.Column("proof_status", sa.Text(), server_default="", nullable=False))
    op.add_column("deliveries", sa.Column("proof_attempts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("deliveries", sa.Column("next_proof_at", UtcDateTime(), nullable=True))
    op.add_column("deliveries", sa.Column("transaction_uid", sa.String(length=64), nullable=True))
    op.add_column("deliveries", sa.Column("released", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_deliveries_proof", "deliveries", ["target", "proof", "next_proof_at"], unique=False)
    op.create_index(op.f("ix_deliveries_transaction_uid"), "deliveries", ["transaction_uid"], unique=False)
    op.add_column("evidence", sa.Column("recall_id", sa.Integer(), nullable=True))
    op.add_column("instances", sa.Column("size", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.add_column("studies", sa.Column("quarantined", sa.Text(), nullable=True))
    op.add_column("studies", sa.Column("replay_priority", sa.Integer(), nullable=True))
    op.add_column("studies", sa.Column("replay_model", sa.Text(), nullable=True))
    op.add_column("studies", sa.Column("replay_silent", sa.Boolean(), nullable=True))
