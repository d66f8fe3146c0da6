"""Which document an evidence object is: its role, UIDs, numbers and descriptions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from pydicom.dataset import Dataset

from dicomnode.dicom.uids import derive_uid
from dicomnode.findings import ModelIdentity, Outcome, Result

Role = Literal["answer", "text", "lesions", "segmentation", "heat-map"]

ROLES: tuple[Role, ...] = ("answer", "text", "lesions", "segmentation", "heat-map")
SERIES_NUMBER_BAND = range(9000, 10000)
MAXIMUM_DESCRIPTION = 64
PROCESSED = (Outcome.FINDINGS, Outcome.NO_FINDINGS)


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """The node that writes the documents.

    Attributes:
        ae_title: Its AE title (PS3.8); also the station name.
        version: Version of the node's software.
    """

    ae_title: str
    version: str


@dataclass(frozen=True, slots=True)
class PreviousEvidence:
    """The newest object that already is in a series of evidence.

    Attributes:
        sop_instance_uid: (0008,0018).
        sop_class_uid: (0008,0016).
        instance_number: (0020,0013).
    """

    sop_instance_uid: str
    sop_class_uid: str
    instance_number: int


@dataclass(frozen=True, slots=True)
class EvidenceObject:
    """One document of a result, ready for the gate.

    Attributes:
        role: Which document it is.
        dataset: With file meta information, in Explicit VR Little Endian.
        sop_instance_uid: (0008,0018).
        series_instance_uid: (0020,000E), its own, stable over versions of the model.
        instance_number: (0020,0013); the highest of a series is the current one.
    """

    role: Role
    dataset: Dataset
    sop_instance_uid: str
    series_instance_uid: str
    instance_number: int


def evidence_series_uid(study_instance_uid: str, model_name: str, role: str) -> str:
    """The series that holds a model's documents of one kind for a study."""
    return derive_uid(study_instance_uid, model_name, role)


def evidence_instance_uid(
    series_instance_uid: str,
    input_digest: str,
    model_digest: str,
    role: str,
    outcome: Outcome = Outcome.FINDINGS,
) -> str:
    """The UID of a document: same input, same model, same kind, same UID.

    A run that came to no answer says so in an object of its own, so that the answer of a later,
    successful run on the same input is not mistaken for it.
    """
    parts = (series_instance_uid, input_digest, model_digest, role)
    return derive_uid(*parts) if outcome in PROCESSED else derive_uid(*parts, outcome.value)


def evidence_uids(result: Result, role: str) -> tuple[str, str]:
    """Series and SOP Instance UID of one document of a result."""
    series = evidence_series_uid(result.study_instance_uid, result.model.name, role)
    return series, evidence_instance_uid(series, result.input_digest, result.model.digest, role, result.outcome)


def device_uid(model: ModelIdentity) -> str:
    """Device UID of a model: changes whenever its files change, so at every retraining (IHE AIR)."""
    return derive_uid("device", model.digest)


def series_number(model_name: str, role: Role) -> int:
    """A number from the 9000 band, the same for every study, ten numbers to a model."""
    decade = int.from_bytes(hashlib.sha256(model_name.encode()).digest()[:4], "big") % 100
    return SERIES_NUMBER_BAND.start + 10 * decade + ROLES.index(role) + 1


def series_description(model: ModelIdentity, role: Role) -> str:
    """What viewers show in the list of series, at most 64 characters; a long model name is cut."""
    what = {"segmentation": "masks", "heat-map": "heat map"}.get(role, role)
    name = model.name
    rest = f" {model.version[:16]}: {what} (unverified)"
    return f"AI {name[: MAXIMUM_DESCRIPTION - 3 - len(rest)]}{rest}"
