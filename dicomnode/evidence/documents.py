"""The three SR documents: study answer, text, lesions (PS3.3 A.35; TID 1500, TID 2000)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from dicomnode.evidence import concepts
from dicomnode.evidence.attention import attention_groups
from dicomnode.evidence.content import (
    HAS_CONCEPT_MOD,
    code,
    container,
    language_and_observer,
    root,
    text,
)
from dicomnode.evidence.library import image_library
from dicomnode.evidence.measurements import answer_groups, evaluations, lesion_groups
from dicomnode.evidence.narrative import NOT_VERIFIED, conclusion_sentences, findings_sentences
from dicomnode.evidence.sources import TYPE_2_IDENTITY, Sources
from dicomnode.evidence.stamp import Draft, stamp
from dicomnode.findings import Code


def answer_document(draft: Draft) -> Dataset:
    """The study answer: Comprehensive 3D SR, TID 1500 with TID 1501 groups and the coded outcome."""
    body = _measurement_report(draft, answer_groups(draft.result), evaluations(draft.result))
    return _document(hd.sr.Comprehensive3DSR, draft, body)


def lesions_document(draft: Draft) -> Dataset:
    """The lesions: Comprehensive 3D SR, TID 1500 with TID 1410 and 1411 groups and nothing else.

    Viewers show nothing of a document in which one group has no coordinates, so the study answer
    stays out of it.
    """
    body = _measurement_report(draft, lesion_groups(draft.result), [])
    return _document(hd.sr.Comprehensive3DSR, draft, body)


def cleared_document(draft: Draft) -> Dataset:
    """In place of the lesions, where an earlier result outlined some and this one none: sentences that say so.

    Viewers show the newest document of a series; without it that would be the outlines of the superseded result.
    """
    where = f" on {draft.view}" if draft.view else ""
    findings = [
        f"The newest result of {draft.result.model.name} outlines no lesion{where}.",
        "The earlier reports of this series are superseded and no longer hold.",
    ]
    outcome = code(concepts.CONCLUSION, concepts.OUTCOME_SUMMARIES[draft.result.outcome])
    conclusions = [*_sentences(concepts.CONCLUSION, [NOT_VERIFIED, "See the text document of this result."]), outcome]
    return _document(hd.sr.Comprehensive3DSR, draft, _report(draft, findings, conclusions))


def attention_document(draft: Draft) -> Dataset:
    """Where the network looked closely: Comprehensive 3D SR, TID 1500 with a TID 1410 group for each box.

    They are no findings, so they stay out of the lesions document.
    """
    body = _measurement_report(draft, attention_groups(draft.result, draft.sources), [])
    return _document(hd.sr.Comprehensive3DSR, draft, body)


def text_document(draft: Draft, remarks: tuple[str, ...]) -> Dataset:
    """The text: Enhanced SR in the manner of TID 2000, in full sentences.

    Args:
        draft: What it is made from.
        remarks: Sentences on the other documents.
    """
    findings = findings_sentences(draft.result, draft.sources)
    conclusions = _sentences(concepts.CONCLUSION, conclusion_sentences(draft.result, draft.sources, remarks))
    outcome = code(concepts.CONCLUSION, concepts.OUTCOME_SUMMARIES[draft.result.outcome])
    cause = concepts.OUTCOME_CAUSES.get(draft.result.outcome)
    coded_conclusions = [outcome] if cause is None else [outcome, code(concepts.CONCLUSION, cause)]
    return _document(hd.sr.EnhancedSR, draft, _report(draft, findings, [*conclusions, *coded_conclusions]))


def _report(draft: Draft, findings: Iterable[str], conclusions: list[Dataset]) -> Dataset:
    """The tree of a report in the manner of TID 2000."""
    sections = [
        container(concepts.FINDINGS, _sentences(concepts.FINDING, findings)),
        container(concepts.CONCLUSIONS, conclusions),
    ]
    return root(concepts.DIAGNOSTIC_IMAGING_REPORT, [*_context(draft), *sections], "2000")


def _sentences(name: Code, sentences: Iterable[str]) -> list[Dataset]:
    return [text(name, sentence) for sentence in sentences]


def _context(draft: Draft) -> list[Dataset]:
    observer = language_and_observer(draft.result.model, draft.node)
    return [*observer, code(concepts.PROCEDURE_REPORTED, _procedure(draft.sources), HAS_CONCEPT_MOD)]


def _procedure(sources: Sources) -> Code:
    """The imaging exam: as the source codes it, else what its modality stands for."""
    for item in sources.patient.get("ProcedureCodeSequence", []):
        value, scheme, meaning = (item.get(k) for k in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
        if value and scheme and meaning:
            return Code(str(value), str(scheme), str(meaning))
    return concepts.procedure_concept(str(sources.first.get("Modality") or ""))


def _measurement_report(draft: Draft, groups: list[Dataset], root_evaluations: list[Dataset]) -> Dataset:
    items = [
        *_context(draft),
        image_library(draft.sources, draft.result.images),
        container(concepts.IMAGING_MEASUREMENTS, groups),
    ]
    if root_evaluations:
        items.append(container(concepts.QUALITATIVE_EVALUATIONS, root_evaluations))
    return root(concepts.IMAGING_MEASUREMENT_REPORT, items, "1500")


def _document(kind: Any, draft: Draft, body: Dataset) -> Dataset:
    # highdicom copies the whole tree twice and searches it for references; with an empty root it
    # writes the modules only, and the tree and our own references come afterwards.
    tree = body.ContentSequence
    body.ContentSequence = []
    document: Dataset = kind(
        evidence=[_header(draft.sources)],
        content=body,
        series_instance_uid=draft.series_instance_uid,
        series_number=1,
        sop_instance_uid=draft.sop_instance_uid,
        instance_number=draft.instance_number,
        is_complete=True,
    )
    document.ContentSequence = tree
    document.CurrentRequestedProcedureEvidenceSequence = _evidence_sequence(draft)
    if draft.superseded is not None:
        document.PredecessorDocumentsSequence = _predecessor(draft)
    return stamp(document, draft)


def _header(sources: Sources) -> Dataset:
    """A header with every attribute that highdicom reads; identity is stamped afterwards.

    The class only tells highdicom which modules to copy, so private classes do as well as public ones.
    """
    header = Dataset()
    for keyword in TYPE_2_IDENTITY:
        setattr(header, keyword, "")
    header.StudyInstanceUID = sources.patient.StudyInstanceUID
    header.SeriesInstanceUID = sources.first.SeriesInstanceUID
    header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, sources.first.SOPInstanceUID
    return header


def _evidence_sequence(draft: Draft) -> list[Dataset]:
    series: dict[str, list[Dataset]] = {}
    for uid, header in draft.sources.images.items():
        reference = _reference(str(header.SOPClassUID), uid)
        series.setdefault(str(header.SeriesInstanceUID), []).append(reference)
    return [_hierarchy(draft, series)]


def _predecessor(draft: Draft) -> list[Dataset]:
    if draft.superseded is None:
        return []
    reference = _reference(draft.superseded.sop_class_uid, draft.superseded.sop_instance_uid)
    return [_hierarchy(draft, {draft.series_instance_uid: [reference]})]


def _hierarchy(draft: Draft, series: dict[str, list[Dataset]]) -> Dataset:
    """An item of the SOP Instance Reference macro (PS3.3 table C.17-3)."""
    study = Dataset()
    study.ReferencedSeriesSequence = []
    for series_uid, references in series.items():
        item = Dataset()
        item.ReferencedSOPSequence = references
        item.SeriesInstanceUID = series_uid
        study.ReferencedSeriesSequence.append(item)
    study.StudyInstanceUID = draft.result.study_instance_uid
    return study


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = sop_class_uid
    reference.ReferencedSOPInstanceUID = sop_instance_uid
    return reference
