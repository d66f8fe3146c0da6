"""A rejection note (IHE RAD-66, Imaging Object Change Management): a Key Object Selection that has a PACS hide objects.

TID 2010 with a title that rejects; 'Rejected for Quality Reasons' is explained by a code of CID 7011.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import concepts
from dicomnode.evidence.content import HAS_CONCEPT_MOD, HAS_OBS_CONTEXT, code, text
from dicomnode.evidence.identity import MAXIMUM_DESCRIPTION, EvidenceObject, evidence_series_uid, series_number
from dicomnode.evidence.withdrawn import TITLES, Cause, Withdrawal, context_of, fill, key_object, note_like

_WHAT = ": rejection (unverified)"


def rejection_note(withdrawal: Withdrawal, report: Dataset, instance_number: int) -> EvidenceObject:
    """Write a rejection note.

    Args:
        withdrawal: What is withdrawn; the same objects and causes give the same UID.
        report: A report (SR) of the result, for patient, study, model and observer.
        instance_number: (0020,0013), one more than the last note in the series.
    """
    series = evidence_series_uid(str(report.StudyInstanceUID), withdrawal.model_name, "rejection")
    names = (item.sop_instance_uid for item in withdrawal.objects)
    uid = derive_uid(series, withdrawal.cause, *names)
    note = note_like(report, KeyObjectSelectionDocumentStorage, uid, withdrawal)
    note.Modality = "KO"
    note.SeriesInstanceUID, note.SeriesNumber = series, series_number(withdrawal.model_name, "rejection")
    whose = str(report.SeriesDescription).rsplit(": ", 1)[0]
    note.SeriesDescription = whose[: MAXIMUM_DESCRIPTION - len(_WHAT)] + _WHAT
    note.InstanceNumber = instance_number
    fill(note, TITLES[withdrawal.cause], "2010", _items(withdrawal, report), withdrawal)
    return EvidenceObject("rejection", "rejection", note, uid, series, instance_number)


def _items(withdrawal: Withdrawal, report: Dataset) -> list[Dataset]:
    modifiers = []
    if withdrawal.cause is Cause.QUALITY:
        modifiers = [code(concepts.TITLE_MODIFIER, concepts.SOFTWARE_FAILURE, HAS_CONCEPT_MOD)]
    language, observer = _language(report), _observer(report)
    words = f"The result of {withdrawal.model_name} was withdrawn. {withdrawal.sentence()}"
    return [
        *modifiers,
        *language,
        *observer,
        text(concepts.KEY_OBJECT_DESCRIPTION, words),
        *(key_object(item) for item in withdrawal.objects),
    ]


def _language(report: Dataset) -> list[Dataset]:
    """Language only: the procedure that a report names has no place in TID 2010."""
    items = (item for item in context_of(report) if item.RelationshipType == HAS_CONCEPT_MOD)
    return [item for item in items if item.ConceptNameCodeSequence[0].CodeValue == concepts.LANGUAGE.value]


def _observer(report: Dataset) -> list[Dataset]:
    return [item for item in context_of(report) if item.RelationshipType == HAS_OBS_CONTEXT]
