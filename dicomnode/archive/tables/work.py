"""What is done with it: jobs, their results, evidence, and its way out."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, false

from dicomnode.archive.database import UtcDateTime
from dicomnode.archive.tables.arrivals import studies
from dicomnode.archive.tables.schema import UID, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Integer, primary_key=True),
    Column("study_instance_uid", UID, ForeignKey(studies.c.study_instance_uid), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("model_name", String(255), nullable=False),
    Column("bundle_digest", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("series_instance_uids", Text, nullable=False),  # JSON list
    Column("targets", Text, nullable=False),  # JSON list
    Column("silent", Boolean, nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),  # higher first; replayed work is below 0
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_owner", String(255)),
    Column("lease_until", UtcDateTime),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("error", Text, nullable=False),
    Column("result_json", Text),
    Column("finished_at", UtcDateTime),
    Column("outcome", String(16)),  # as in result_json, to be counted
    Column("score", Float),  # likewise
    Column("created_at", UtcDateTime),  # by routing
    Column("started_at", UtcDateTime),  # the last attempt
    UniqueConstraint("study_instance_uid", "generation", "model_name"),
    Index("ix_jobs_state", "state", "next_attempt_at"),
    Index("ix_jobs_answers", "model_name", "finished_at"),
    Index("ix_jobs_finished", "finished_at"),
)

results = Table(
    "results",
    metadata,
    Column("study_instance_uid", UID, primary_key=True),
    Column("model_name", String(255), primary_key=True),
    Column("bundle_digest", String(64), primary_key=True),
    Column("input_digest", String(64), primary_key=True),
    Column("created", UtcDateTime, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),
    Column("sop_class_uid", UID, nullable=False),
    Column("transfer_syntax_uid", UID, nullable=False),
    Column("series_instance_uid", UID, nullable=False, index=True),
    Column("study_instance_uid", UID, nullable=False, index=True),
    Column("model_name", String(255), nullable=False),
    Column("role", String(32), nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("instance_number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("job_id", Integer, ForeignKey(jobs.c.job_id), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("recall_id", Integer),  # withdrawn by this recall
)

evidence_numbers = Table(
    "evidence_numbers",
    metadata,
    # The newest object of a series whose study was deleted
    Column("series_instance_uid", UID, primary_key=True),
    Column("study_instance_uid", UID, nullable=False),
    Column("sop_instance_uid", UID, nullable=False),
    Column("sop_class_uid", UID, nullable=False),
    Column("instance_number", Integer, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Integer, primary_key=True),
    Column("sop_instance_uid", UID, ForeignKey(evidence.c.sop_instance_uid), nullable=False),
    Column("target", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("lease_owner", String(255)),
    Column("lease_until", UtcDateTime),
    Column("status", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False, index=True),
    Column("answer", Text, nullable=False, server_default=""),  # what the target said at length, such as a HTTP body
    Column("sent_sop_instance_uid", UID),  # sent in place of the object; a row of substitutes
    Column("sent_at", UtcDateTime),
    Column("proof", String(16), nullable=False, server_default="none"),
    Column("proof_status", Text, nullable=False, server_default=""),
    Column("proof_attempts", Integer, nullable=False, server_default="0"),
    Column("next_proof_at", UtcDateTime),
    Column("proven_at", UtcDateTime),
    Column("transaction_uid", UID, index=True),  # of the storage commitment under way
    # An administrator had it sent although the PACS tells another identity
    Column("released", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("sop_instance_uid", "target"),
    Index("ix_deliveries_due", "target", "state", "next_attempt_at"),
    Index("ix_deliveries_proof", "target", "proof", "next_proof_at"),
)

Index(
    "ix_deliveries_leased",
    deliveries.c.lease_owner,
    sqlite_where=deliveries.c.lease_owner.is_not(None),
    postgresql_where=deliveries.c.lease_owner.is_not(None),
)

commitments = Table(
    "commitments",
    metadata,
    Column("transaction_uid", UID, primary_key=True),
    Column("target", String(64), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False, index=True),
)

substitutes = Table(
    "substitutes",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),
    Column("original_sop_instance_uid", UID, ForeignKey(evidence.c.sop_instance_uid), nullable=False, index=True),
    Column("form", String(16), nullable=False),
    Column("sop_class_uid", UID, nullable=False),
    Column("series_instance_uid", UID, nullable=False),
    Column("transfer_syntax_uid", UID, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

recalls = Table(
    "recalls",
    metadata,
    Column("recall_id", Integer, primary_key=True),
    Column("model_name", String(255), nullable=False),
    Column("first", UtcDateTime, nullable=False),
    Column("last", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)
