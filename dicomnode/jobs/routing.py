"""Which deployed model is asked about a study, and why each of the others is not: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dicomnode.archive.records import STAT_PRIORITY, DeploymentState, JobKind, NewJob, StudyRecord
from dicomnode.bundles.metadata import Accepts
from dicomnode.bundles.scope import why_out_of_scope
from dicomnode.dicom.kinds import is_image
from dicomnode.settings import RuleSettings, Settings
from dicomnode.study import Series, Study

_EVERY_MODEL = "*"


@dataclass(frozen=True, slots=True)
class DeployedModel:
    """A model in the bundle folder, and whether it may run.

    Attributes:
        name: Bundle name.
        digest: Digest of the bundle as it lies there; empty if it cannot be read.
        state: What the administrator set; off while its digest waits for approval.
        accepts: What input it is made for; None if the bundle cannot be read.
        problem: Why it cannot run at all, and what to do; empty if it can.
        takes_all_series: Whether it looks at all series that fit together, as a model of mammography exams does; any
            other looks at one.
    """

    name: str
    digest: str
    state: DeploymentState
    accepts: Accepts | None
    problem: str = ""
    takes_all_series: bool = False


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """What follows for one generation of a study.

    Attributes:
        jobs: What the workers are to do.
        lines: For the trace: model name (None: the study as a whole) and one line each.
    """

    jobs: tuple[NewJob, ...]
    lines: tuple[tuple[str | None, str], ...]


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the rules say about a study and a model.

    Attributes:
        modality: The rules' modalities; empty means any.
        targets: Where answers go.
        asked_by: How the model was asked for by name, so that 'out of scope' is an answer too; else empty.
        is_urgent: Whether it goes before routine studies.
    """

    modality: frozenset[str]
    targets: tuple[str, ...]
    asked_by: str
    is_urgent: bool = False


def route(study: Study, record: StudyRecord, deployed: Sequence[DeployedModel], settings: Settings) -> RoutingDecision:
    """Decide for every deployed model whether the study is its business.

    Without rules every model is tried on every study. A rule that names a model and a called AE title
    asks for that model: a study that is not its business then gets an out-of-scope answer instead of
    a trace line only.

    Args:
        study: The study, without the node's own results.
        record: Its row in the index; tells an identity conflict.
        deployed: Every bundle in the folder, approved or not.
        settings: For the rules and the names of the targets.
    """
    jobs: list[NewJob] = []
    lines: list[tuple[str | None, str]] = []
    if not deployed:
        lines.append((None, "no model to ask: the bundle folder is empty"))
    for model in sorted(deployed, key=lambda item: item.name):
        job, line = _ask(model, study, record, settings)
        lines.append((model.name, line))
        if job is not None:
            jobs.append(job)
    return RoutingDecision(tuple(jobs), tuple(lines))


def asked_for(model_name: str, study: Study, settings: Settings) -> bool:
    """Whether a rule asks for this model by name for studies sent to this called AE title."""
    claim = _claim(model_name, study, settings)
    return claim is not None and bool(claim.asked_by)


def rules_for(model_name: str, study: Study, settings: Settings) -> tuple[int, ...]:
    """Which rules give a study to a model, counted from 1 in the order of the settings."""
    rules = enumerate(settings.rules, start=1)
    return tuple(number for number, rule in rules if _applies(rule, model_name, study))


def best_series(study: Study, accepts: Accepts) -> Series | None:
    """The series of a study that a model would be asked about, None if none fits."""
    chosen, _ = _choose(study, accepts, frozenset(), takes_all=False)
    return chosen[0] if chosen else None


def _ask(model: DeployedModel, study: Study, record: StudyRecord, settings: Settings) -> tuple[NewJob | None, str]:
    if model.problem or model.accepts is None:
        return None, f"not run: {model.problem}"
    if model.state is DeploymentState.OFF:
        return None, "not run: state off"
    if record.quarantined:
        uid = study.study_instance_uid
        return None, f"not run: quarantined: {record.quarantined}; dicomnode retry study {uid} releases it"
    claim = _claim(model.name, study, settings)
    if claim is None:
        return None, "not run: no rule gives this study to it"
    chosen, why = _choose(study, model.accepts, claim.modality, model.takes_all_series)
    if not chosen and not claim.asked_by:
        return None, f"not run: {why}"
    if record.identity_conflict:
        return _job(model, claim, chosen, JobKind.REFUSED, f"patient identity: {record.identity_conflict}")
    if not chosen:
        return _job(model, claim, (), JobKind.OUT_OF_SCOPE, f"asked for by {claim.asked_by}, but {why}")
    return _job(model, claim, chosen, JobKind.INFER, why)


