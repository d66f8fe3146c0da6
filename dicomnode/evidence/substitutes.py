"""Objects of older kinds that stand for documents which a target does not take.

A substitute is made from the stored document, so that it says what the document says, word for word and point for
point; its UIDs are derived from the document's, and it names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.evidence.drawn import pictures_instead, state_instead
from dicomnode.evidence.identity import evidence_series_uid
from dicomnode.evidence.ladder import Form, substitute_kind
from dicomnode.evidence.retyping import retyped


@dataclass(frozen=True, slots=True)
class Original:
    """A stored document that a substitute is wanted for.

    Attributes:
        dataset: The document, with file meta information.
        model_name: Of the model that answered.
        kind: Which document, such as ``segmentation-2``.
    """

    dataset: Dataset
    model_name: str
    kind: str


def build_substitute(original: Original, form: Form, paths: Mapping[str, Path]) -> Dataset:
    """The substitute of a document; the same document gives the same bytes.

    Args:
        original: What it stands for.
        form: What kind of object it is.
        paths: File of each of the study's instances by SOP Instance UID.

    Raises:
        InputError: It cannot be said in that form.
    """
    kind = substitute_kind(original.kind, form)
    study = str(original.dataset.StudyInstanceUID)
    series = evidence_series_uid(study, original.model_name, kind)
    if form == "presentation":
        return state_instead(original.dataset, series, paths)
    if form == "picture":
        return pictures_instead(original.dataset, series, paths)
    return retyped(original.dataset, form, series)
