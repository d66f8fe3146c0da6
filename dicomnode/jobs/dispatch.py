"""Routing of what is complete: reads the study, decides, writes the decision in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.jobs.routing import DeployedModel, route
from dicomnode.settings import Settings

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
        decision = route(study, record, models, settings)
        if archive.jobs.add_all(study_instance_uid, generation, decision.jobs, decision.lines, clock()):
            routed += 1
            _log.info("study %s generation %d: %d job(s)", study_instance_uid, generation, len(decision.jobs))
    return routed
