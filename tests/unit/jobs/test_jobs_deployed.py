"""What is in the bundle folder, against what was approved."""

from __future__ import annotations

import shutil

import pytest

from dicomnode.archive.records import DeploymentState
from dicomnode.bundles import bundle_digest
from dicomnode.jobs.deployed import Shelf, deployed_models
from tests.archives import at, open_archive


@pytest.fixture
def archive(tmp_path):
    with open_archive(tmp_path / "node") as opened:
        yield opened


@pytest.fixture
def folder(make_bundle):
    return make_bundle(weights=False).parent


def only(folder, archive):
    [model] = deployed_models(Shelf(folder), archive.deployments)
    return model


def test_a_dropped_bundle_waits_for_approval(folder, archive):
    model = only(folder, archive)
    assert (model.state, "waits for approval" in model.problem) == (DeploymentState.OFF, True)


def test_an_approved_bundle_may_run(folder, archive):
    archive.deployments.approve("small", bundle_digest(folder / "small"), DeploymentState.LIVE, at(0))
    model = only(folder, archive)
    assert (model.state, model.problem, model.accepts.modality) == (DeploymentState.LIVE, "", ("MR",))
    assert not model.takes_all_series


def test_only_a_model_of_exams_takes_all_series(make_exam_bundle, archive):
    folder = make_exam_bundle(weights=False).parent
    archive.deployments.approve("exams", bundle_digest(folder / "exams"), DeploymentState.LIVE, at(0))
    assert only(folder, archive).takes_all_series


def test_an_altered_bundle_waits_again(folder, archive):
    shelf = Shelf(folder)
    archive.deployments.approve("small", bundle_digest(folder / "small"), DeploymentState.LIVE, at(0))
    assert deployed_models(shelf, archive.deployments)[0].problem == ""
    (folder / "small" / "more.txt").write_text("altered")
    assert "changed since it was approved" in deployed_models(shelf, archive.deployments)[0].problem


def test_an_approved_bundle_that_is_gone_is_told(folder, archive):
    archive.deployments.approve("small", bundle_digest(folder / "small"), DeploymentState.LIVE, at(0))
    shutil.rmtree(folder / "small")
    model = only(folder, archive)
    assert (model.accepts, "its bundle is not in" in model.problem) == (None, True)


def test_a_broken_bundle_says_why(folder, archive):
    (folder / "small" / "configs" / "inference.json").unlink()
    assert "inference.json is missing" in only(folder, archive).problem


def test_the_folder_is_read_anew_only_when_it_changed(folder):
    shelf = Shelf(folder)
    first = shelf.bundles()
    assert shelf.bundles() is first
    (folder / "small" / "more.txt").write_text("x")
    assert shelf.bundles() is not first


def test_a_missing_folder_holds_nothing(tmp_path):
    assert Shelf(tmp_path / "nowhere").bundles() == []
