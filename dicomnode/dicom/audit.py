"""What an audit trail holds (PS3.15 A.5): events, who caused them, what they were about. UIDs only, no patients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class AuditKind(StrEnum):
    """Events of PS3.15 A.5.3, and two of the node's own."""

    START = "application start"
    STOP = "application stop"
    LOG_USED = "audit log used"
    BEGIN_TRANSFER = "begin transferring"
    TRANSFERRED = "instances transferred"
    ACCESSED = "instances accessed"
    STUDY_DELETED = "study deleted"
    EXPORT = "export"
    QUERY = "query"  # asked of the node
    QUERY_SENT = "query sent"  # asked by the node
    LOGIN = "login"
    LOGOUT = "logout"
    SECURITY_ALERT = "security alert"
    NODE_AUTHENTICATION = "node authentication"  # an alert: a peer that is not who it should be
    USERS = "users"  # an alert: who may do what was changed
    CONFIGURATION = "configuration"  # an alert: what the node does was changed
    OTHER = "other"


# Events that are added by their words alone
_KINDS = {
    "login": AuditKind.LOGIN,
    "login failed": AuditKind.LOGIN,
    "logout": AuditKind.LOGOUT,
    "security alert": AuditKind.SECURITY_ALERT,
    "identity conflict": AuditKind.SECURITY_ALERT,
    "instance conflict": AuditKind.SECURITY_ALERT,
    "model approved": AuditKind.CONFIGURATION,
    "model switched": AuditKind.CONFIGURATION,
    "study deleted": AuditKind.STUDY_DELETED,
    "account added": AuditKind.USERS,
    "account role changed": AuditKind.USERS,
    "account disabled": AuditKind.USERS,
    "account enabled": AuditKind.USERS,
    "password reset": AuditKind.USERS,
    "password changed": AuditKind.USERS,
    "token added": AuditKind.USERS,
    "token revoked": AuditKind.USERS,
}


class AuditOutcome(IntEnum):
    """EventOutcomeIndicator, PS3.15 A.5.2."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    SERIOUS_FAILURE = 8
    MAJOR_FAILURE = 12


@dataclass(frozen=True, slots=True)
class AuditObject:
    """A study that an event was about.

    Attributes:
        study_instance_uid: Its UID.
        sop_classes: SOP Class UIDs and how many instances of each, as far as known.
    """

    study_instance_uid: str
    sop_classes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something to be kept.

    Attributes:
        event: What happened, in a few words.
        detail: More, in one line, without anything that names a patient.
        kind: Which message of PS3.15 A.5.3 it becomes.
        actor: Who caused it or took part, as ``name@address``, either of which may be absent; empty for the node.
        outcome: How it ended.
        objects: Studies.
    """

    event: str
    detail: str
    kind: AuditKind = AuditKind.OTHER
    actor: str = ""
    outcome: AuditOutcome = AuditOutcome.SUCCESS
    objects: tuple[AuditObject, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditEntry(AuditEvent):
    """An event as it stands in the trail.

    Attributes:
        at: When.
        audit_id: Its number; later entries have higher ones.
        digest: SHA-256 over this entry and the digest of the one before; empty for one older than the chain.
    """

    at: datetime = datetime.min
    audit_id: int = 0
    digest: str = ""


def kind_of(event: str) -> AuditKind:
    """The kind of an event that is known by its words."""
    return _KINDS.get(event, AuditKind.OTHER)


def one_line(text: str) -> str:
    """Text without line breaks and what neither XML nor every database can hold."""
    return "".join(character if character.isprintable() else " " for character in text)


def study_objects(uids: Iterable[str | AuditObject]) -> tuple[AuditObject, ...]:
    """Study Instance UIDs as objects."""
    return tuple(AuditObject(uid) if isinstance(uid, str) else uid for uid in uids)


def split_actor(actor: str) -> tuple[str, str]:
    """Name and network address of ``name@address``."""
    name, mark, address = actor.rpartition("@")
    return (name, address) if mark else (actor, "")
