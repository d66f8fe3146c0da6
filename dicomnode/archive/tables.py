"""The tables of the index; `migrations` holds the steps that make them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from dicomnode.archive.database import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_UID = String(64)

studies = Table(
    "studies",
    metadata,
    Column("study_instance_uid", _UID, primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("routed_generation", Integer, nullable=False),
    Column("arrivals", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("first_arrival", UtcDateTime, nullable=False),
    Column("last_arrival", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime),
    Column("identity_conflict", Text),
    Column("quarantined", Text),  # why no model is given this study any more
    Column("replay_priority", Integer),  # of the jobs that the next routing makes; empty for live work
    Column("replay_model", Text),  # the only model that the next routing asks; empty for all
    Column("replay_silent", Boolean),
    Column("patient_id", Text, nullable=False, index=True),
    Column("patient_name", Text, nullable=False),
    Column("patient_name_key", Text, nullable=False, index=True),
    Column("patient_birth_date", Text, nullable=False),
    Column("patient_sex", Text, nullable=False),
    Column("issuer_of_patient_id", Text, nullable=False),
    Column("accession_number", Text, nullable=False, index=True),
    Column("study_id", Text, nullable=False),
    Column("study_date", Text, nullable=False, index=True),
    Column("study_time", Text, nullable=False),
    Column("study_description", Text, nullable=False),
    Column("referring_physician_name", Text, nullable=False),
)

series = Table(
    "series",
    metadata,
    # A Series Instance UID that sits in two studies is wrong, and yet must not stop an arrival.
    Column("study_instance_uid", _UID, ForeignKey(studies.c.study_instance_uid), primary_key=True),
    Column("series_instance_uid", _UID, primary_key=True, index=True),
    Column("modality", Text, nullable=False),
    Column("series_number", Integer),
    Column("series_description", Text, nullable=False),
    Column("body_part_examined", Text, nullable=False),
    Column("manufacturer_model_name", Text, nullable=False),
)

instances = Table(
    "instances",
    metadata,
    Column("sop_instance_uid", _UID, primary_key=True),
    Column("sop_class_uid", _UID, nullable=False),
    Column("series_instance_uid", _UID, nullable=False),
    Column("study_instance_uid", _UID, nullable=False),
    Column("transfer_syntax_uid", _UID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("modality", Text, nullable=False),
    Column("instance_number", Integer),
    Column("number_of_frames", Integer, nullable=False),
    Column("rows", Integer),
    Column("columns", Integer),
    Column("received_at", UtcDateTime, nullable=False),
    Column("size", BigInteger, nullable=False, server_default="0"),
    ForeignKeyConstraint(
        ["study_instance_uid", "series_instance_uid"], ["series.study_instance_uid", "series.series_instance_uid"]
    ),
    Index("ix_instances_series", "study_instance_uid", "series_instance_uid"),
)

study_origins = Table(
    "study_origins",
    metadata,
    Column("study_instance_uid", _UID, ForeignKey(studies.c.study_instance_uid), primary_key=True),
    Column("way", String(16), primary_key=True),
    Column("calling_ae_title", String(16), primary_key=True),
    Column("called_ae_title", String(16), primary_key=True),
    Column("peer", Text, primary_key=True),
    Column("first_seen", UtcDateTime, nullable=False),
)

associations = Table(
    "associations",
    metadata,
    Column("association_id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
)

association_studies = Table(
    "association_studies",
    metadata,
    Column("association_id", String(64), ForeignKey(associations.c.association_id), primary_key=True),
    Column("study_instance_uid", _UID, primary_key=True, index=True),
)

traces = Table(
    "traces",
    metadata,
    Column("trace_id", Integer, primary_key=True),
    Column("study_instance_uid", _UID, nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("event", String(64), nullable=False),
    Column("model_name", Text),
    Column("text", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Integer, primary_key=True),
    Column("study_instance_uid", _UID, ForeignKey(studies.c.study_instance_uid), nullable=False),
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
    UniqueConstraint("study_instance_uid", "generation", "model_name"),
    Index("ix_jobs_state", "state", "next_attempt_at"),
)

results = Table(
    "results",
    metadata,
    Column("study_instance_uid", _UID, primary_key=True),
    Column("model_name", String(255), primary_key=True),
    Column("bundle_digest", String(64), primary_key=True),
    Column("input_digest", String(64), primary_key=True),
    Column("created", UtcDateTime, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("sop_instance_uid", _UID, primary_key=True),
    Column("sop_class_uid", _UID, nullable=False),
    Column("transfer_syntax_uid", _UID, nullable=False),
    Column("series_instance_uid", _UID, nullable=False, index=True),
    Column("study_instance_uid", _UID, nullable=False, index=True),
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
    Column("series_instance_uid", _UID, primary_key=True),
    Column("study_instance_uid", _UID, nullable=False),
    Column("sop_instance_uid", _UID, nullable=False),
    Column("sop_class_uid", _UID, nullable=False),
    Column("instance_number", Integer, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Integer, primary_key=True),
    Column("sop_instance_uid", _UID, ForeignKey(evidence.c.sop_instance_uid), nullable=False),
    Column("target", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("lease_owner", String(255)),
    Column("lease_until", UtcDateTime),
    Column("status", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("answer", Text, nullable=False, server_default=""),  # what the target said at length, such as a HTTP body
    Column("sent_sop_instance_uid", _UID),  # sent in place of the object; a row of substitutes
    Column("sent_at", UtcDateTime),
    Column("proof", String(16), nullable=False, server_default="none"),
    Column("proof_status", Text, nullable=False, server_default=""),
    Column("proof_attempts", Integer, nullable=False, server_default="0"),
    Column("next_proof_at", UtcDateTime),
    Column("transaction_uid", _UID, index=True),  # of the storage commitment under way
    # An administrator had it sent although the PACS tells another identity
    Column("released", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("sop_instance_uid", "target"),
    Index("ix_deliveries_due", "target", "state", "next_attempt_at"),
    Index("ix_deliveries_proof", "target", "proof", "next_proof_at"),
)

commitments = Table(
    "commitments",
    metadata,
    Column("transaction_uid", _UID, primary_key=True),
    Column("target", String(64), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False, index=True),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("value", Text, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("model_name", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("approved_at", UtcDateTime, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True),
    Column("event", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(32), nullable=False, server_default=""),
    Column("actor", Text, nullable=False, server_default=""),
    Column("outcome", Integer, nullable=False, server_default="0"),  # PS3.15 A.5.2: 0, 4, 8 or 12
    Column("objects", Text, nullable=False, server_default="[]"),  # JSON list of UIDs
    Column("digest", String(64), nullable=False, server_default=""),  # over this row and the digest of the one before
)

audit_sinks = Table(
    "audit_sinks",
    metadata,
    Column("sink", String(16), primary_key=True),  # the file, or the audit record repository
    Column("audit_id", Integer, nullable=False),  # the last entry that it has
    Column("digest", String(64), nullable=False, server_default=""),
)

substitutes = Table(
    "substitutes",
    metadata,
    Column("sop_instance_uid", _UID, primary_key=True),
    Column("original_sop_instance_uid", _UID, ForeignKey(evidence.c.sop_instance_uid), nullable=False, index=True),
    Column("form", String(16), nullable=False),
    Column("sop_class_uid", _UID, nullable=False),
    Column("series_instance_uid", _UID, nullable=False),
    Column("transfer_syntax_uid", _UID, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

capabilities = Table(
    "capabilities",
    metadata,
    Column("target", String(64), primary_key=True),
    Column("address", Text, nullable=False),  # what was probed; another address is probed anew
    Column("content", Text, nullable=False),  # JSON
    Column("probed_at", UtcDateTime, nullable=False),
)

study_checks = Table(
    "study_checks",
    metadata,
    Column("study_instance_uid", _UID, ForeignKey(studies.c.study_instance_uid), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("pacs", String(64), nullable=False),
    Column("expected", Integer),
    Column("held", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("status", Text, nullable=False),
    Index("ix_study_checks_due", "state", "next_attempt_at"),
)

priors = Table(
    "priors",
    metadata,
    Column("study_instance_uid", _UID, ForeignKey(studies.c.study_instance_uid), primary_key=True),
    Column("prior_study_instance_uid", _UID, primary_key=True),
    Column("model_name", String(255), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("status", Text, nullable=False),
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

intake_tallies = Table(
    "intake_tallies",
    metadata,
    Column("peer", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),  # YYYY-MM-DD, UTC
    Column("size", BigInteger, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("conflicts", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("dropped", Integer, nullable=False),
)

node_leases = Table(
    "node_leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("folder", String(64), nullable=False),  # names the data folder that the owner keeps files in
    Column("lease_until", UtcDateTime, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text, nullable=False),  # argon2; empty where another provider signs in
    Column("must_change", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", UtcDateTime),
    Column("created", UtcDateTime, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_id", Integer, primary_key=True),
    Column("account", String(255), ForeignKey(accounts.c.name), nullable=False),
    Column("label", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime),
    Column("revoked", Boolean, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account", String(255), ForeignKey(accounts.c.name), nullable=False),
    Column("role", String(16), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("last_used", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
)
