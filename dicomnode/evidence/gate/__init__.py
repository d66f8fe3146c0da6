"""The gate: what an evidence object must satisfy before it may leave the node.

Every check is a function from a `Subject` to sentences, one for each problem. Sentences name
attributes, items and UIDs, never a patient's name or ID.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import UID, SegmentationStorage

from dicomnode.evidence.gate import (
    answer,
    attributes,
    heat_map,
    lesions,
    notes,
    picture,
    presentation,
    report,
    segmentation,
    sides,
    study,
    tally,
    tree,
    values,
)
from dicomnode.evidence.gate.subject import SR_CLASSES, Subject, made_by_node

Check = Callable[[Subject], Iterator[str]]

ANY_OBJECT: tuple[Check, ...] = (attributes.required, attributes.uids, attributes.file_meta)
ANY_DOCUMENT: tuple[Check, ...] = (tree.tree, study.evidence, segmentation.segments, segmentation.frames)
OWN: tuple[Check, ...] = (
    values.own_values,
    attributes.series,
    attributes.contributing,
    attributes.no_private,
    attributes.no_identity_in_text,
    study.identity,
    study.predecessors,
    report.root,
    report.library,
    report.groups,
    answer.answer,
    answer.text,
    tally.tallies,
    answer.lesions_have_templates,
    lesions.regions,
    lesions.of_one_projection,
    segmentation.own_segments,
    segmentation.instances,
    segmentation.tracking,
    heat_map.heat_map,
    sides.sides,
    sides.of_projection,
    presentation.presentation,
    picture.picture,
)
# What takes a result back instead of giving one
OWN_NOTE: tuple[Check, ...] = (
    values.own_values,
    attributes.series,
    attributes.contributing,
    attributes.no_private,
    attributes.no_identity_in_text,
    study.identity,
    study.predecessors,
    notes.rejection,
    notes.withdrawal,
)


@dataclass(frozen=True, slots=True)
class Examination:
    """What `examine` found.

    Attributes:
        problems: One sentence for each failed check.
        unchecked: What was not looked at, and why.
    """

    problems: tuple[str, ...]
    unchecked: tuple[str, ...]


def check(
    dataset: Dataset,
    sources: Dataset | Sequence[Dataset] | None = None,
    known_uids: Callable[[str], bool] | None = None,
    companions: Sequence[Dataset] = (),
) -> tuple[str, ...]:
    """Check one of the node's own objects; an empty answer lets it pass.

    Args:
        dataset: The object, with file meta information.
        sources: Headers of the study's instances; identity, bounds and references are checked
            against them. A single header serves for the identity; then ``known_uids`` must say what exists.
        known_uids: Tells whether the study holds the instance of a SOP Instance UID.
        companions: The other documents of the same result.
    """
    headers = [sources] if isinstance(sources, Dataset) else list(sources or ())
    known = known_uids
    if known is None and isinstance(sources, Dataset):
        known = _anything
    by_uid = _by_uid(headers)
    subject = Subject(dataset, by_uid, known, tuple(companions))
    own = OWN_NOTE if subject.role == "rejection" or subject.is_withdrawal else OWN
    return _run((*ANY_OBJECT, *ANY_DOCUMENT, *own), subject)


def _by_uid(headers: Sequence[Dataset]) -> dict[str, Dataset]:
    # A truncated file may have lost its UID; such a one can be cited by nobody.
    return {str(header.SOPInstanceUID): header for header in headers if header.get("SOPInstanceUID")}


def _anything(_: str) -> bool:
    return True


def examine(dataset: Dataset, sources: Sequence[Dataset] = (), companions: Sequence[Dataset] = ()) -> Examination:
    """Check any DICOM object: the node's own in full, others as far as that makes sense."""
    unchecked = [] if sources else ["no source given: identity, bounds and existence of references"]
    if made_by_node(dataset):
        return Examination(check(dataset, sources or None, None, companions), tuple(unchecked))
    subject = Subject(dataset, _by_uid(sources), None, ())
    checks: tuple[Check, ...] = ANY_OBJECT
    kind = UID(str(dataset.get("SOPClassUID") or ""))
    if dataset.get("Modality") == "SR" or kind in SR_CLASSES or kind == SegmentationStorage:
        checks = (*checks, *ANY_DOCUMENT, *((study.identity,) if sources else ()))
        unchecked.append("not written by a dicomnode: its templates and house rules")
    else:
        unchecked.append(
            f"{kind.name or 'unknown SOP class'}: everything but common attributes, UIDs and file meta information"
        )
    return Examination(_run(checks, subject), tuple(unchecked))


def _run(checks: tuple[Check, ...], subject: Subject) -> tuple[str, ...]:
    return tuple(dict.fromkeys(problem for one in checks for problem in one(subject)))
