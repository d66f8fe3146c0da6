"""Findings to DICOM SR and SEG, and the gate that checks each object before it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomnode.evidence.encode import to_bytes
from dicomnode.evidence.gate import Examination, check, examine
from dicomnode.evidence.identity import (
    EvidenceObject,
    NodeIdentity,
    PreviousEvidence,
    evidence_instance_uid,
    evidence_series_uid,
    evidence_uids,
)

if TYPE_CHECKING:
    from dicomnode.evidence.build import build_annotations, build_evidence

__all__ = [
    "EvidenceObject",
    "Examination",
    "NodeIdentity",
    "PreviousEvidence",
    "build_annotations",
    "build_evidence",
    "check",
    "evidence_instance_uid",
    "evidence_series_uid",
    "evidence_uids",
    "examine",
    "to_bytes",
]


def __getattr__(name: str) -> object:
    """Take in the writers, and highdicom with them, when somebody writes: checking and sending need neither."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dicomnode.evidence import build

    return getattr(build, name)
