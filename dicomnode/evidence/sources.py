"""The headers of the source images, read once, without their pixels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import dcmread
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

from dicomnode.dicom.mammography import VIEW_KEYWORDS
from dicomnode.errors import InputError
from dicomnode.findings import Result
from dicomnode.study import SourceReference

# Patient, General Study and Patient Study modules (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2). Free-text
# comments stay behind: they are no identity, and nobody expects them copied.
TYPE_2_IDENTITY = (
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
OPTIONAL_IDENTITY = (
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "IssuerOfAccessionNumberSequence",
    "StudyDescription",
    "ProcedureCodeSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "TimezoneOffsetFromUTC",
)
IDENTITY = ("StudyInstanceUID", *TYPE_2_IDENTITY, *OPTIONAL_IDENTITY)

_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_REQUIRED_IN: Mapping[str, tuple[str, ...]] = {  # an item that lacks one of these stays behind
    "IssuerOfPatientIDQualifiersSequence": (),
    "OtherPatientIDsSequence": ("PatientID", "TypeOfPatientID"),
    "DeidentificationMethodCodeSequence": _CODE,
    "IssuerOfAccessionNumberSequence": (),
    "ProcedureCodeSequence": _CODE,
}

_IMAGE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "InstanceNumber",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "TotalPixelMatrixRows",
    "TotalPixelMatrixColumns",
    "TotalPixelMatrixOriginSequence",
    "ImageOrientationSlide",
    "ContainerIdentifier",
    "IssuerOfTheContainerIdentifierSequence",
    "ContainerTypeCodeSequence",
    "SpecimenDescriptionSequence",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "ImagerPixelSpacing",
    "PixelAspectRatio",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "PresentationLUTShape",
    "BurnedInAnnotation",
    "RecognizableVisualFeatures",
)
_TAGS = [tag for tag in map(tag_for_keyword, (*IDENTITY, *_IMAGE, *VIEW_KEYWORDS)) if tag is not None]
_UNREADABLE = (InvalidDicomError, EOFError, OSError, ValueError, AttributeError, NotImplementedError)
# An identifier is copied even if it breaks the rules of its VR: another one would be another patient.
_AS_IT_IS = ("PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID", "StudyInstanceUID")


@dataclass(frozen=True, slots=True)
class Sources:
    """The study's images as the evidence refers to them.

    Attributes:
        patient: Patient and study attributes, every Type 2 attribute present, text in unicode.
        images: Header by SOP Instance UID of each instance that the documents cite, in reading order.
        paths: File by SOP Instance UID of the same instances, for those who need pixels.
    """

    patient: Dataset
    images: Mapping[str, Dataset]
    paths: Mapping[str, Path]

    def of(self, reference: SourceReference) -> Dataset:
        """The header of the instance that a reference names."""
        return self.images[reference.sop_instance_uid]

    @property
    def first(self) -> Dataset:
        """The first cited instance."""
        return next(iter(self.images.values()))


def read_headers(paths: Sequence[Path]) -> tuple[Dataset, ...]:
    """The header of each file, whole, in their order; an empty one of a file that cannot be read."""
    return tuple(map(_whole, paths))


def read_sources(result: Result, paths: Sequence[Path], headers: Sequence[Dataset] | None = None) -> Sources:
    """Read the headers that a result's documents need, unless they were read before.

    Cited are the images that the model was given; where it was given none, every instance that
    can be read, images before others.

    Args:
        result: What the documents say.
        paths: Files of the study's instances.
        headers: As `read_headers` gave them.

    Raises:
        InputError: No file can be read, or the result names an image that is not among the files.
    """
    found = map(_read, paths) if headers is None else headers
    complete = [(header, path) for header, path in zip(found, paths, strict=True) if _is_complete(header)]
    read = {header.SOPInstanceUID: (header, path) for header, path in complete}
    of_study = {uid: h for uid, (h, _) in read.items() if h.StudyInstanceUID == result.study_instance_uid}
    if not of_study:
        raise InputError(
            f"study {result.study_instance_uid}: none of its {len(paths)} files can be read as DICOM, so no "
            "evidence can be written; send the study again"
        )
    wanted = list(dict.fromkeys(reference.sop_instance_uid for reference in _references(result)))
    missing = [uid for uid in wanted if uid not in of_study]
    if missing:
        raise InputError(f"result names image {missing[0]}, which is not among the source files; pass all of them")
    images = {uid: of_study[uid] for uid in wanted} or _images_first(of_study)
    return Sources(patient_and_study(next(iter(images.values()))), images, {uid: read[uid][1] for uid in images})


def _read(path: Path) -> Dataset:
    try:
        return dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
    except _UNREADABLE:
        return Dataset()


def _whole(path: Path) -> Dataset:
    try:
        return dcmread(path, stop_before_pixels=True, force=True)
    except _UNREADABLE:
        return Dataset()


def _is_complete(header: Dataset) -> bool:
    try:
        return all(header.get(k) for k in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"))
    except _UNREADABLE:
        return False


def _references(result: Result) -> tuple[SourceReference, ...]:
    carried = result.answer.carried_by if result.answer else ()
    carried += tuple(image for side in (result.answer.sides if result.answer else ()) for image in side.carried_by)
    outlined = tuple(polygon.image for finding in result.findings for polygon in finding.contours)
    masked = tuple(image for finding in result.findings if finding.mask for image in finding.mask.images)
    mapped = tuple(heat_map.image for heat_map in result.heat_maps)
    looked_at = tuple(attention.box.image for attention in result.attention)
    return result.images + carried + outlined + masked + mapped + looked_at


def _images_first(headers: Mapping[str, Dataset]) -> dict[str, Dataset]:
    images = {uid: header for uid, header in headers.items() if "Rows" in header}
    return images or dict(headers)


def patient_and_study(header: Dataset) -> Dataset:
    """Patient and study attributes of a source, fit to be written in ISO_IR 192.

    Names and identifiers are taken as they are, decoded by the source's own character sets; other
    values only if they are valid, else empty. Type 2 attributes that the source lacks are empty.
    """
    patient = Dataset()
    for keyword in IDENTITY:
        if keyword in header or keyword in TYPE_2_IDENTITY:
            value = _clean(keyword, header.get(keyword))
            if dictionary_VR(keyword) == "SQ" and not value:
                continue
            patient.add(DataElement(keyword, dictionary_VR(keyword), value, validation_mode=config.IGNORE))
    return patient


def _clean(keyword: str, value: Any) -> Any:
    vr = dictionary_VR(keyword)
    if vr == "SQ":
        return [clean_item(item) for item in value or () if all(item.get(k) for k in _REQUIRED_IN[keyword])]
    if vr == "PN":
        return _names(value)
    if value is None or (keyword not in _AS_IT_IS and not _valid(vr, value)):
        return ""
    if keyword == "PatientSex" and value not in ("M", "F", "O"):
        return ""
    return value


def _valid(vr: str, value: Any) -> bool:
    """Whether a value may be written under its VR (PS3.5 6.2)."""
    try:
        validate_value(vr, value, config.RAISE)
    except (ValueError, TypeError):
        return False
    return True


def _names(value: Any) -> Any:
    # A PersonName keeps the source's bytes and encodings; a plain string has neither, so it is
    # encoded anew, all component groups of it.
    if isinstance(value, MultiValue):
        return [str(name) for name in value]
    return "" if value is None else str(value)


def clean_item(item: Dataset) -> Dataset:
    """A copy of a sequence's item without private attributes and values that break their VR."""
    clean = Dataset()
    for element in item:
        if element.tag.is_private or element.keyword == "SpecificCharacterSet":
            continue
        if element.VR == "SQ":
            value: Any = [clean_item(nested) for nested in element.value]
        else:
            value = _names(element.value) if element.VR == "PN" else copy.copy(element.value)
        if element.VR in ("SQ", "PN") or _valid(element.VR, value):
            clean.add(DataElement(element.tag, element.VR, value, validation_mode=config.IGNORE))
    return clean
