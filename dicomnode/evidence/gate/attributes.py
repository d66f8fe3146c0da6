"""Checks of attributes: required ones, fixed values, UIDs, file meta information (PS3.3 A.35, A.51)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.uid import (
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from dicomnode.dicom.uids import valid_uid
from dicomnode.evidence.gate.subject import Subject, equipment, made_by_node
from dicomnode.evidence.identity import MAXIMUM_DESCRIPTION, SERIES_NUMBER_BAND

_TYPE_1 = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality")
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
_SR_TYPE_1 = (
    "SeriesNumber",
    "InstanceNumber",
    "CompletionFlag",
    "VerificationFlag",
    "ContentDate",
    "ContentTime",
    "ValueType",
    "ConceptNameCodeSequence",
    "ContinuityOfContent",
    "ContentSequence",
)
_SR_TYPE_2 = ("Manufacturer", "ReferencedPerformedProcedureStepSequence", "PerformedProcedureCodeSequence")
_SEG_TYPE_1 = (
    "SeriesNumber",
    "InstanceNumber",
    "ContentDate",
    "ContentTime",
    "ImageType",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "LossyImageCompression",
    "SegmentationType",
    "ContentLabel",
    "SegmentSequence",
    "NumberOfFrames",
    "SharedFunctionalGroupsSequence",
    "DimensionOrganizationSequence",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "PixelData",
)
_SEG_TYPE_2 = ("ContentDescription", "ContentCreatorName")
_PR_TYPE_1 = (
    "SeriesNumber",
    "InstanceNumber",
    "ContentLabel",
    "PresentationCreationDate",
    "PresentationCreationTime",
    "ReferencedSeriesSequence",
    "DisplayedAreaSelectionSequence",
    "PresentationLUTShape",
)
_PR_TYPE_2 = ("Manufacturer", "ContentDescription", "ContentCreatorName")
_SC_TYPE_1 = (
    "SeriesNumber",
    "ConversionType",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
)
_SC_TYPE_2 = ("InstanceNumber",)
_KO_TYPE_1 = (
    "SeriesNumber",
    "InstanceNumber",
    "ContentDate",
    "ContentTime",
    "CurrentRequestedProcedureEvidenceSequence",
    "ValueType",
    "ConceptNameCodeSequence",
    "ContinuityOfContent",
    "ContentTemplateSequence",
    "ContentSequence",
)
_KO_TYPE_2 = ("Manufacturer", "ReferencedPerformedProcedureStepSequence")
_REQUIRED = {
    KeyObjectSelectionDocumentStorage: (_KO_TYPE_1, _KO_TYPE_2),
    SegmentationStorage: (_SEG_TYPE_1, _SEG_TYPE_2),
    GrayscaleSoftcopyPresentationStateStorage: (_PR_TYPE_1, _PR_TYPE_2),
    SecondaryCaptureImageStorage: (_SC_TYPE_1, _SC_TYPE_2),
}
_DIGIT = re.compile(r"\d")


def required(subject: Subject) -> Iterator[str]:
    """Type 1 attributes are there and not empty, Type 2 attributes are there."""
    dataset = subject.dataset
    type_1: tuple[str, ...] = _TYPE_1
    type_2: tuple[str, ...] = _TYPE_2
    if dataset.get("Modality") == "SR":
        type_1, type_2 = type_1 + _SR_TYPE_1, type_2 + _SR_TYPE_2
    if dataset.get("SOPClassUID") in _REQUIRED:
        of_class = _REQUIRED[dataset.SOPClassUID]
        type_1, type_2 = type_1 + of_class[0], type_2 + of_class[1]
    for keyword in type_1:
        if empty(dataset, keyword):
            yield f"{keyword} is missing or empty, but required (Type 1)"
    for keyword in type_2:
        if keyword not in dataset:
            yield f"{keyword} is missing, but required, if only empty (Type 2)"


def empty(dataset: Dataset, keyword: str) -> bool:
    """Whether an attribute is missing or has no value."""
    return keyword not in dataset or dataset[keyword].is_empty


def uids(subject: Subject) -> Iterator[str]:
    """Every UID has the form of PS3.5 9.1, and the object's own are not those of another."""
    for element in subject.dataset.iterall():
        if element.VR == "UI" and not element.is_empty:
            values = [element.value] if element.VM == 1 else list(element.value)
            for value in values:
                if not valid_uid(str(value)):
                    yield f"{element.keyword or element.tag} {str(value)!r} is not a valid UID"


