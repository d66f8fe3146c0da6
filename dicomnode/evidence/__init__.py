"""Findings to DICOM SR and SEG, and the gate that checks each object before it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomnode.evidence.encode import to_bytes
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
    from dicomnode.evidence.gate import Examination, check, examine

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
    """Take in writers and gate, and highdicom with them, when somebody writes or checks: sending needs neither."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dicomnode.evidence import build, gate

    return getattr(build if name.startswith("build") else gate, name)
