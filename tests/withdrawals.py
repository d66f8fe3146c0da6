"""Results that are taken back, for the tests of notes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydicom.dataset import Dataset

from dicomnode.evidence.withdrawn import Cause, Withdrawal
from dicomnode.study import SourceReference
from tests.evidence_cases import NODE

RECALLED = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def sent(documents: Mapping[str, Dataset]) -> tuple[SourceReference, ...]:
    """Every document of a result, as a target has it."""
    return tuple(
        SourceReference(str(item.SOPClassUID), str(item.SOPInstanceUID), str(item.SeriesInstanceUID))
        for item in documents.values()
    )


def withdrawal(documents: Mapping[str, Dataset], **changes: Any) -> Withdrawal:
    """All of a result, taken back."""
    name = next(iter(documents.values())).ContributingEquipmentSequence[0].ManufacturerModelName
    given: dict[str, Any] = {
        "model_name": name,
        "objects": sent(documents),
        "reason": "wrong calibration",
        "cause": Cause.QUALITY,
        "created": RECALLED,
        "node": NODE,
    }
    return Withdrawal(**given | changes)
