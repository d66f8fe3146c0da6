"""A withdrawn report: supersedes a report of the result in its own series and says that the result is taken back.

For targets that do not act on rejection notes: viewers show the newest document of a series, and this is it.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomnode.dicom.uids import derive_uid
from dicomnode.evidence import concepts
from dicomnode.evidence.content import code, composite, container, image, text
from dicomnode.evidence.identity import EvidenceObject, Role
from dicomnode.evidence.withdrawn import Withdrawal, context_of, fill, hierarchy, is_image, note_like
from dicomnode.study import SourceReference


def withdrawn_report(withdrawal: Withdrawal, report: Dataset, role: Role) -> EvidenceObject:
    """Write a withdrawn report, in the manner of TID 2000, of the same class as the one that it supersedes.

    A target that took one report of a class takes another.

    Args:
        withdrawal: What is withdrawn.
        report: The newest report (SR) of one series of the result; it is superseded.
        role: Which document that was.
    """
    series, predecessor = str(report.SeriesInstanceUID), str(report.SOPInstanceUID)
    uid, number = derive_uid(series, predecessor, "withdrawn"), int(report.InstanceNumber) + 1
    note = note_like(report, str(report.SOPClassUID), uid, withdrawal)
    note.Modality = "SR"
    note.SeriesInstanceUID, note.SeriesNumber = series, report.SeriesNumber
    note.SeriesDescription, note.InstanceNumber = report.SeriesDescription, number
    # Complete and final, for nothing is added to it; and unverified, for a machine never verifies.
    note.CompletionFlag, note.VerificationFlag, note.PreliminaryFlag = "COMPLETE", "UNVERIFIED", "FINAL"
    note.PerformedProcedureCodeSequence = []
    superseded = SourceReference(str(report.SOPClassUID), predecessor, series)
    note.PredecessorDocumentsSequence = [hierarchy(str(report.StudyInstanceUID), [superseded])]
    items = [*context_of(report), container(concepts.CONCLUSIONS, _conclusions(withdrawal, report))]
    fill(note, concepts.DIAGNOSTIC_IMAGING_REPORT, "2000", items, withdrawal)
    return EvidenceObject(role, role, note, uid, series, number)


def _conclusions(withdrawal: Withdrawal, report: Dataset) -> list[Dataset]:
    made = f"{report.ContentDate[:4]}-{report.ContentDate[4:6]}-{report.ContentDate[6:]}"
    count = len(withdrawal.objects)
    sentences = (
        f"The result of {withdrawal.model_name} of {made} was withdrawn. Do not use it.",
        withdrawal.sentence(),
        f"This concerns the {count} object{'' if count == 1 else 's'} named here, earlier reports of this series too.",
        "No other result takes its place. This notice was written by a machine and is not verified.",
    )
    return [
        *(text(concepts.CONCLUSION, sentence) for sentence in sentences),
        code(concepts.CONCLUSION, concepts.RESULT_WITHDRAWN),
        *(_named(item) for item in withdrawal.objects),
    ]


def _named(item: SourceReference) -> Dataset:
    return (image if is_image(item) else composite)(concepts.WITHDRAWN_OBJECT, item)
