"""What came in: studies, series, instances, and how they came."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from dicomnode.archive.database import UtcDateTime
from dicomnode.archive.tables.schema import UID, metadata

studies = Table(
    "studies",
    metadata,
    Column("study_instance_uid", UID, primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("routed_generation", Integer, nullable=False),
    Column("arrivals", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("first_arrival", UtcDateTime, nullable=False),
    Column("last_arrival", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime, index=True),
    Column("traced_generation", Integer, nullable=False, server_default="0"),  # the last one that telemetry was sent of
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
    Column("study_date", Text, nullable=False),
    Column("study_time", Text, nullable=False),
    Column("study_description", Text, nullable=False),
    Column("referring_physician_name", Text, nullable=False),
    # For fuzzy matching: words without case and accents, a space before and behind each
    Column("patient_name_words", Text, nullable=False, server_default=""),
    Column("referring_physician_name_words", Text, nullable=False, server_default=""),
    # The orders in which studies are listed: an archive of any size is read from the newest on
    Index("ix_studies_newest", "study_date", "study_time", "study_instance_uid"),
    Index("ix_studies_last_arrival", "last_arrival", "study_instance_uid"),
)
# Asked every second, and few at any time
Index(
    "ix_studies_unrouted",
    studies.c.state,
    sqlite_where=studies.c.generation > studies.c.routed_generation,
    postgresql_where=studies.c.generation > studies.c.routed_generation,
)

series = Table(
    "series",
    metadata,
    # A Series Instance UID that sits in two studies is wrong, and yet must not stop an arrival.
    Column("study_instance_uid", UID, ForeignKey(studies.c.study_instance_uid), primary_key=True),
    Column("series_instance_uid", UID, primary_key=True, index=True),
    Column("modality", Text, nullable=False, index=True),
    Column("series_number", Integer),
    Column("series_description", Text, nullable=False),
    Column("body_part_examined", Text, nullable=False),
    Column("manufacturer_model_name", Text, nullable=False),
    Column("performed_procedure_step_start_date", Text, nullable=False, server_default=""),
    Column("performed_procedure_step_start_time", Text, nullable=False, server_default=""),
    # Of the first item of Request Attributes Sequence
    Column("scheduled_procedure_step_id", Text, nullable=False, server_default=""),
    Column("requested_procedure_id", Text, nullable=False, server_default=""),
)

instances = Table(
    "instances",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),
    Column("sop_class_uid", UID, nullable=False),
    Column("series_instance_uid", UID, nullable=False),
    Column("study_instance_uid", UID, nullable=False),
    Column("transfer_syntax_uid", UID, nullable=False),
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

contents = Table(
    "contents",
    metadata,
    # What each series holds, counted as it comes, so that no search has to count instances
    Column("study_instance_uid", UID, primary_key=True),
    Column("series_instance_uid", UID, primary_key=True),
    Column("sop_class_uid", UID, primary_key=True),
    Column("modality", Text, primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("held", Integer, nullable=False),  # instances
    ForeignKeyConstraint(
        ["study_instance_uid", "series_instance_uid"], ["series.study_instance_uid", "series.series_instance_uid"]
    ),
    sqlite_with_rowid=False,
)

study_origins = Table(
    "study_origins",
    metadata,
    Column("study_instance_uid", UID, ForeignKey(studies.c.study_instance_uid), primary_key=True),
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
    Column("clean", Boolean),  # it was released, and all that it brought was kept
)

association_studies = Table(
    "association_studies",
    metadata,
    Column("association_id", String(64), ForeignKey(associations.c.association_id), primary_key=True),
    Column("study_instance_uid", UID, primary_key=True, index=True),
    Column("first_at", UtcDateTime),  # when it began to bring instances of the study
)

device_habits = Table(
    "device_habits",
    metadata,
    # How often a device's studies of one look ended with the release of their only association
    Column("device", String(64), primary_key=True),
    Column("signature", String(64), primary_key=True),
    Column("studies", Integer, nullable=False),
    Column("fewest", Integer, nullable=False),  # images
    Column("seen", UtcDateTime, nullable=False),
)

continuing_devices = Table(
    "continuing_devices",
    metadata,
    # Devices that went on with a study after they had released their associations; the study shows it
    Column("device", String(64), primary_key=True),
    Column("study_instance_uid", UID, nullable=False),
    Column("seen", UtcDateTime, nullable=False),
)

early_claims = Table(
    "early_claims",
    metadata,
    # Which process looks at an open study; one that died leaves its row, and nobody looks again before the study's job
    Column("study_instance_uid", UID, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
)

traces = Table(
    "traces",
    metadata,
    Column("trace_id", Integer, primary_key=True),
    Column("study_instance_uid", UID, nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("event", String(64), nullable=False),
    Column("model_name", Text),
    Column("text", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

study_checks = Table(
    "study_checks",
    metadata,
    Column("study_instance_uid", UID, ForeignKey(studies.c.study_instance_uid), primary_key=True),
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
    Column("study_instance_uid", UID, ForeignKey(studies.c.study_instance_uid), primary_key=True),
    Column("prior_study_instance_uid", UID, primary_key=True),
    Column("model_name", String(255), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("status", Text, nullable=False),
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
