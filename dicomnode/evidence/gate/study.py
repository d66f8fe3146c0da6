"""Checks against the study: same patient, and nothing is cited that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicomnode.evidence.gate.subject import Subject, descendants
from dicomnode.evidence.sources import TYPE_2_IDENTITY, patient_and_study

_VERBATIM = ("PatientID", "PatientName", "StudyInstanceUID", "IssuerOfPatientID")


def identity(subject: Subject) -> Iterator[str]:
    """Patient and study are those of every source; the message names the attribute, not its value."""
    for source in subject.sources.values():
        expected = patient_and_study(source)
        keywords = dict.fromkeys((*_VERBATIM, *TYPE_2_IDENTITY))
        different = [k for k in keywords if str(subject.dataset.get(k) or "") != str(expected.get(k) or "")]
        for keyword in different:
            yield f"{keyword} differs from that of source instance {source.get('SOPInstanceUID')}"
        if different:
            return


def evidence(subject: Subject) -> Iterator[str]:
    """What the tree cites is in the evidence, and the evidence is in the study."""
    dataset = subject.dataset
    listed: dict[str, str] = {}
    for study in dataset.get("CurrentRequestedProcedureEvidenceSequence") or []:
        if study.get("StudyInstanceUID") != dataset.get("StudyInstanceUID"):
            yield "CurrentRequestedProcedureEvidenceSequence names another study"
        for series in study.get("ReferencedSeriesSequence") or []:
            for item in series.get("ReferencedSOPSequence") or []:
                listed[str(item.get("ReferencedSOPInstanceUID"))] = str(item.get("ReferencedSOPClassUID"))
                yield from _exists(subject, item, str(series.get("SeriesInstanceUID")))
    for place, _, item in descendants(dataset):
        for reference in item.get("ReferencedSOPSequence") or []:
            uid = str(reference.get("ReferencedSOPInstanceUID"))
            if listed.get(uid) != reference.get("ReferencedSOPClassUID"):
                yield f"item {place} cites instance {uid}, which the evidence sequence does not list under this class"


def _exists(subject: Subject, item: Dataset, series_uid: str) -> Iterator[str]:
    uid = str(item.get("ReferencedSOPInstanceUID"))
    source = subject.sources.get(uid)
    if source is not None:
        if source.get("SOPClassUID") != item.get("ReferencedSOPClassUID"):
            yield f"reference to instance {uid} has a SOP class that is not the instance's"
        if source.get("SeriesInstanceUID") != series_uid:
            yield f"reference to instance {uid} has a series that is not the instance's"
    elif not exists(subject, uid):
        yield f"referenced instance {uid} does not exist in the study"


def exists(subject: Subject, uid: str) -> bool:
    """Whether the study holds an instance; true where nothing is known of the study."""
    if uid in subject.sources:
        return True
    if subject.known is not None:
        return subject.known(uid)
    return not subject.sources


def predecessors(subject: Subject) -> Iterator[str]:
    """The document that this one replaces is in the same series, and not itself."""
    dataset = subject.dataset
    for study in dataset.get("PredecessorDocumentsSequence") or []:
        for series in study.get("ReferencedSeriesSequence") or []:
            same = (study.get("StudyInstanceUID"), series.get("SeriesInstanceUID"))
            if same != (dataset.get("StudyInstanceUID"), dataset.get("SeriesInstanceUID")):
                yield "PredecessorDocumentsSequence names a document of another series"
            for item in series.get("ReferencedSOPSequence") or []:
                if item.get("ReferencedSOPInstanceUID") == dataset.get("SOPInstanceUID"):
                    yield "PredecessorDocumentsSequence names the document itself"
    number = dataset.get("InstanceNumber") or 1
    if int(number) > 1 and dataset.get("Modality") == "SR" and not dataset.get("PredecessorDocumentsSequence"):
        yield f"PredecessorDocumentsSequence is missing, although InstanceNumber is {number}"
