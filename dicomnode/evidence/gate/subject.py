"""What the gate looks at: an object, and what is known of the study that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage, Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from dicomnode.dicom.uids import NODE_MANUFACTURER
from dicomnode.evidence import concepts
from dicomnode.evidence.identity import Role, evidence_series_uid, kinds, role_of
from dicomnode.evidence.ladder import CLASS_OF_FORM, CLASS_OF_ROLE, Form, substitute_kinds

SR_CLASSES = (Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage, BasicTextSRStorage)


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
        """Which of the node's documents it is, by its series UID; None if it is none of them.

        A substitute has the role of what it stands for, or, drawn, that of the node's other drawings.
        """
        kind, form, _ = self._filed
        return form if form in ("presentation", "picture") else role_of(kind)

    @property
    def kind(self) -> str:
        """Which document it is, with the number of its part, or which one it stands for; empty if it is none."""
        return self._filed[0]

    @property
    def form(self) -> Form | None:
        """The form of a substitute; None of any other object."""
        return self._filed[1]

    @property
    def original_series(self) -> str:
        """The series of what a substitute stands for; empty of any other object."""
        return self._filed[2]

    @property
    def sop_class(self) -> str | None:
        """The SOP class that an object of its role and form has; None if it has no role."""
        kind, form, _ = self._filed
        role = role_of(kind)
        if form is not None:
            return CLASS_OF_FORM[form]
        return None if role is None else CLASS_OF_ROLE[role]

    @property
    def _filed(self) -> tuple[str, Form | None, str]:
        """Kind, form and original series of the series that it is in; empty where it is in none of the node's."""
        study, series = str(self.dataset.get("StudyInstanceUID")), self.dataset.get("SeriesInstanceUID")
        names = [str(item.get("ManufacturerModelName", "")) for item in equipment(self.dataset)]
        for kind in kinds():
            if any(evidence_series_uid(study, name, kind) == series for name in names):
                return kind, None, ""
        for filed, kind, form in substitute_kinds():
            for name in names:
                if evidence_series_uid(study, name, filed) == series:
                    return kind, form, evidence_series_uid(study, name, kind)
        return "", None, ""

    @property
    def is_withdrawal(self) -> bool:
        """Whether it takes a result back, in the series of the document that it supersedes."""
        withdrawn = (concepts.RESULT_WITHDRAWN.value, concepts.RESULT_WITHDRAWN.scheme)
        return self.dataset.get("Modality") == "SR" and any(
            concept(item, "ConceptCodeSequence")[:2] == withdrawn for _, _, item in descendants(self.dataset)
        )

    @property
    def is_cleared(self) -> bool:
        """Whether it says, in the series of the lesions that it supersedes, that there are none any more."""
        title = concepts.DIAGNOSTIC_IMAGING_REPORT
        superseding = bool(self.dataset.get("PredecessorDocumentsSequence"))
        return self.role == "lesions" and superseding and concept(self.dataset)[:2] == (title.value, title.scheme)

    @property
    def is_report(self) -> bool:
        """Whether it is a measurement report (TID 1500)."""
        return self.role in ("answer", "lesions", "attention") and not self.is_cleared


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
