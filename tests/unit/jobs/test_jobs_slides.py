"""A slide and a smear through routing and the worker: counted, written, and kept in the results."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from pydicom import dcmread

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState, EvidenceState
from dicomnode.bundles import bundle_digest
from dicomnode.jobs.deployed import Shelf, deployed_models
from dicomnode.jobs.dispatch import route_unrouted
from dicomnode.jobs.worker import Worker
from dicomnode.settings import Settings
from tests.archives import at, complete, put
from tests.slides import make_cells, make_pictures, make_slide

TISSUE = np.full((12, 16, 16, 3), (210, 140, 190), np.uint8)
OUTCOMES = ("findings", "no_findings")


@pytest.fixture
def answer(tmp_path, make_colour_bundle):
    """A function that puts files into an archive, routes them to one bundle and gives its job's result and evidence."""
    archives = []

    def run(unit, paths):
        bundle = make_colour_bundle(unit)
        settings = Settings.model_validate(
            {
                "node": {"data_dir": tmp_path / "data", "deterministic": True},
                "infer": {"device": "cpu"},
                "models": {"folder": bundle.parent},
            }
        )
        archive = Archive.open(settings)
        archives.append(archive)
        archive.deployments.approve(bundle.name, bundle_digest(bundle), DeploymentState.LIVE, at(0))
        stored = [put(archive, path.read_bytes()) for path in paths]
        study = stored[0].instance.study_instance_uid
        complete(archive, study, at(1))
        models = partial(deployed_models, Shelf(bundle.parent), archive.deployments)
        assert route_unrouted(archive, models, settings, lambda: at(2)) == 1
        assert Worker(archive, settings, "w", lambda: at(3)).work_once()
        [job] = archive.jobs.list()
        return json.loads(job.result_json), {item.role: item for item in archive.evidence.list(study)}

    yield run
    for archive in archives:
        archive.close()


def test_a_slide_is_answered_with_counts_and_a_heat_map(answer, tmp_path):
    result, evidence = answer("tile", [make_slide(tmp_path, spacing=(0.004, 0.004), pixels=TISSUE)])
    assert result["outcome"] in OUTCOMES
    assert result["answer"]["tally"]["unit"] == "tile" and result["answer"]["tally"]["examined"] == 2
    assert result["heat_maps"][0]["examined"] == 2
    assert {item.state for item in evidence.values()} == {EvidenceState.READY}
    heat_map = dcmread(evidence["heat-map"].path)
    assert heat_map.Modality == "SEG" and heat_map.SegmentationType == "FRACTIONAL"
    highest = heat_map.pixel_array.max() / heat_map.MaximumFractionalValue
    assert highest == pytest.approx(result["heat_maps"][0]["highest"], abs=0.003)


def test_a_slide_without_tissue_is_refused_and_says_so(answer, tmp_path):
    result, evidence = answer("tile", make_pictures(tmp_path, 1, shape=(64, 64), pixel_spacing=(0.004, 0.004)))
    assert result["outcome"] == "refused" and "no tissue" in result["reason"]
    assert "heat-map" not in evidence


def test_cells_are_counted(answer, tmp_path):
    result, evidence = answer("cell", [make_cells(tmp_path, count=4)])
    assert result["outcome"] in OUTCOMES
    assert result["answer"]["tally"]["unit"] == "cell" and result["answer"]["tally"]["examined"] == 4
    assert {"answer", "text"} <= set(evidence) and {item.state for item in evidence.values()} == {EvidenceState.READY}
