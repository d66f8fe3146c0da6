"""Earlier studies that a model wants: found, fetched, waited for, given to the network, or refused for want of them."""

from __future__ import annotations

import json
import threading
from functools import partial

import numpy as np
import pytest
from pydicom import dcmread

from dicomnode.archive.records import JobState
from dicomnode.bundles import load_bundle
from dicomnode.bundles.metadata import Priors
from dicomnode.errors import BundleError, PeerUnavailableError
from dicomnode.intake.priors import PriorFetching
from dicomnode.jobs.deployed import Shelf, deployed_models
from dicomnode.jobs.dispatch import route_unrouted
from dicomnode.settings import PacsSettings
from tests.archives import complete
from tests.factories import make_series
from tests.held_pacs import HeldPacs
from tests.prior_networks import NETWORK, PREPROCESSING
from tests.worker_bench import Bench

PATIENT = {"PatientID": "P1", "IssuerOfPatientID": "WARD"}
PACS = PacsSettings(name="archive", url="http://pacs.invalid")


class Desk(Bench):
    """A bench whose model wants one prior, and a PACS that a test fills."""

    def __init__(self, folder, models, wanted: Priors) -> None:
        super().__init__(folder, models)
        self.pacs = HeldPacs()
        self.folder = folder.parent
        self.fetching = PriorFetching(
            self.archive, [PACS], lambda _: self.pacs, lambda _: wanted, self.clock, patience_seconds=600
        )

    def earlier(self, word: str, date: str, level: int = 100, **attributes: object) -> str:
        """Put a study into the PACS."""
        pixels = np.full((16, 16), level, np.uint16)
        given = PATIENT | {"StudyDate": date, "BodyPartExamined": "BRAIN"} | attributes
        paths = make_series(self.folder / word, 2, study=word, series=word, pixels=pixels, **given)
        self.pacs.add(*(path.read_bytes() for path in paths))
        return str(dcmread(paths[0], stop_before_pixels=True).StudyInstanceUID)

    def new(self, level: int = 300) -> str:
        """Receive today's study and route it."""
        pixels = np.full((16, 16), level, np.uint16)
        study, _ = self.receive(
            self.folder / "new", count=2, study="new", series="new", pixels=pixels, StudyDate="20260601",
            BodyPartExamined="BRAIN", **PATIENT,
        )  # fmt: skip
        complete(self.archive, study, self.clock())
        self.dispatch()
        return study

    def dispatch(self) -> None:
        models = partial(deployed_models, Shelf(self.settings.models.folder), self.archive.deployments)
        route_unrouted(self.archive, models, self.settings, self.clock)

    def fetch(self) -> None:
        self.fetching.step(threading.Event())

    def result(self, study: str) -> dict:
        (job,) = self.archive.jobs.list(study)
        return json.loads(job.result_json or "{}")

    def trace(self, study: str) -> str:
        return "\n".join(entry.text for entry in self.archive.traces.list(study))


@pytest.fixture
def desk(tmp_path, make_bundle):
    made: list[Desk] = []

    def make(**wanted: object) -> Desk:
        accepts = {"modality": ["MR"], "priors": wanted}
        content = {"network_def": NETWORK, "preprocessing": PREPROCESSING, "approved": "$True"}
        path = make_bundle(node={"accepts": accepts}, inference=content, foreign=True)
        made.append(Desk(tmp_path / "data", path.parent, load_bundle(path).node.accepts.priors))
        return made[-1]

    yield make
    for item in made:
        item.archive.close()


def test_a_job_waits_for_its_prior_and_the_network_sees_it(desk):
    here = desk(required=True)
    prior = here.earlier("prior", "20250601", level=100)
    here.earlier("older", "20240601", level=900)
    study = here.new(level=300)
    assert not here.worker().work_once()  # it waits
    here.fetch()
    assert here.archive.priors.of(study, "small") == (prior,)
    assert here.worker().work_once()
    result = here.result(study)
    assert f"compared with study {prior}" in result["reason"]
    # 300 against 100 is 2 in logits of +2 and -2 (over the calibration's temperature of 2)
    assert result["answer"]["score"] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-3)
    assert f"prior {prior} is given to the model" in here.trace(study)

    complete(here.archive, prior, here.clock())
    here.dispatch()
    assert "came as a prior of another study: not analysed by itself" in here.trace(prior)
    assert here.archive.jobs.list(prior) == []


