"""Checks against the study: same patient, and nothing is cited that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from dicomnode.evidence.gate.subject import Subject, descendants
from dicomnode.evidence.sources import TYPE_2_IDENTITY, patient_and_study

_ALWAYS = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")
_COMPARED = tuple(dict.fromkeys((*_ALWAYS, *TYPE_2_IDENTITY)))
_TAGS = tuple(tag_for_keyword(keyword) or 0 for keyword in ("SpecificCharacterSet", *_COMPARED))


def identity(subject: Subject) -> Iterator[str]:
    """Patient and study are those of the sources; the message names the attribute, not its value.

    Patient ID and Study Instance UID must be those of every cited source. Series of one study may
    differ in a Study Time or in the spelling of a name; the object must agree with one of them throughout.
    """
    differences = _differences(subject)
    for keyword in _ALWAYS:
        for uid in [uid for uid, different in differences.items() if keyword in different][:1]:
            yield f"{keyword} differs from that of source instance {uid}"
    if differences and all(differences.values()):
        uid, different = min(differences.items(), key=lambda pair: len(pair[1]))
        for keyword in different:
            yield f"{keyword} differs from that of source instance {uid}"


def _differences(subject: Subject) -> dict[str, tuple[str, ...]]:
    """The attributes in which each cited source (each source, if none is cited) differs."""
    cited = [uid for uid in cited_instances(subject.dataset) if uid in subject.sources]
    known: dict[tuple[object, ...], tuple[str, ...]] = {}
    differences = {}
    for uid in sorted(cited or subject.sources):
        source = subject.sources[uid]
        stored = tuple(_stored(source, tag) for tag in _TAGS)
        if stored not in known:
            known[stored] = tuple(_different(subject.dataset, patient_and_study(source)))
        differences[uid] = known[stored]
    return differences


def _stored(source: Dataset, tag: int) -> object:
    """A value as it lies in the header: its bytes if nobody asked for it yet, since hundreds of slices say the same."""
    value = source.get_item(tag).value if tag in source else None
    return value if isinstance(value, bytes | str | None) else str(value)


def _different(dataset: Dataset, expected: Dataset) -> Iterator[str]:
    for keyword in _COMPARED:
        if str(dataset.get(keyword) or "") != str(expected.get(keyword) or ""):
            yield keyword


def cited_instances(dataset: Dataset) -> set[str]:
    """Every instance that the object names, in its tree, its evidence or its frames."""
    keyword = "ReferencedSOPInstanceUID"
    return {str(element.value) for element in dataset.iterall() if element.keyword == keyword}


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
    """The document that this one replaces is in the same series, and not itself; a substitute names its original."""
    dataset = subject.dataset
    fitting = (dataset.get("SeriesInstanceUID"), *([subject.original_series] if subject.form else []))
    for study in dataset.get("PredecessorDocumentsSequence") or []:
        for series in study.get("ReferencedSeriesSequence") or []:
            same_study = study.get("StudyInstanceUID") == dataset.get("StudyInstanceUID")
            if not same_study or series.get("SeriesInstanceUID") not in fitting:
                yield "PredecessorDocumentsSequence names a document of another series"
            for item in series.get("ReferencedSOPSequence") or []:
                if item.get("ReferencedSOPInstanceUID") == dataset.get("SOPInstanceUID"):
                    yield "PredecessorDocumentsSequence names the document itself"
    number = dataset.get("InstanceNumber") or 1
    if int(number) > 1 and dataset.get("Modality") == "SR" and not dataset.get("PredecessorDocumentsSequence"):
        yield f"PredecessorDocumentsSequence is missing, although InstanceNumber is {number}"
