"""A structured report as one of an older SOP class, where its content fits into that (PS3.3 A.35.1 to A.35.3)."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomnode.errors import InputError
from dicomnode.evidence.ladder import CLASS_OF_FORM, Form, substitute_uid

_TEXT = frozenset({"TEXT", "CODE", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME", "COMPOSITE", "IMAGE", "WAVEFORM"})
_ENHANCED = _TEXT | {"CONTAINER", "NUM", "SCOORD", "TCOORD"}
# PS3.3 tables A.35.1-2, A.35.2-2 and A.35.3-2.
_VALUE_TYPES: Mapping[Form, frozenset[str]] = {
    "basic-text": _TEXT | {"CONTAINER"},
    "enhanced": _ENHANCED,
    "comprehensive": _ENHANCED,
}


def retyped(original: Dataset, form: Form, series_instance_uid: str) -> Dataset:
    """The same tree under an older SOP class, in a series of its own, with the original among its predecessors.

    Raises:
        InputError: The tree holds what the older class does not know.
    """
    _require_fit(original, form)
    document = copy.deepcopy(original)
    document.SOPClassUID = UID(CLASS_OF_FORM[form])
    document.SOPInstanceUID = UID(substitute_uid(original.SOPInstanceUID, form))
    document.SeriesInstanceUID = series_instance_uid
    document.file_meta.MediaStorageSOPClassUID = document.SOPClassUID
    document.file_meta.MediaStorageSOPInstanceUID = document.SOPInstanceUID
    document.PredecessorDocumentsSequence = [_predecessors(original, form, series_instance_uid)]
    return document


def _require_fit(original: Dataset, form: Form) -> None:
    for item in _items(original):
        if item.get("ValueType") not in _VALUE_TYPES[form]:
            raise InputError(f"it holds a {item.get('ValueType')}, which a report of form {form} may not")
        if "ReferencedContentItemIdentifier" in item and form != "comprehensive":
            raise InputError(f"it holds a relationship by reference, which a report of form {form} may not")


def _items(item: Dataset) -> list[Dataset]:
    below = [found for child in item.get("ContentSequence") or [] for found in _items(child)]
    return [item, *below]


def _predecessors(original: Dataset, form: Form, series_instance_uid: str) -> Dataset:
    """The original, whose content is included whole (PS3.3 C.17.2), and the substitutes of its predecessors."""
    study = Dataset()
    study.ReferencedSeriesSequence = [
        _series(str(original.SeriesInstanceUID), [(original.SOPClassUID, original.SOPInstanceUID)])
    ]
    before = [
        (CLASS_OF_FORM[form], substitute_uid(reference.ReferencedSOPInstanceUID, form))
        for document in original.get("PredecessorDocumentsSequence") or []
        for series in document.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    ]
    if before:
        study.ReferencedSeriesSequence.append(_series(series_instance_uid, before))
    study.StudyInstanceUID = original.StudyInstanceUID
    return study


def _series(series_instance_uid: str, references: list[tuple[str, str]]) -> Dataset:
    item = Dataset()
    item.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in references:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        item.ReferencedSOPSequence.append(reference)
    item.SeriesInstanceUID = series_instance_uid
    return item
