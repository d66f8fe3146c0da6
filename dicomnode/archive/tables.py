"""The tables of the index; `migrations` holds the steps that make them."""

from __future__ import annotations

from sqlalchemy import (
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
    UniqueConstraint("sop_instance_uid", "target"),
    Index("ix_deliveries_due", "target", "state", "next_attempt_at"),
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
)
