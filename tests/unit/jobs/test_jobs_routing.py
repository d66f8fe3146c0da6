"""Routing as a table: every model gets a reason, matched or not."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicomnode.archive.records import STAT_PRIORITY, DeploymentState, JobKind, PatientStudy, StudyRecord, StudyState
from dicomnode.bundles.metadata import Accepts
from dicomnode.jobs.routing import DeployedModel, route
from dicomnode.settings import Settings
from dicomnode.study import Instance, Series, Study

MG = "1.2.840.10008.5.1.4.1.1.1.2"
MR, CT, SR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.34"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BRAIN = Accepts(modality=("MR",), sop_class_uid=(MR,), body_part_examined=("BRAIN", "HEAD"), minimum_images=2)
TARGETS = [
    {"name": "pacs", "url": "http://127.0.0.1:1/dicom-web"},
    {"name": "research", "ae_title": "RES", "host": "127.0.0.1", "port": 104},
]


def series(uid="1.2.1", modality="MR", count=3, body_part="", sop_class=MR, number=1, frames=1):
    instances = tuple(
        Instance(f"{uid}.{n}", sop_class, uid, "1.2", "1.2.840.10008.1.2.1", Path("x"), "", modality, n, frames)
        for n in range(1, count + 1)
    )
    return Series(uid, "1.2", modality, "", body_part, number, instances)


def study(*of_series, called=("DICOMNODE",), calling=("MODALITY",)):
    return Study("1.2", "", 1, called, calling, of_series)


def record(conflict=None):
    return StudyRecord(
        "1.2", StudyState.COMPLETE, 1, 0, NOW, NOW, NOW, conflict, 3, 1, 3, ("MR",), (MR,), PatientStudy()
    )


def model(name="brain", state=DeploymentState.LIVE, accepts=BRAIN, problem=""):
    return DeployedModel(name, "d" * 64, state, accepts, problem)


def decide(a_study, *models, rules=None, conflict=None):
    settings = Settings.model_validate({"targets": TARGETS} | ({"rules": rules} if rules else {}))
    return route(a_study, record(conflict), models, settings)


BY_AE = {"model": "brain", "called_ae_title": "BRAIN"}
CONFLICT = "Patient ID differs between instances"

TABLE = [
    # study, model, rules, conflict, kind of the job (None: no job), words of the trace line
    (study(series()), model(), None, None, JobKind.INFER, "runs on series 1.2.1 (3 images); answer to pacs, research"),
    (study(series(modality="CT", sop_class=CT)), model(), None, None, None, "not run: modality CT is not MR"),
    (study(series(body_part="KNEE")), model(), None, None, None, "not run: body part KNEE is not BRAIN or HEAD"),
    (study(series(count=1)), model(), None, None, None, "not run: 1 images, at least 2 needed"),
    (study(series(sop_class=SR, modality="SR")), model(), None, None, None, "not run: the study holds no images"),
    (study(), model(), None, None, None, "not run: the study holds no images"),
    (study(series()), model(state=DeploymentState.OFF), None, None, None, "not run: state off"),
    (study(series()), model(problem="weights are missing"), None, None, None, "not run: weights are missing"),
    (study(series()), model(accepts=None, problem="broken"), None, None, None, "not run: broken"),
    (study(series()), model(), None, CONFLICT, JobKind.REFUSED, f"refused: patient identity: {CONFLICT}"),
    (study(series(modality="CT", sop_class=CT)), model(), None, CONFLICT, None, "not run: modality CT"),
    (study(series()), model(), [BY_AE], None, None, "not run: no rule gives this study to it"),
    (study(series(), called=("BRAIN",)), model(), [BY_AE], None, JobKind.INFER, "asked for by called AE title BRAIN"),
    (
        study(series(modality="CT", sop_class=CT), called=("BRAIN",)),
        model(),
        [BY_AE],
        None,
        JobKind.OUT_OF_SCOPE,
        "out of scope: asked for by called AE title BRAIN, but modality CT is not MR; answer to pacs, research",
    ),
    (
        study(series(modality="CT", sop_class=CT), called=("BRAIN",)),
        model(),
        [BY_AE],
        CONFLICT,
        JobKind.REFUSED,
        "patient identity",
    ),
    # a rule for every model asks for none of them by name
    (
        study(series(modality="CT", sop_class=CT), called=("AI",)),
        model(),
        [{"model": "*", "called_ae_title": "AI"}],
        None,
        None,
        "not run: modality CT is not MR",
    ),
    (study(series()), model(), [{"model": "*", "calling_ae_title": "OTHER"}], None, None, "no rule"),
    (study(series()), model(), [{"model": "brain", "modality": ["CT"]}], None, None, "no rule"),
    (study(series()), model(), [{"model": "brain", "modality": ["MR"]}], None, JobKind.INFER, "runs on"),
    (
        study(series(), series("1.2.2", "CT", sop_class=CT)),
        model(accepts=Accepts()),
        [{"model": "brain", "modality": ["CT"]}],
        None,
        JobKind.INFER,
        "series 1.2.2 of 2: the only one that fits",
    ),
    (
        study(series(), series("1.2.2", count=5, number=2), series("1.2.3", "CT", sop_class=CT)),
        model(),
        None,
        None,
        JobKind.INFER,
        "series 1.2.2 of 3: most images of 2 that fit (5 images)",
    ),
    (
        study(series(count=4), series("1.2.2", count=1, frames=20, number=2)),
        model(),
        None,
        None,
        JobKind.INFER,
        "series 1.2.2 of 2: most images of 2 that fit (20 images)",
    ),
    (
        study(series(modality="CT", sop_class=CT), series("1.2.2", body_part="KNEE")),
        model(),
        None,
        None,
        None,
        "none of 2 series fits: modality CT is not MR; body part KNEE is not BRAIN or HEAD",
    ),
]


@pytest.mark.parametrize(("a_study", "a_model", "rules", "conflict", "kind", "words"), TABLE)
def test_each_model_gets_a_decision_and_a_reason(a_study, a_model, rules, conflict, kind, words):
    decision = decide(a_study, a_model, rules=rules, conflict=conflict)
    assert [job.kind for job in decision.jobs] == ([kind] if kind else [])
    [(name, line)] = decision.lines
    assert name == "brain"
    assert words in line


def test_equal_series_the_first_by_number_is_chosen():
    [job] = decide(study(series("1.2.9", number=1), series("1.2.2", number=2)), model()).jobs
    assert job.series_instance_uids == ("1.2.9",)


EXAM = {"name": "mammo", "accepts": Accepts(modality=("MG",), sop_class_uid=(MG,))}


def views(*numbers, **more):
    return [series(f"1.2.{n}", "MG", count=1, sop_class=MG, number=n, **more) for n in numbers]


@pytest.mark.parametrize(
    ("of_series", "uids", "words"),
    [
        (
            views(1, 2, 3, 4),
            ("1.2.1", "1.2.2", "1.2.3", "1.2.4"),
            "runs on all 4 series together as one exam (4 images): 1.2.1, 1.2.2, 1.2.3, 1.2.4; answer to",
        ),
        (
            [*views(3, 4), series("1.2.9", count=2)],
            ("1.2.3", "1.2.4"),
            "runs on 2 of 3 series together as one exam (2 images): 1.2.3, 1.2.4",
        ),
        ([series(count=1, modality="MG", sop_class=MG)], ("1.2.1",), "runs on series 1.2.1 (1 image)"),
    ],
)
def test_a_model_of_exams_is_asked_about_all_series_that_fit(of_series, uids, words):
    decision = decide(study(*of_series), replace(model(**EXAM), takes_all_series=True))
    [job] = decision.jobs
    assert (job.kind, job.series_instance_uids) == (JobKind.INFER, uids)
    assert words in decision.lines[0][1]


def test_any_other_model_is_asked_about_one_series_of_an_exam():
    [job] = decide(study(*views(1, 2, 3, 4)), model(**EXAM)).jobs
    assert job.series_instance_uids == ("1.2.1",)


def test_a_model_of_exams_is_not_asked_about_a_study_without_mammograms():
    decision = decide(study(series()), replace(model(**EXAM), takes_all_series=True))
    assert decision.jobs == ()
    assert "modality MR is not MG" in decision.lines[0][1]


def test_a_silent_model_computes_and_has_no_targets():
    decision = decide(study(series()), model(state=DeploymentState.SILENT))
    [job] = decision.jobs
    assert (job.silent, job.targets) == (True, ())
    assert "silent: computed, never sent" in decision.lines[0][1]


def test_documents_of_others_in_an_image_series_do_not_count():
    mixed = series(count=2)
    document = Instance("1.2.1.9", SR, "1.2.1", "1.2", "1.2.840.10008.1.2.1", Path("x"), "", "MR", 9)
    with_document = Series("1.2.1", "1.2", "MR", "", "", 1, (*mixed.instances, document))
    assert "(2 images)" in decide(study(with_document), model()).lines[0][1]


@pytest.mark.parametrize(
    ("rules", "targets"),
    [
        ([{"model": "brain", "targets": ["research"]}], ("research",)),
        ([{"model": "brain", "targets": ["research"]}, {"model": "*", "targets": ["pacs"]}], ("pacs", "research")),
        ([{"model": "brain", "targets": ["research"]}, {"model": "*"}], ("pacs", "research")),
        ([{"model": "brain", "targets": []}], ()),
    ],
)
def test_answers_go_where_any_rule_sends_them(rules, targets):
    [job] = decide(study(series()), model(), rules=rules).jobs
    assert job.targets == targets


def test_models_are_asked_in_the_order_of_their_names_and_none_is_left_out():
    decision = decide(study(series()), model("zeta"), model("alpha", state=DeploymentState.OFF))
    assert [name for name, _ in decision.lines] == ["alpha", "zeta"]
    assert [job.model_name for job in decision.jobs] == ["zeta"]


def test_an_empty_bundle_folder_is_told():
    decision = decide(study(series()))
    assert decision.jobs == ()
    assert decision.lines == ((None, "no model to ask: the bundle folder is empty"),)


@pytest.mark.parametrize(
    ("called", "priority", "words"),
    [(("DICOMNODE", "STAT"), STAT_PRIORITY, "; urgent; answer to pacs"), (("DICOMNODE",), 0, "images); answer to")],
)
def test_the_most_urgent_rule_counts(called, priority, words):
    rules = [{"model": "*"}, {"model": "*", "called_ae_title": "STAT", "priority": "stat"}]
    decision = decide(study(series(), called=called), model(), rules=rules)
    assert decision.jobs[0].priority == priority
    assert words in decision.lines[0][1]
