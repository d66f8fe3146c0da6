"""What the gate looks at: an object, and what is known of the study that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from dicomnode.dicom.uids import NODE_MANUFACTURER
from dicomnode.evidence.identity import Role, evidence_series_uid, kinds, role_of

SR_CLASSES = (Comprehensive3DSRStorage, EnhancedSRStorage)
CLASS_OF_ROLE = {
    "answer": Comprehensive3DSRStorage,
    "text": EnhancedSRStorage,
    "lesions": Comprehensive3DSRStorage,
    "segmentation": SegmentationStorage,
    "heat-map": SegmentationStorage,
    "attention": Comprehensive3DSRStorage,
    "presentation": GrayscaleSoftcopyPresentationStateStorage,
    "picture": SecondaryCaptureImageStorage,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """An object under examination.

    Attributes:
        dataset: The object.
        sources: Headers of source instances by SOP Instance UID; empty if none are at hand.
        known: Tells whether the study holds an instance; None if nobody knows.
        companions: Other documents of the same result.
    """

    dataset: Dataset
    sources: Mapping[str, Dataset] = field(default_factory=dict)
    known: Callable[[str], bool] | None = None
    companions: tuple[Dataset, ...] = ()

    @property
    def role(self) -> Role | None:
        """Which of the node's documents it is, by its series UID; None if it is none of them."""
        study, series = str(self.dataset.get("StudyInstanceUID")), self.dataset.get("SeriesInstanceUID")
        names = [str(item.get("ManufacturerModelName", "")) for item in equipment(self.dataset)]
        for kind in kinds():
            if any(evidence_series_uid(study, name, kind) == series for name in names):
                return role_of(kind)
        return None

    @property
    def is_report(self) -> bool:
        """Whether it is a measurement report (TID 1500)."""
        return self.role in ("answer", "lesions", "attention")


def equipment(dataset: Dataset) -> list[Dataset]:
    """Items of the Contributing Equipment Sequence."""
    return list(dataset.get("ContributingEquipmentSequence") or [])


def made_by_node(dataset: Dataset) -> bool:
    """Whether a node like this one wrote the object."""
    return any(item.get("Manufacturer") == NODE_MANUFACTURER for item in equipment(dataset))


def children(item: Dataset) -> list[Dataset]:
    """The content items right below an item."""
    return list(item.get("ContentSequence") or [])


def descendants(item: Dataset, path: str = "1") -> Iterator[tuple[str, Dataset, Dataset]]:
    """Every content item below an item: its place (PS3.3 C.17.3.2.5, ``1.2.3``), its parent, itself."""
    for number, child in enumerate(children(item), 1):
        place = f"{path}.{number}"
        yield place, item, child
        yield from descendants(child, place)


def concept(item: Dataset, sequence: str = "ConceptNameCodeSequence") -> tuple[str, str, str]:
    """Value, scheme and meaning of an item's concept name, or of its value; empty strings if absent."""
    for code in list(item.get(sequence) or [])[:1]:
        value = code.get("CodeValue") or code.get("LongCodeValue") or code.get("URNCodeValue") or ""
        return str(value), str(code.get("CodingSchemeDesignator") or ""), str(code.get("CodeMeaning") or "")
    return "", "", ""


def named(items: list[Dataset], code: Any) -> list[Dataset]:
    """Those of the items whose concept name is the code."""
    return [item for item in items if concept(item)[:2] == (code.value, code.scheme)]
