"""Which specimen a microscopic image shows, as its segmentation repeats it (PS3.3 C.7.6.22)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomnode.evidence.sources import clean_item

_IDENTITY = (
    "SpecimenIdentifier",
    "IssuerOfTheSpecimenIdentifierSequence",
    "SpecimenUID",
    "SpecimenTypeCodeSequence",
    "PrimaryAnatomicStructureSequence",
)


def specimen_of(header: Dataset) -> Dataset:
    """The Specimen module of a source; empty if the source does not have it in full.

    How the specimen was prepared, and free text about it, stay behind: they are no identity.
    """
    module = Dataset()
    described = [item for item in header.get("SpecimenDescriptionSequence") or [] if _named(item)]
    if not header.get("ContainerIdentifier") or not described:
        return module
    module.ContainerIdentifier = str(header.ContainerIdentifier)
    for keyword in ("IssuerOfTheContainerIdentifierSequence", "ContainerTypeCodeSequence"):
        setattr(module, keyword, [clean_item(item) for item in header.get(keyword) or []])
    module.SpecimenDescriptionSequence = [_description(item) for item in described]
    return module


def _named(item: Dataset) -> bool:
    return bool(item.get("SpecimenIdentifier") and item.get("SpecimenUID"))


def _description(item: Dataset) -> Dataset:
    wanted = Dataset()
    for keyword in _IDENTITY:
        if keyword in item:
            wanted.add(item[keyword])
    description = clean_item(wanted)
    if "IssuerOfTheSpecimenIdentifierSequence" not in description:
        description.IssuerOfTheSpecimenIdentifierSequence = []
    description.SpecimenPreparationSequence = []
    return description