def _claim(model_name: str, study: Study, settings: Settings) -> _Claim | None:
    every = tuple(target.name for target in settings.targets)
    if not settings.rules:
        return _Claim(frozenset(), every, "")
    rules = [settings.rules[number - 1] for number in rules_for(model_name, study, settings)]
    if not rules:
        return None
    named = [rule.targets for rule in rules]
    wanted = set(every) if None in named else {name for names in named for name in names or ()}
    any_modality = any(not rule.modality for rule in rules)
    return _Claim(
        modality=frozenset() if any_modality else frozenset(item for rule in rules for item in rule.modality),
        targets=tuple(name for name in every if name in wanted),
        asked_by=next((f"called AE title {r.called_ae_title}" for r in rules if _asks(r)), ""),
        is_urgent=any(rule.priority == "stat" for rule in rules),
    )


def _asks(rule: RuleSettings) -> bool:
    return rule.model != _EVERY_MODEL and rule.called_ae_title is not None


def _applies(rule: RuleSettings, model_name: str, study: Study) -> bool:
    modalities = {series.modality for series in study.series}
    return (
        rule.model in (_EVERY_MODEL, model_name)
        and (rule.called_ae_title is None or rule.called_ae_title in study.called_ae_titles)
        and (rule.calling_ae_title is None or rule.calling_ae_title in study.calling_ae_titles)
        and (not rule.modality or bool(modalities & set(rule.modality)))
    )


def _choose(
    study: Study, accepts: Accepts, modality: frozenset[str], takes_all: bool
) -> tuple[tuple[Series, ...], str]:
    """The series that the model is asked about, none if none fits, and why these."""
    candidates = [series for series in map(_images_only, study.series) if series.instances]
    if not candidates:
        return (), "the study holds no images"
    fitting: list[Series] = []
    reasons: list[str] = []
    for series in candidates:
        why = why_out_of_scope(accepts, series)
        if why is None and modality and series.modality not in modality:
            why = f"modality {series.modality} is not in the rule"
        if why is None:
            fitting.append(series)
        elif why not in reasons:
            reasons.append(why)
    if not fitting:
        prefix = "" if len(candidates) == 1 else f"none of {len(candidates)} series fits: "
        return (), prefix + "; ".join(reasons)
    if takes_all:
        return tuple(fitting), _together_line(fitting, len(candidates))
    # max keeps the first of equals: the lowest Series Number, then UID
    best = max(fitting, key=_image_count)
    return (best,), _chosen_line(best, len(fitting), len(candidates))


def _images_only(series: Series) -> Series:
    images = tuple(instance for instance in series.instances if is_image(instance.sop_class_uid))
    return replace(series, instances=images)


def _image_count(series: Series) -> int:
    return sum(instance.number_of_frames for instance in series.instances)


def _chosen_line(best: Series, fitting: int, candidates: int) -> str:
    images = _images(_image_count(best))
    if candidates == 1:
        return f"series {best.series_instance_uid} ({images})"
    why = "the only one that fits" if fitting == 1 else f"most images of {fitting} that fit"
    return f"series {best.series_instance_uid} of {candidates}: {why} ({images})"


def _together_line(fitting: Sequence[Series], candidates: int) -> str:
    if len(fitting) == 1:
        return _chosen_line(fitting[0], 1, candidates)
    which = f"all {candidates} series" if len(fitting) == candidates else f"{len(fitting)} of {candidates} series"
    images = _images(sum(map(_image_count, fitting)))
    uids = ", ".join(series.series_instance_uid for series in fitting)
    return f"{which} together as one exam ({images}): {uids}"


def _images(count: int) -> str:
    return f"{count} image" + ("" if count == 1 else "s")


def _job(
    model: DeployedModel, claim: _Claim, chosen: Sequence[Series], kind: JobKind, reason: str
) -> tuple[NewJob, str]:
    silent = model.state is DeploymentState.SILENT
    job = NewJob(
        model_name=model.name,
        bundle_digest=model.digest,
        kind=kind,
        reason=reason,
        series_instance_uids=tuple(series.series_instance_uid for series in chosen),
        targets=() if silent else claim.targets,
        silent=silent,
        awaits_priors=kind is JobKind.INFER and model.accepts is not None and model.accepts.priors is not None,
        priority=STAT_PRIORITY if claim.is_urgent else 0,
    )
    verb = {JobKind.INFER: "runs on", JobKind.REFUSED: "refused:", JobKind.OUT_OF_SCOPE: "out of scope:"}[kind]
    where = "silent: computed, never sent" if silent else f"answer to {', '.join(claim.targets) or 'no target'}"
    asked = f"; asked for by {claim.asked_by}" if claim.asked_by and kind is JobKind.INFER else ""
    asked += "; waits for earlier studies" if job.awaits_priors else ""
    asked += "; urgent" if claim.is_urgent else ""
    return job, f"{verb} {reason}{asked}; {where}"
