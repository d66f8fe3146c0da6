"""Work and answers as values: jobs, evidence, deliveries, deployments, audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class JobKind(StrEnum):
    """What a job has to do."""

    INFER = "infer"
    OUT_OF_SCOPE = "out_of_scope"
    REFUSED = "refused"
    COVERED = "covered"  # never sent: the target takes no such object, and another that it gets says the same


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"


STAT_PRIORITY = 10
"""Of jobs that go before routine ones, whose priority is 0; that of replayed ones is below."""


class Turn(StrEnum):
    """Which of the jobs that are due is taken next."""

    URGENT_FIRST = "urgent first"
    OLDEST_FIRST = "oldest first"  # urgent or not; replayed ones after all others
    URGENT_ONLY = "urgent only"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that routing asks for.

    Attributes:
        model_name: Bundle name.
        bundle_digest: The approved digest.
        kind: Run the model, or write the coded answer why not.
        reason: One line.
        series_instance_uids: Series to analyse.
        targets: Names of the targets for the evidence.
        silent: Compute and show at the node, never send.
        awaits_priors: It waits until earlier studies are here, or known not to come.
        priority: Higher first; 0 is routine.
    """

    model_name: str
    bundle_digest: str
    kind: JobKind
    reason: str
    series_instance_uids: tuple[str, ...]
    targets: tuple[str, ...]
    silent: bool
    awaits_priors: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the index; see `NewJob` for what was asked.

    Attributes:
        attempts: Leases so far, this one included.
        lease_owner: Worker that holds it.
        lease_until: A worker silent beyond this has lost it.
        next_attempt_at: Not before this.
        error: Last failure, one line.
        result_json: What the worker answered, None before.
        finished_at: When it became done or failed.
        priority: Higher first; 0 is routine, below is replayed work.
    """

    job_id: int
    study_instance_uid: str
    generation: int
    model_name: str
    bundle_digest: str
    kind: JobKind
    reason: str
    series_instance_uids: tuple[str, ...]
    targets: tuple[str, ...]
    silent: bool
    state: JobState
    attempts: int
    lease_owner: str | None
    lease_until: datetime | None
    next_attempt_at: datetime
    error: str
    result_json: str | None
    finished_at: datetime | None
    priority: int = 0


class EvidenceState(StrEnum):
    """Whether an evidence object passed the gate."""

    READY = "ready"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class NewEvidence:
    """An evidence object whose file is durable already (`EvidenceStore.write_file`).

    Attributes:
        role: Kind of document, such as ``answer``, ``segmentation`` or, of several, ``heat-map-2``.
        path: The file.
        instance_number: (0020,0013); the highest of a series is the current one.
        state: Ready, or quarantined by the gate.
        reason: Why quarantined, else empty.
        unwanted_by: Names of targets that it must not go to, although the job's other objects do.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    model_name: str
    role: str
    path: Path
    instance_number: int
    state: EvidenceState = EvidenceState.READY
    reason: str = ""
    unwanted_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """An evidence object in the index.

    Attributes:
        recall_id: The recall that withdrew it, None if it stands.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    series_instance_uid: str
    study_instance_uid: str
    model_name: str
    role: str
    path: Path
    sha256: str
    instance_number: int
    state: EvidenceState
    reason: str
    job_id: int
    created: datetime
    recall_id: int | None = None


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    WARNING = "warning"
    REFUSED = "refused"  # by the target; an administrator may have it tried again
    HELD = "held"  # by the node: the PACS tells another identity than the object's
    REPLACED = "replaced"  # never sent: an object with the corrected identity goes in its place
    COVERED = "covered"  # never sent: the target takes no such object, and another that it gets says the same
    CANCELLED = "cancelled"  # by a recall, before it arrived


class ProofState(StrEnum):
    """What is known, beyond the answer to the sending, of a target's having an object."""

    NONE = "none"  # not sent, or no proof is wanted
    PENDING = "pending"  # to be asked for
    REQUESTED = "requested"  # storage commitment asked for, no report yet
    COMMITTED = "committed"
    VISIBLE = "visible"
    FAILED = "failed"  # the target does not have it: sent again
    UNPROVEN = "unproven"  # the target offers no way to prove it


@dataclass(frozen=True, slots=True)
class Proof:
    """A delivery whose proof is due.

    Attributes:
        sop_class_uid: Of what was sent.
        sop_instance_uid: Of what was sent.
        original: SOP Instance UID of the evidence object; another one if a substitute was sent.
        path: The file that was sent.
        send_attempts: Times the object was sent.
        attempts: Times that proof was asked for since the object was sent last, and an answer came or was promised.
        status: What was said last.
    """

    delivery_id: int
    state: ProofState
    sop_class_uid: str
    sop_instance_uid: str
    original: str
    series_instance_uid: str
    study_instance_uid: str
    path: Path
    send_attempts: int
    attempts: int
    status: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One evidence object on its way to one target.

    Attributes:
        attempts: Times it was leased for sending.
        next_attempt_at: Not before this.
        status: What the peer said last, one line.
        path: The file to send.
        updated_at: Last change of state.
        role: Kind of document.
        answer: What the peer said at length when it refused, such as a HTTP body; may hold PHI, so it is not logged.
        sent_at: When the peer said that it has it, None before.
        sent_sop_instance_uid: Of what was sent in its place, None if it was sent itself.
        released: Whether it is sent whatever identity the PACS tells.
        proof: How sure it is that the peer has it.
        proof_status: What was said of that last, one line.
        next_proof_at: When it is asked for (again), None if it is not.
    """

    delivery_id: int
    sop_instance_uid: str
    target: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    status: str
    path: Path
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    model_name: str
    updated_at: datetime
    role: str
    answer: str
    sent_at: datetime | None
    sent_sop_instance_uid: str | None
    released: bool
    proof: ProofState
    proof_status: str
    next_proof_at: datetime | None


class DeploymentState(StrEnum):
    """What an approved model does."""

    OFF = "off"
    SILENT = "silent"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Deployment:
    """An approved bundle digest and what it does."""

    model_name: str
    digest: str
    state: DeploymentState
    approved_at: datetime