@pytest.mark.parametrize(
    ("date", "attributes"),
    [
        ("20260601", {}),
        ("20261201", {}),
        ("20100101", {}),
        ("", {}),
        ("20250601", {"Modality": "CT"}),
        ("20250601", {"BodyPartExamined": "KNEE"}),
        ("20250601", {"PatientID": "P2"}),
        ("20250601", {"IssuerOfPatientID": "OTHER"}),
        ("20250601", {"IssuerOfPatientID": ""}),
    ],
    ids=["same-day", "later", "too-old", "undated", "modality", "body-part", "patient", "issuer", "no-issuer"],
)
def test_a_study_that_is_no_prior_is_not_taken_and_what_is_required_is_refused(desk, date, attributes):
    here = desk(required=True, within_days=1825)
    here.earlier("other", date, **attributes)
    study = here.new()
    here.fetch()
    assert here.worker().work_once()
    assert here.result(study)["outcome"] == "refused"
    assert here.result(study)["reason"] == "prior required, none found"


def test_a_model_that_can_do_without_goes_on(desk):
    here = desk(required=False)
    study = here.new()
    here.fetch()
    assert here.worker().work_once()
    assert here.result(study)["answer"]["score"] == pytest.approx(0.5)
    assert "prior wanted, none found; the model goes without" in here.trace(study)


def test_a_pacs_that_is_away_is_waited_for_and_then_not(desk):
    here = desk(required=True)
    prior = here.earlier("prior", "20250601")
    here.pacs.trouble = PeerUnavailableError("it is away")
    study = here.new()
    here.fetch()
    assert not here.worker().work_once()
    here.pacs.trouble = None
    here.fetch()  # paused
    assert here.archive.priors.of(study, "small") == ()
    here.seconds += 20
    here.fetch()
    assert here.archive.priors.of(study, "small") == (prior,)


def test_patience_with_a_pacs_ends(desk):
    here = desk(required=True)
    here.pacs.trouble = PeerUnavailableError("it is away")
    study = here.new()
    here.fetch()
    here.seconds += 601
    here.fetch()
    assert here.worker().work_once()
    assert here.result(study)["reason"] == "prior required, none found; it is away"


def test_a_prior_that_is_here_already_is_used_without_a_pacs(desk):
    here = desk(required=True)
    pixels = np.full((16, 16), 100, np.uint16)
    prior, _ = here.receive(
        here.folder / "here", count=1, study="here", series="here", pixels=pixels, StudyDate="20250101",
        BodyPartExamined="BRAIN", **PATIENT,
    )  # fmt: skip
    study = here.new()
    here.fetch()
    assert here.archive.priors.of(study, "small") == (prior,)
    assert here.pacs.given == []
    complete(here.archive, prior, here.clock())
    here.dispatch()
    assert [job.state for job in here.archive.jobs.list(prior)] == [JobState.WAITING]  # it came by itself


def test_a_model_that_is_gone_keeps_no_job_waiting(desk):
    here = desk(required=True)
    here.fetching = PriorFetching(here.archive, [], lambda _: here.pacs, lambda _: None, here.clock, 600)
    here.new()
    here.fetch()
    assert here.archive.priors.awaited() == []


def test_only_classifiers_of_images_look_at_priors(make_bundle):
    node = {"accepts": {"priors": {}}, "task": "detection", "calibration": None}
    code = {"value": "a", "scheme": "99T", "meaning": "a"}
    with pytest.raises(BundleError, match=r"accepts\.priors"):
        load_bundle(make_bundle(node=node | {"classes": [{"name": "a", "code": code}]}, weights=False))
