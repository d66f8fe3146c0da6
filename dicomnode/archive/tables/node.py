"""What the node knows of itself, of others, and of who uses it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint, false

from dicomnode.archive.database import UtcDateTime
from dicomnode.archive.tables.schema import metadata

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

capabilities = Table(
    "capabilities",
    metadata,
    Column("target", String(64), primary_key=True),
    Column("address", Text, nullable=False),  # what was probed; another address is probed anew
    Column("content", Text, nullable=False),  # JSON
    Column("probed_at", UtcDateTime, nullable=False),
)

node_leases = Table(
    "node_leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("folder", String(64), nullable=False),  # names the data folder that the owner keeps files in
    Column("lease_until", UtcDateTime, nullable=False),
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

echoes = Table(
    "echoes",
    metadata,
    Column("kind", String(16), primary_key=True),  # target, pacs or poller
    Column("name", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("good", Boolean, nullable=False),
    Column("detail", Text, nullable=False),  # what the peer said, or what was wrong
    Column("milliseconds", Integer, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("owner", String(255), primary_key=True),  # the worker that uses it
    Column("device", String(32), nullable=False),
    Column("description", Text, nullable=False),
    Column("memory_used", BigInteger, nullable=False),  # bytes
    Column("memory_total", BigInteger, nullable=False),  # bytes
    Column("models", Text, nullable=False),  # JSON list of the loaded ones
    Column("seen", UtcDateTime, nullable=False),
)

notifications = Table(
    "notifications",
    metadata,
    Column("notification_id", Integer, primary_key=True),
    Column("channel", String(64), nullable=False),
    Column("event", String(32), nullable=False),
    Column("subject", String(255), nullable=False),  # what it is about: a study UID, a delivery, the disk
    Column("content", Text, nullable=False),  # JSON
    Column("created", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt", UtcDateTime, nullable=False),
    Column("problem", Text, nullable=False, server_default=""),
    Column("given_up", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("channel", "event", "subject"),  # nobody is told the same twice
)

figures = Table(
    "figures",
    metadata,
    # How long things took: counts by bucket, which only grow
    Column("name", String(16), primary_key=True),
    Column("labels", String(600), primary_key=True),  # JSON list
    Column("bucket", Integer, primary_key=True),
    Column("times", BigInteger, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),  # all together
)
