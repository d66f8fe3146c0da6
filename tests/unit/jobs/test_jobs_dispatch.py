"""Routing of complete studies into the archive, once per generation."""

from __future__ import annotations

import pytest

from dicomnode.archive.records import DeploymentState, JobKind
from dicomnode.bundles.metadata import Accepts
from dicomnode.jobs.dispatch import route_unrouted
from dicomnode.jobs.routing import DeployedModel
from dicomnode.settings import Settings
from tests.archives import at, complete, make_file, open_archive, put

MODEL = DeployedModel("brain", "d" * 64, DeploymentState.LIVE, Accepts(modality=("MR",)))


@pytest.fixture
def archive(tmp_path):
    with open_archive(tmp_path / "node") as opened:
        yield opened


def run(archive, *models):
    return route_unrouted(archive, lambda: models, Settings(), lambda: at(5))


def test_a_study_is_routed_once_per_generation_and_traced(archive):
    put(archive, make_file())
    assert run(archive, MODEL) == 0
    complete(archive)
    assert run(archive, MODEL) == 1
    assert run(archive, MODEL) == 0
    [job] = archive.jobs.list()
    assert (job.kind, job.generation, job.series_instance_uids) == (JobKind.INFER, 1, ("1.2.3.9",))
    lines = [entry.text for entry in archive.traces.list("1.2.3") if entry.model_name == "brain"]
    assert lines == ["runs on series 1.2.3.9 (1 image); answer to no target"]


def test_a_late_image_routes_anew_and_supersedes_what_waits(archive):
    put(archive, make_file())
    complete(archive)
    run(archive, MODEL)
    put(archive, make_file("1.2.3.2"))
    complete(archive)
    assert run(archive, MODEL) == 1
    assert [str(job.state) for job in archive.jobs.list()] == ["superseded", "waiting"]


def test_models_are_only_looked_up_if_there_is_something_to_route(archive):
    def never():
        raise AssertionError("nothing to route")

    assert route_unrouted(archive, never, Settings(), lambda: at(5)) == 0
