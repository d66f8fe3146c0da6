"""Which document an evidence object is: its role, UIDs, numbers and descriptions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydicom.dataset import Dataset

from dicomnode.dicom.uids import derive_uid
from dicomnode.findings import Maker, ModelIdentity, Outcome, Result

Role = Literal[
    "answer", "text", "lesions", "segmentation", "heat-map", "attention", "presentation", "picture", "rejection"
]

# Their order gives the series numbers.
ROLES: tuple[Role, ...] = (
    "answer",
    "text",
    "lesions",
    "segmentation",
    "heat-map",
    "attention",
    "presentation",
    "picture",
    "rejection",
)
MAXIMUM_PARTS = 8
# Documents that an exam of several images may need more than one of, each in a series of its own: viewers show only
# the newest object of a series, and the highest Instance Number is the current one.
_IN_PARTS = ("lesions", "segmentation", "heat-map", "presentation", "picture")
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
        kind: The same with the number of its part, if it is not the first.
        dataset: With file meta information, in Explicit VR Little Endian.
        sop_instance_uid: (0008,0018).
        series_instance_uid: (0020,000E), its own, stable over versions of the model.
        instance_number: (0020,0013); the highest of a series is the current one.
    """

    role: Role
    kind: str
    dataset: Dataset
    sop_instance_uid: str
    series_instance_uid: str
    instance_number: int


def kind_of(role: Role, part: int = 1) -> str:
    """A document's kind: its role, and from the second part on its number, such as ``heat-map-2``."""
    return role if part == 1 else f"{role}-{part}"


def role_of(kind: str) -> Role | None:
    """The role of a kind of document; None if there is no such kind."""
    return _ROLE_OF.get(kind)


def kinds() -> tuple[str, ...]:
    """Every kind of document that a result may have."""
    return tuple(_ROLE_OF)


_ROLE_OF: Mapping[str, Role] = MappingProxyType(
    {kind_of(role, part): role for role in ROLES for part in range(1, 1 + (MAXIMUM_PARTS if role in _IN_PARTS else 1))}
)


def evidence_series_uid(study_instance_uid: str, model_name: str, kind: str) -> str:
    """The series that holds a model's documents of one kind for a study."""
    return derive_uid(study_instance_uid, model_name, kind)


def evidence_instance_uid(
    series_instance_uid: str,
    input_digest: str,
    model_digest: str,
    kind: str,
    outcome: Outcome = Outcome.FINDINGS,
) -> str:
    """The UID of a document: same input, same model, same kind, same UID.

    A run that came to no answer says so in an object of its own, so that the answer of a later,
    successful run on the same input is not mistaken for it.
    """
    parts = (series_instance_uid, input_digest, model_digest, kind)
    return derive_uid(*parts) if outcome in PROCESSED else derive_uid(*parts, outcome.value)


def evidence_uids(result: Result, kind: str) -> tuple[str, str]:
    """Series and SOP Instance UID of one document of a result."""
    series = evidence_series_uid(result.study_instance_uid, result.model.name, kind)
    return series, evidence_instance_uid(series, result.input_digest, result.model.digest, kind, result.outcome)


def device_uid(model: ModelIdentity) -> str:
    """Device UID of a model: changes whenever its files change, so at every retraining (IHE AIR)."""
    return derive_uid("device", model.digest)


def series_number(model_name: str, role: Role) -> int:
    """A number from the 9000 band, the same for every study, ten numbers to a model."""
    decade = int.from_bytes(hashlib.sha256(model_name.encode()).digest()[:4], "big") % 100
    return SERIES_NUMBER_BAND.start + 10 * decade + ROLES.index(role) + 1


def series_description(model: ModelIdentity, role: Role, view: str = "") -> str:
    """What viewers show in the list of series, at most 64 characters; a long model name is cut.

    Args:
        model: Which model.
        role: Which document.
        view: The view of the one image that it is of, such as ``L-CC``; empty if it is of all.
    """
    what = {"segmentation": "masks", "heat-map": "heat map"}.get(role, role)
    if model.maker is not Maker.MODEL:  # a person's name stays in the document
        return f"Annotations: {what}{f' {view[:10]}' if view else ''} (unverified)"
    name = model.name
    rest = f" {model.version[:16]}: {what}{f' {view[:10]}' if view else ''} (unverified)"
    return f"AI {name[: MAXIMUM_DESCRIPTION - 3 - len(rest)]}{rest}"