def file_meta(subject: Subject) -> Iterator[str]:
    """File meta information names the same object as the data set (PS3.10 7.1)."""
    meta = getattr(subject.dataset, "file_meta", None)
    if meta is None:
        yield "file meta information is missing"
        return
    for in_meta, keyword in (
        ("MediaStorageSOPClassUID", "SOPClassUID"),
        ("MediaStorageSOPInstanceUID", "SOPInstanceUID"),
    ):
        if meta.get(in_meta) != subject.dataset.get(keyword):
            yield f"{in_meta} differs from {keyword}"
    if not meta.get("TransferSyntaxUID"):
        yield "TransferSyntaxUID is missing"


def series(subject: Subject) -> Iterator[str]:
    """The object is in a series of its own role, with a number of the band and a description that fits."""
    dataset, role = subject.dataset, subject.role
    description = str(dataset.get("SeriesDescription") or "")
    if len(description) > MAXIMUM_DESCRIPTION:
        yield f"SeriesDescription has {len(description)} characters; at most {MAXIMUM_DESCRIPTION} are allowed"
    if not description.endswith("(unverified)"):
        yield "SeriesDescription does not end with '(unverified)'"
    if _number(dataset, "SeriesNumber") not in SERIES_NUMBER_BAND:
        yield f"SeriesNumber {dataset.get('SeriesNumber')} is not in the band of {SERIES_NUMBER_BAND.start} and up"
    if _number(dataset, "InstanceNumber") < 1:
        yield f"InstanceNumber {dataset.get('InstanceNumber')} is not a positive number"
    if role is None:
        yield "SeriesInstanceUID is not that of any document of this model and study"
    elif dataset.get("SOPClassUID") != subject.sop_class:
        yield f"SOPClassUID {dataset.get('SOPClassUID')} is not that of the document {role!r}"
    for uid, source in subject.sources.items():
        if source.get("SeriesInstanceUID") == dataset.get("SeriesInstanceUID"):
            yield "SeriesInstanceUID is that of a source series; evidence needs a series of its own"
            break
        if uid == dataset.get("SOPInstanceUID"):
            yield "SOPInstanceUID is that of a source instance"
            break


def _number(dataset: Dataset, keyword: str) -> int:
    value = dataset.get(keyword)
    return int(value) if value not in (None, "") else -1


def contributing(subject: Subject) -> Iterator[str]:
    """The model and the node are named as contributing equipment (IHE AIR)."""
    items = equipment(subject.dataset)
    if not made_by_node(subject.dataset):
        yield "ContributingEquipmentSequence does not name the node; its own objects would not be known again"
    if not any(item.get("DeviceUID") for item in items):
        yield "ContributingEquipmentSequence has no item with a Device UID of the model"
    for item in items:
        if not item.get("PurposeOfReferenceCodeSequence"):
            yield "ContributingEquipmentSequence has an item without a purpose"


def no_private(subject: Subject) -> Iterator[str]:
    """The node writes no private attributes; one that is there was copied by mistake."""
    for element in subject.dataset.iterall():
        if element.tag.is_private:
            yield f"private attribute {element.tag} is present"
            return


def no_identity_in_text(subject: Subject) -> Iterator[str]:
    """Patient's name and ID stand in the Patient module only, in no description, label or sentence."""
    secrets = _secrets(subject.dataset)
    for element in subject.dataset.iterall():
        if element.VR not in _TEXT_VRS or element.keyword in _IDENTITY_KEYWORDS:
            continue
        if any(secret in str(element.value) for secret in secrets):
            yield f"{element.keyword} holds the patient's name or ID"


_TEXT_VRS = ("LO", "SH", "UT", "ST", "LT", "UC")
_IDENTITY_KEYWORDS = (
    "PatientID",
    "IssuerOfPatientID",
    "StudyID",
    "AccessionNumber",
    "StudyDescription",
    "CodeValue",
    "ContainerIdentifier",  # of a specimen: often made from the patient's
    "SpecimenIdentifier",
)
_MINIMUM_SECRET = 6


def _secrets(dataset: Dataset) -> list[str]:
    # Short or plain words would be found in ordinary sentences: an ID needs a digit, a name a caret.
    found = []
    identifier, name = str(dataset.get("PatientID") or ""), str(dataset.get("PatientName") or "")
    if len(identifier) >= _MINIMUM_SECRET and _DIGIT.search(identifier):
        found.append(identifier)
    for group in name.split("="):
        if "^" in group.strip("^") and len(group) >= _MINIMUM_SECRET:
            found += [group, group.replace("^", " ").strip()]
    return found
