"""Routing of what is complete: reads the study, decides, writes the decision in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState, StudyRecord
from dicomnode.archive.replays import Replay
from dicomnode.jobs.routing import DeployedModel, RoutingDecision, route
from dicomnode.settings import Settings
from dicomnode.study import Study

_log = logging.getLogger(__name__)


def route_unrouted(
    archive: Archive,
    deployed: Callable[[], Sequence[DeployedModel]],
    settings: Settings,
    clock: Callable[[], datetime],
) -> int:
    """Route every complete study whose generation is not routed yet; returns how many were.

    Args:
        archive: Holds the studies; takes the jobs.
        deployed: Gives the models; only called if there is something to route.
        settings: For the rules and targets.
        clock: Present time, with time zone.
    """
    unrouted = archive.jobs.unrouted()
    models = deployed() if unrouted else ()
    routed = 0
    for study_instance_uid, generation in unrouted:
        study = archive.studies.get(study_instance_uid)
        if study.generation != generation:
            continue  # a late image re-opened and closed it in between; the next round sees the newer one
        record = archive.studies.record(study_instance_uid)
        asked = _asked(models, archive.replays.asked(study_instance_uid))
        decision = _decided(archive, study, record, asked, settings)
        if archive.jobs.add_all(study_instance_uid, generation, decision.jobs, decision.lines, clock()):
            routed += 1
            _log.info("study %s generation %d: %d job(s)", study_instance_uid, generation, len(decision.jobs))
    return routed


def _decided(
    archive: Archive, study: Study, record: StudyRecord, models: Sequence[DeployedModel], settings: Settings
) -> RoutingDecision:
    moved_by = [pacs.ae_title for pacs in settings.pacs if pacs.ae_title and pacs.fetched_by == "c-move"]
    if archive.priors.came_as_prior(study.study_instance_uid, moved_by):
        return RoutingDecision((), ((None, "came as a prior of another study: not analysed by itself"),))
    return route(study, record, models, settings)


def _asked(models: Sequence[DeployedModel], replay: Replay | None) -> tuple[DeployedModel, ...]:
    """The models that are asked about a study: all of them, unless a replay names one or wants silence."""
    asked = tuple(models)
    if replay is not None and replay.model_name:
        asked = tuple(model for model in asked if model.name == replay.model_name)
    if replay is not None and replay.silent:
        asked = tuple(_silenced(model) for model in asked)
    return asked


def _silenced(model: DeployedModel) -> DeployedModel:
    return replace(model, state=DeploymentState.SILENT) if model.state is DeploymentState.LIVE else model
