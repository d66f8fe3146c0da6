"""What the node writes: attributes of each document, templates and codes, from documents that its builders made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomnode.conformance.document import Block, Heading, Paragraph, table
from dicomnode.conformance.sample import sample_documents
from dicomnode.evidence import concepts
from dicomnode.evidence.sources import IDENTITY
from dicomnode.findings import Code
from dicomnode.settings import Settings

_FIXED_VRS = ("CS", "IS", "US", "LO")
_OF_IMAGE = frozenset(
    {"PatientOrientation", "Laterality", "FrameOfReferenceUID", "PositionReferenceIndicator", "Rows", "Columns"}
)
_VARIES = frozenset({"SeriesDescription", "SeriesNumber", "InstanceNumber", "DeviceSerialNumber", "SoftwareVersions"})


def writing(settings: Settings) -> Sequence[Block]:
    """Annexes A and B."""
    documents = sample_documents(settings.node.ae_title)
    return (
        Heading(2, "Annex A: Information objects that are written"),
        Paragraph(
            "Each document has a series of its own, with a number from 9000 up; a later result has the next Instance "
            "Number, and reports name their predecessors. All are of the patient and study of their sources."
        ),
        table(("Document", "SOP class", "UID", "Root template (DCMR)"), _kinds(documents)),
        Heading(3, "Attributes at the top level"),
        table(("Attribute", "Tag", "VR", "Value", "In"), _attributes(documents)),
        Paragraph("Private attributes, and extended or specialised SOP classes: none."),
        Heading(2, "Annex B: Templates and coded terminology"),
        table(("Template", "In"), _templates(documents)),
        table(("Code", "Scheme", "Meaning"), _codes()),
    )


def _kinds(documents: Mapping[str, Dataset]) -> Iterator[tuple[str, ...]]:
    for kind, dataset in documents.items():
        uid = str(dataset.SOPClassUID)
        yield kind, UID(uid).name, uid, _template(dataset) or "none"


def _template(item: Dataset) -> str:
    return ", ".join(f"TID {one.TemplateIdentifier}" for one in item.get("ContentTemplateSequence") or [])


def _attributes(documents: Mapping[str, Dataset]) -> Iterator[tuple[str, ...]]:
    found: dict[int, list[tuple[str, DataElement]]] = {}
    for kind, dataset in documents.items():
        for element in dataset:
            found.setdefault(int(element.tag), []).append((kind, element))
    for _, uses in sorted(found.items()):
        element = uses[0][1]
        kinds = "all" if len(uses) == len(documents) else ", ".join(kind for kind, _ in uses)
        tag = f"({element.tag.group:04X},{element.tag.element:04X})"
        yield element.name, tag, element.VR, _value([one for _, one in uses]), kinds


def _value(elements: Sequence[DataElement]) -> str:
    """Where an attribute's value comes from, or the value itself where it is always the same."""
    element = elements[0]
    if element.keyword in IDENTITY:
        return "of the source"
    if element.keyword in _OF_IMAGE:
        return "of the source image"
    values = {_text(one) for one in elements}
    if element.VR in _FIXED_VRS and element.keyword not in _VARIES:
        return " or ".join(sorted(value or "empty" for value in values))
    return "made by the node"


def _text(element: DataElement) -> str:
    return "\\".join(map(str, element.value)) if element.VM > 1 else str(element.value)


def _templates(documents: Mapping[str, Dataset]) -> Iterator[tuple[str, str]]:
    found: dict[str, list[str]] = {}
    for kind, dataset in documents.items():
        for item in (dataset, *_items(dataset)):
            name = _template(item)
            if name and kind not in found.setdefault(name, []):
                found[name].append(kind)
    for name, kinds in sorted(found.items()):
        yield name, ", ".join(kinds)


def _items(dataset: Dataset) -> Iterator[Dataset]:
    for item in dataset.get("ContentSequence") or []:
        yield item
        yield from _items(item)


def _codes() -> list[tuple[str, str, str]]:
    values = [value for value in vars(concepts).values() if isinstance(value, Code)]
    tables = [value for value in vars(concepts).values() if isinstance(value, dict)]
    values += [code for one in tables for code in one.values() if isinstance(code, Code)]
    return sorted({(code.value, code.scheme, code.meaning) for code in values}, key=lambda code: (code[1], code[0]))
