"""What routing would say of files that did not come in: the same decision, on a study made of their headers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dicomnode.archive.records import JobKind, NewJob, PatientStudy, StudyRecord, StudyState
from dicomnode.dicom.header import InstanceHeader
from dicomnode.jobs.routing import DeployedModel, route, rules_for
from dicomnode.settings import Settings
from dicomnode.study import Instance, Series, Study

_NOWHERE = Path("/")  # these instances have no file


@dataclass(frozen=True, slots=True)
class Sent:
    """How a study would come in.

    Attributes:
        called_ae_title: AE title that it would be sent to; empty for none, as by STOW-RS.
        calling_ae_title: AE title that would send it; empty for none.
    """

    called_ae_title: str = ""
    calling_ae_title: str = ""


@dataclass(frozen=True, slots=True)
class ModelTrial:
    """What would become of a study and a model.

    Attributes:
        model_name: Its name.
        kind: What its job would do; None if it got none.
        line: What the trace would say.
        rules: Numbers of the rules that give it the study, from 1; without rules every model is tried.
        targets: Where its answer would go.
        silent: Whether the answer would stay here.
    """

    model_name: str
    kind: JobKind | None
    line: str
    rules: tuple[int, ...]
    targets: tuple[str, ...]
    silent: bool


@dataclass(frozen=True, slots=True)
class StudyTrial:
    """What would become of a study.

    Attributes:
        study: As the files make it.
        models: One entry per model.
        lines: What the trace would say of the study as a whole.
    """

    study: Study
    models: tuple[ModelTrial, ...]
    lines: tuple[str, ...]


def try_routing(
    headers: Sequence[InstanceHeader], sent: Sent, deployed: Sequence[DeployedModel], settings: Settings, now: datetime
) -> list[StudyTrial]:
    """What every deployed model would be asked, for each study of the files.

    Args:
        headers: Of the files; the same instance twice counts once.
        sent: How they would come in.
        deployed: Every bundle in the folder, approved or not.
        settings: For the rules and targets.
        now: Present time.
    """
    by_study: dict[str, dict[str, InstanceHeader]] = defaultdict(dict)
    for header in headers:
        by_study[header.study_instance_uid][header.sop_instance_uid] = header
    return [
        _tried(_study(list(found.values()), sent), deployed, settings, now) for _, found in sorted(by_study.items())
    ]


def _tried(study: Study, deployed: Sequence[DeployedModel], settings: Settings, now: datetime) -> StudyTrial:
    decision = route(study, _record(study, now), deployed, settings)
    jobs = {job.model_name: job for job in decision.jobs}
    models = [
        _model(name, line, jobs.get(name), rules_for(name, study, settings))
        for name, line in decision.lines
        if name is not None
    ]
    return StudyTrial(study, tuple(models), tuple(line for name, line in decision.lines if name is None))


def _model(name: str, line: str, job: NewJob | None, rules: tuple[int, ...]) -> ModelTrial:
    if job is None:
        return ModelTrial(name, None, line, rules, (), silent=False)
    return ModelTrial(name, job.kind, line, rules, job.targets, job.silent)


def _study(headers: Sequence[InstanceHeader], sent: Sent) -> Study:
    by_series: dict[str, list[InstanceHeader]] = defaultdict(list)
    for header in headers:
        by_series[header.series_instance_uid].append(header)
    series = [_series(found) for found in by_series.values()]
    return Study(
        study_instance_uid=headers[0].study_instance_uid,
        description=headers[0].study_description,
        generation=1,
        called_ae_titles=(sent.called_ae_title,) if sent.called_ae_title else (),
        calling_ae_titles=(sent.calling_ae_title,) if sent.calling_ae_title else (),
        series=tuple(sorted(series, key=lambda item: (item.series_number or 0, item.series_instance_uid))),
    )


def _series(headers: Sequence[InstanceHeader]) -> Series:
    first = headers[0]
    return Series(
        series_instance_uid=first.series_instance_uid,
        study_instance_uid=first.study_instance_uid,
        modality=first.modality,
        description=first.series_description,
        body_part_examined=first.body_part_examined.upper(),
        series_number=first.series_number,
        instances=tuple(_instance(header) for header in headers),
    )


def _instance(header: InstanceHeader) -> Instance:
    return Instance(
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        transfer_syntax_uid=header.transfer_syntax_uid,
        path=_NOWHERE,
        sha256="",
        modality=header.modality,
        instance_number=header.instance_number,
        number_of_frames=header.number_of_frames,
    )


def _record(study: Study, now: datetime) -> StudyRecord:
    """A study that has just become complete and whose patient is in no doubt."""
    instances = [instance for series in study.series for instance in series.instances]
    return StudyRecord(
        study_instance_uid=study.study_instance_uid,
        state=StudyState.COMPLETE,
        generation=1,
        routed_generation=0,
        first_arrival=now,
        last_arrival=now,
        completed_at=now,
        identity_conflict=None,
        source_instances=len(instances),
        number_of_series=len(study.series),
        number_of_instances=len(instances),
        modalities=tuple(sorted({series.modality for series in study.series})),
        sop_classes=tuple(sorted({instance.sop_class_uid for instance in instances})),
        attributes=PatientStudy(),
    )
