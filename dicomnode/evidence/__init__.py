"""Findings to DICOM SR and SEG, and the gate that checks each object before it leaves."""

from __future__ import annotations

from dicomnode.evidence.build import build_annotations, build_evidence
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
