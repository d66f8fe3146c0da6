"""Checks of values that are the same in every document of the node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
)

from dicomnode.evidence.gate.attributes import empty
from dicomnode.evidence.gate.subject import SR_CLASSES, Subject
from dicomnode.evidence.presentation import CONTENT_LABEL

_OWN_SR_TYPE_1 = ("SeriesDescription", "ContentTemplateSequence", "CurrentRequestedProcedureEvidenceSequence")
_OWN_SEG_TYPE_1 = (
    "SeriesDescription",
    "FrameOfReferenceUID",
    "PerFrameFunctionalGroupsSequence",
    "DimensionIndexSequence",
    "ReferencedSeriesSequence",
)

_SR_VALUES = {
    "Modality": "SR",
    "CompletionFlag": "COMPLETE",
    "VerificationFlag": "UNVERIFIED",
    "PreliminaryFlag": "PRELIMINARY",
    "ValueType": "CONTAINER",
    "SpecificCharacterSet": "ISO_IR 192",
}
_KO_VALUES = {
    "Modality": "KO",
    "ValueType": "CONTAINER",
    "SpecificCharacterSet": "ISO_IR 192",
}
_OWN_KO_TYPE_1 = ("SeriesDescription",)
_SEG_VALUES = {
    "Modality": "SEG",
    "SegmentationType": "BINARY",
    "BitsAllocated": 1,
    "SpecificCharacterSet": "ISO_IR 192",
}
_HEAT_MAP_VALUES = _SEG_VALUES | {
    "SegmentationType": "FRACTIONAL",
    "SegmentationFractionalType": "PROBABILITY",
    "MaximumFractionalValue": 255,
    "BitsAllocated": 8,
}
_PR_VALUES = {
    "Modality": "PR",
    "ContentLabel": CONTENT_LABEL,
    "SpecificCharacterSet": "ISO_IR 192",
}
_SC_VALUES = {
    "Modality": "OT",
    "ConversionType": "WSD",
    "ImageType": ["DERIVED", "SECONDARY"],
    "SpecificCharacterSet": "ISO_IR 192",
}
_OWN_PR_TYPE_1 = ("SeriesDescription", "GraphicAnnotationSequence", "GraphicLayerSequence")
_OWN_SC_TYPE_1 = ("SeriesDescription", "SourceImageSequence", "DerivationDescription")


def own_values(subject: Subject) -> Iterator[str]:
    """What is the same in every document of the node, and never verified."""
    dataset = subject.dataset
    expected, filled = _own(subject)
    for keyword, value in expected.items():
        if dataset.get(keyword) != value:
            yield f"{keyword} is {dataset.get(keyword)!r}; it must be {value!r}"
    for keyword in filled:
        # A picture or projection need not have a frame of reference; `heat_map` and `frames` know which must.
        of_picture = subject.role == "heat-map" or "PatientOrientation" in dataset
        if empty(dataset, keyword) and not (of_picture and keyword == "FrameOfReferenceUID"):
            yield f"{keyword} is missing or empty"
    if "FrameOfReferenceUID" in dataset and "PositionReferenceIndicator" not in dataset:
        yield "PositionReferenceIndicator is missing"
    if dataset.get("VerifyingObserverSequence"):
        yield "VerifyingObserverSequence is present; a machine never verifies"
    meta = getattr(dataset, "file_meta", Dataset())
    if meta.get("TransferSyntaxUID") not in (None, ExplicitVRLittleEndian):
        yield "TransferSyntaxUID is not Explicit VR Little Endian"


def _own(subject: Subject) -> tuple[Mapping[str, object], tuple[str, ...]]:
    """Fixed values, and attributes that must not be empty, of a document of this class."""
    kind = subject.dataset.get("SOPClassUID")
    if subject.is_withdrawal:  # nothing about it is preliminary
        return _SR_VALUES | {"PreliminaryFlag": "FINAL"}, _OWN_SR_TYPE_1
    if kind in SR_CLASSES:
        return _SR_VALUES, _OWN_SR_TYPE_1
    if kind == KeyObjectSelectionDocumentStorage:
        return _KO_VALUES, _OWN_KO_TYPE_1
    if kind == GrayscaleSoftcopyPresentationStateStorage:
        return _PR_VALUES, _OWN_PR_TYPE_1
    if kind == SecondaryCaptureImageStorage:
        return _SC_VALUES, _OWN_SC_TYPE_1
    return _HEAT_MAP_VALUES if subject.role == "heat-map" else _SEG_VALUES, _OWN_SEG_TYPE_1
