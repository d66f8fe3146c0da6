"""The same document under a corrected identity: a PACS merged or corrected the patient after it was written."""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence.identity import PreviousEvidence

# Of the former patient; what the new one's are, nobody told.
_OF_THE_PERSON = ("PatientAge", "PatientSize", "PatientWeight")
_OF_THE_IDENTIFIER = ("OtherPatientIDsSequence", "IssuerOfPatientIDQualifiersSequence")


@dataclass(frozen=True, slots=True)
class StudyIdentity:
    """Whose a study is, and what it is called by: texts as written, empty where nobody tells.

    Attributes:
        patient_id: (0010,0020).
        issuer_of_patient_id: (0010,0021).
        patient_name: (0010,0010), every component group.
        patient_birth_date: (0010,0030).
        accession_number: (0008,0050).
    """

    patient_id: str
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    accession_number: str = ""


def identity_of(dataset: Dataset) -> StudyIdentity:
    """The identity that an object or a source names."""
    return StudyIdentity(
        _text(dataset, "PatientID"),
        _text(dataset, "IssuerOfPatientID"),
        _text(dataset, "PatientName"),
        _text(dataset, "PatientBirthDate"),
        _text(dataset, "AccessionNumber"),
    )


def differences(ours: StudyIdentity, told: StudyIdentity) -> tuple[str, ...]:
    """In what a told identity contradicts ours, in words without values.

    Another Patient ID always counts, also where ours is empty; everything else only where both are told.
    Names are compared by component group, in any letter case (PS3.4 C.2.2.2.1), to the character.
    """
    found = []
    if told.patient_id and told.patient_id != ours.patient_id:
        found.append("Patient ID")
    pairs = (
        (ours.issuer_of_patient_id, told.issuer_of_patient_id, "Issuer of Patient ID"),
        (ours.patient_birth_date, told.patient_birth_date, "Patient's Birth Date"),
        (ours.accession_number, told.accession_number, "Accession Number"),
    )
    if not same_name(ours.patient_name, told.patient_name):
        found.append("Patient's Name")
    found += [name for mine, other, name in pairs if mine and other and mine != other]
    return tuple(found)


def same_name(one: str, other: str) -> bool:
    """Whether two names agree in every component group that both have."""
    groups = zip(_groups(one), _groups(other), strict=False)
    return all(mine == theirs for mine, theirs in groups if mine and theirs)


def corrected_uid(sop_instance_uid: str, identity: StudyIdentity) -> str:
    """UID of a document under another identity: same document, same identity, same UID."""
    parts = (identity.patient_id, identity.issuer_of_patient_id, identity.patient_name)
    return derive_uid(sop_instance_uid, "identity", *parts, identity.patient_birth_date, identity.accession_number)


def give_identity(dataset: Dataset, identity: StudyIdentity) -> None:
    """Write an identity into an object or the header of a source; what it does not tell stays."""
    before = identity_of(dataset)
    if identity.patient_id != before.patient_id:
        _drop(dataset, _OF_THE_IDENTIFIER)
        dataset.pop("IssuerOfPatientID", None)
    birth_dates = {before.patient_birth_date, identity.patient_birth_date} - {""}
    if len(birth_dates) > 1:
        _drop(dataset, _OF_THE_PERSON)
        dataset.PatientSex = ""
    told = {
        "PatientID": identity.patient_id,
        "IssuerOfPatientID": identity.issuer_of_patient_id,
        "PatientName": identity.patient_name,
        "PatientBirthDate": identity.patient_birth_date,
        "AccessionNumber": identity.accession_number,
    }
    for keyword, value in told.items():
        if value:
            setattr(dataset, keyword, value)


def corrected(
    document: Dataset, identity: StudyIdentity, previous: PreviousEvidence, renamed: Mapping[str, str]
) -> Dataset:
    """A document under another identity, in the same series, after the newest object there.

    Args:
        document: With file meta information; stays as it is.
        identity: What it is to name.
        previous: The newest object of its series.
        renamed: New SOP Instance UIDs by old ones, of all documents of the result that are corrected with it.
    """
    new = copy.deepcopy(document)
    new.SOPInstanceUID = UID(corrected_uid(str(document.SOPInstanceUID), identity))
    new.file_meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
    new.InstanceNumber = previous.instance_number + 1
    give_identity(new, identity)
    for element in new.iterall():
        if element.keyword == "ReferencedSOPInstanceUID" and str(element.value) in renamed:
            element.value = UID(renamed[str(element.value)])
    if new.get("Modality") == "SR":
        new.PredecessorDocumentsSequence = [_predecessor(new, previous)]
    return new


def _predecessor(document: Dataset, previous: PreviousEvidence) -> Dataset:
    reference, series, study = Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID = previous.sop_class_uid
    reference.ReferencedSOPInstanceUID = previous.sop_instance_uid
    series.SeriesInstanceUID = document.SeriesInstanceUID
    series.ReferencedSOPSequence = [reference]
    study.StudyInstanceUID = document.StudyInstanceUID
    study.ReferencedSeriesSequence = [series]
    return study


def _drop(dataset: Dataset, keywords: tuple[str, ...]) -> None:
    for keyword in keywords:
        dataset.pop(keyword, None)


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()


def _groups(name: str) -> Iterator[str]:
    """Component groups without what does not count: trailing delimiters, spaces around, case, composition."""
    for group in name.split("="):
        components = [component.strip() for component in group.split("^")]
        while components and not components[-1]:
            components.pop()
        yield unicodedata.normalize("NFC", "^".join(components)).casefold()
