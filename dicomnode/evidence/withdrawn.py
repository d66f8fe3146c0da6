"""What rejection notes and withdrawn reports share: which result is taken back, why, and whose study it is."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, SegmentationStorage

from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, NODE_MANUFACTURER
from dicomnode.evidence import concepts
from dicomnode.evidence.content import coded
from dicomnode.evidence.identity import NodeIdentity
from dicomnode.evidence.sources import IDENTITY
from dicomnode.evidence.stamp import node_equipment, stamp_coding_schemes, stamp_times
from dicomnode.findings import Code
from dicomnode.study import SourceReference

_IMAGES = frozenset({SegmentationStorage, SecondaryCaptureImageStorage})
_CONTEXT = ("HAS CONCEPT MOD", "HAS OBS CONTEXT")


class Cause(StrEnum):
    """Why a result is withdrawn, as far as a PACS treats it differently (IHE RAD TF-2 4.66)."""

    QUALITY = "quality"  # hidden, but may still be looked at
    SAFETY = "safety"  # must not be shown to anybody who treats the patient


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A result that is taken back.

    Attributes:
        model_name: Whose result.
        objects: What was sent of it, in the order in which notes name them.
        reason: One line of the administrator's; may be empty.
        cause: Chooses the title of a rejection note.
        created: When it was recalled.
        node: Who writes the notes.
    """

    model_name: str
    objects: tuple[SourceReference, ...]
    reason: str
    cause: Cause
    created: datetime
    node: NodeIdentity

    def sentence(self) -> str:
        """Why, in a sentence."""
        return f"Reason: {self.reason}" if self.reason else "No reason was given."


def note_like(document: Dataset, sop_class_uid: str, sop_instance_uid: str, withdrawal: Withdrawal) -> Dataset:
    """A new document of the same patient, study, model and node as one of the result's own, without content."""
    note = Dataset()
    note.file_meta = FileMetaDataset()
    note.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    note.file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    note.file_meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    note.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    note.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    note.SpecificCharacterSet = "ISO_IR 192"
    for keyword in IDENTITY:
        if keyword in document:
            note[keyword] = copy.deepcopy(document[keyword])
    note.SOPClassUID, note.SOPInstanceUID = UID(sop_class_uid), UID(sop_instance_uid)
    note.Manufacturer = note.ManufacturerModelName = NODE_MANUFACTURER
    note.SoftwareVersions = withdrawal.node.version
    note.DeviceSerialNumber = note.StationName = withdrawal.node.ae_title
    algorithms = [copy.deepcopy(item) for item in document.ContributingEquipmentSequence if item.get("DeviceUID")]
    note.ContributingEquipmentSequence = [*algorithms, node_equipment(withdrawal.node)]
    note.ReferencedPerformedProcedureStepSequence = []
    return note


def fill(note: Dataset, title: Code, template: str, items: Iterable[Dataset], withdrawal: Withdrawal) -> Dataset:
    """Give a note its tree, its evidence and its dates."""
    note.ValueType = "CONTAINER"
    note.ConceptNameCodeSequence = [coded(title)]
    note.ContinuityOfContent = "SEPARATE"
    note.ContentTemplateSequence = [_template(template)]
    note.ContentSequence = list(items)
    note.CurrentRequestedProcedureEvidenceSequence = [hierarchy(str(note.StudyInstanceUID), withdrawal.objects)]
    stamp_times(note, withdrawal.created)
    stamp_coding_schemes(note)
    return note


def context_of(document: Dataset) -> list[Dataset]:
    """Language, observer and procedure as one of the result's own documents tells them."""
    items = (item for item in document.ContentSequence if item.get("RelationshipType") in _CONTEXT)
    return [copy.deepcopy(item) for item in items]


def is_image(item: SourceReference) -> bool:
    """Whether a content item names it as an IMAGE; any other of the node's objects is a COMPOSITE (PS3.3 C.17.3)."""
    return item.sop_class_uid in _IMAGES


def key_object(item: SourceReference) -> Dataset:
    """The content item of TID 2010 that names an object; it has no concept name."""
    content = Dataset()
    content.RelationshipType = "CONTAINS"
    content.ValueType = "IMAGE" if is_image(item) else "COMPOSITE"
    content.ReferencedSOPSequence = [_reference(item)]
    return content


def hierarchy(study_instance_uid: str, objects: Iterable[SourceReference]) -> Dataset:
    """An item of the SOP Instance Reference macro (PS3.3 table C.17-3)."""
    series: dict[str, list[Dataset]] = {}
    for item in objects:
        series.setdefault(item.series_instance_uid, []).append(_reference(item))
    study = Dataset()
    study.StudyInstanceUID = study_instance_uid
    study.ReferencedSeriesSequence = []
    for uid, references in series.items():
        of_series = Dataset()
        of_series.SeriesInstanceUID = uid
        of_series.ReferencedSOPSequence = references
        study.ReferencedSeriesSequence.append(of_series)
    return study


def _reference(item: SourceReference) -> Dataset:
    named = Dataset()
    named.ReferencedSOPClassUID = item.sop_class_uid
    named.ReferencedSOPInstanceUID = item.sop_instance_uid
    return named


def _template(identifier: str) -> Dataset:
    item = Dataset()
    item.MappingResource = "DCMR"
    item.TemplateIdentifier = identifier
    return item


TITLES = {Cause.QUALITY: concepts.REJECTED_FOR_QUALITY, Cause.SAFETY: concepts.REJECTED_FOR_SAFETY}
