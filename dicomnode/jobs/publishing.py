"""From a result to what the archive keeps: documents, the gate's verdict on each, and who gets them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from dicomnode import __version__
from dicomnode.archive import Archive
from dicomnode.archive.records import Evidence, EvidenceState, Job, NewEvidence
from dicomnode.evidence import (
    EvidenceObject,
    NodeIdentity,
    PreviousEvidence,
    build_evidence,
    check,
    evidence_instance_uid,
    evidence_series_uid,
    to_bytes,
)
from dicomnode.evidence.correcting import StudyIdentity, give_identity, identity_of
from dicomnode.evidence.identity import kinds, role_of
from dicomnode.evidence.sources import read_headers
from dicomnode.findings import Outcome, Result
from dicomnode.settings import OutcomeSwitches, TargetSettings
from dicomnode.study import Study

_log = logging.getLogger(__name__)
# A failure is tried again on the same input; each of the others stays what it was.
_LASTING = (Outcome.FINDINGS, Outcome.REFUSED, Outcome.OUT_OF_SCOPE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the end of a job writes.

    Attributes:
        evidence: Documents whose files are durable.
        result_json: For the pages.
    """

    evidence: tuple[NewEvidence, ...]
    result_json: str


def finished_answer(archive: Archive, job: Job, input_digest: str) -> Answer | None:
    """The answer to this very question if it was given before; None if it was not.

    Asked again (a study completed anew with the same images for this model), the stored bytes
    are the answer: same input, same output UIDs.
    """
    kept = {evidence.sop_instance_uid: evidence for evidence in archive.evidence.list(job.study_instance_uid)}
    for outcome in _LASTING:
        uids = (_uid(job, kind, input_digest, outcome) for kind in kinds())
        found = [kept[uid] for uid in uids if uid in kept]
        if found:
            before = archive.jobs.get(found[0].job_id)
            return Answer(tuple(_again(evidence) for evidence in found), before.result_json or "{}")
    return None


def write_answer(archive: Archive, study: Study, result: Result, result_json: str, ae_title: str) -> Answer:
    """Write the documents of a result and let the gate judge each.

    Args:
        archive: Takes the files.
        study: With every source instance.
        result: What the model said.
        result_json: The same, for the pages.
        ae_title: The node's own.

    Raises:
        InputError: None of the study's files can be read.
    """
    paths = [instance.path for series in study.series for instance in series.instances]
    headers = read_headers(paths)
    node = NodeIdentity(ae_title, __version__)
    objects = build_evidence(result, paths, _previous(archive, result), node, headers)
    documents = [item.dataset for item in objects]
    settled = _settled(archive, study, headers)
    if settled is not None:
        for dataset in (*documents, *headers):
            give_identity(dataset, settled)
    kept = tuple(_keep(archive, result, item, _problems(item, headers, documents)) for item in objects)
    return Answer(kept, result_json)


def _settled(archive: Archive, study: Study, headers: Sequence[Dataset]) -> StudyIdentity | None:
    """Whose the study is by an administrator's word, where its files name several patients; None where they agree."""
    whose = archive.studies.record(study.study_instance_uid).attributes
    if all(identity_of(header).patient_id == whose.patient_id for header in headers):
        return None
    return StudyIdentity(
        whose.patient_id,
        whose.issuer_of_patient_id,
        whose.patient_name,
        whose.patient_birth_date,
        whose.accession_number,
    )


def targets_for(outcome: Outcome, names: Sequence[str], targets: Sequence[TargetSettings]) -> tuple[str, ...]:
    """Those of the named targets that exist and want an answer of this kind."""
    return tuple(target.name for target in targets if target.name in names and _wants(target.send, outcome))


def addressed(evidence: Sequence[NewEvidence], targets: Sequence[TargetSettings]) -> tuple[NewEvidence, ...]:
    """The documents, each with the targets that do not want its kind."""
    return tuple(
        replace(document, unwanted_by=tuple(target.name for target in targets if not takes(target.send, document.role)))
        for document in evidence
    )


def takes(switches: OutcomeSwitches, kind: str) -> bool:
    """Whether a target wants documents of a kind, by its settings."""
    switched: dict[str, bool] = {
        "heat-map": switches.heat_map,
        "attention": switches.attention,
        "presentation": switches.presentation_state,
        "picture": switches.picture,
    }
    return switched.get(role_of(kind) or "", True)


def _wants(switches: OutcomeSwitches, outcome: Outcome) -> bool:
    switched = {
        Outcome.OUT_OF_SCOPE: switches.out_of_scope,
        Outcome.REFUSED: switches.refused,
        Outcome.FAILED: switches.failed,
    }
    return switched.get(outcome, True)


def _uid(job: Job, kind: str, input_digest: str, outcome: Outcome) -> str:
    series = evidence_series_uid(job.study_instance_uid, job.model_name, kind)
    return evidence_instance_uid(series, input_digest, job.bundle_digest, kind, outcome)


def _previous(archive: Archive, result: Result) -> dict[str, PreviousEvidence]:
    previous: dict[str, PreviousEvidence] = {}
    for kind in kinds():
        row = archive.evidence.previous(evidence_series_uid(result.study_instance_uid, result.model.name, kind))
        if row is not None:
            previous[kind] = PreviousEvidence(row.sop_instance_uid, row.sop_class_uid, row.instance_number)
    return previous


def _problems(item: EvidenceObject, headers: Sequence[Dataset], documents: Sequence[Dataset]) -> tuple[str, ...]:
    known = {str(header.get("SOPInstanceUID", "")) for header in headers}
    companions = [document for document in documents if document is not item.dataset]
    return check(item.dataset, headers, known.__contains__, companions)


def _keep(archive: Archive, result: Result, item: EvidenceObject, problems: tuple[str, ...]) -> NewEvidence:
    if problems:
        _log.warning("study %s: %s quarantined: %s", result.study_instance_uid, item.kind, "; ".join(problems))
    return NewEvidence(
        sop_instance_uid=item.sop_instance_uid,
        sop_class_uid=str(item.dataset.SOPClassUID),
        series_instance_uid=item.series_instance_uid,
        study_instance_uid=result.study_instance_uid,
        model_name=result.model.name,
        role=item.kind,
        path=archive.evidence.write_file(to_bytes(item.dataset), item.sop_instance_uid),
        instance_number=item.instance_number,
        state=EvidenceState.QUARANTINED if problems else EvidenceState.READY,
        reason="; ".join(problems),
    )


def _again(evidence: Evidence) -> NewEvidence:
    return NewEvidence(
        evidence.sop_instance_uid,
        evidence.sop_class_uid,
        evidence.series_instance_uid,
        evidence.study_instance_uid,
        evidence.model_name,
        evidence.role,
        evidence.path,
        evidence.instance_number,
        evidence.state,
        evidence.reason,
    )
