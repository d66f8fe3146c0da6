"""What the documents of a result say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dicomnode.evidence import (
    NodeIdentity,
    check,
)
from dicomnode.evidence.gate.subject import concept, descendants
from dicomnode.findings import ClassScore, Code, Measurement, Outcome
from tests.evidence_cases import (
    BRAIN,
    GLIOMA,
    MASS,
    answer,
    codes,
    documents,
    headers,
    negative,
    numbers,
    positive,
    read_back,
    references,
    sentences,
    unanswered,
)
from tests.factories import make_series

GLIOBLASTOMA = Code("1163375002", "SCT", "Glioblastoma")

_OF_LESIONS = ("lesions", "segmentation")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return make_series(tmp_path, 5)


def test_positive_result_has_four_documents_that_pass_the_gate(paths: list[Path]) -> None:
    made = documents(positive(paths), paths)
    assert list(made) == ["answer", "text", *_OF_LESIONS]
    for dataset in made.values():
        assert check(read_back(dataset), headers(paths), companions=list(made.values())) == ()


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_has_an_answer_and_a_text_of_its_own(paths: list[Path], outcome: Outcome) -> None:
    result = {Outcome.FINDINGS: positive, Outcome.NO_FINDINGS: negative}.get(outcome, lambda p: unanswered(p, outcome))(
        paths
    )
    made = documents(result, paths)
    expected = {Outcome.FINDINGS: "111242", Outcome.NO_FINDINGS: "111241"}.get(outcome, "111245")
    assert codes(made["answer"], "CAD Processing and Findings Summary") == [expected]
    assert codes(made["text"], "Conclusion")[0] == expected
    assert set(made) == ({"answer", "text", *_OF_LESIONS} if outcome is Outcome.FINDINGS else {"answer", "text"})
    assert all(check(read_back(dataset), headers(paths)) == () for dataset in made.values())


def test_the_five_outcomes_are_five_different_codings(paths: list[Path]) -> None:
    results = [positive(paths), negative(paths), *(unanswered(paths, o) for o in list(Outcome)[2:])]
    names = ("CAD Processing and Findings Summary", "Summary of Analyses", "Conclusion")
    coded = [tuple(tuple(codes(documents(r, paths)["answer"], name)) for name in names) for r in results]
    assert len(set(coded)) == 5


def test_score_is_a_probability_only_if_calibrated_and_of_cancer(paths: list[Path]) -> None:
    images = references(paths)
    for calibrated, code, name in (
        (True, GLIOBLASTOMA, "Probability of cancer"),
        (False, GLIOBLASTOMA, "Certainty of Finding"),
        (True, MASS, "Certainty of Finding"),
    ):
        said = answer(images[:1], concept=code, calibrated=calibrated, classes=())
        made = documents(positive(paths, answer=said), paths)
        assert numbers(made["answer"]) == [(name, 93.0)]
        assert {n for n, _ in numbers(made["lesions"])} == {"Certainty of Finding", "Long axis"}
        assert ("a calibrated probability" in sentences(made["text"]).replace("not a cal", "")) == calibrated


def test_answer_gives_each_class_a_group_with_its_own_finding(paths: list[Path]) -> None:
    dataset = documents(positive(paths), paths)["answer"]
    assert codes(dataset, "Finding") == ["126952004", "393564001", "17621005"]
    assert numbers(dataset) == [("Certainty of Finding", value) for value in (93.0, 90.0, 7.0)]
    assert codes(dataset, "Presence") == ["52101004"]


def test_answer_names_the_images_that_carried_it(paths: list[Path]) -> None:
    images = references(paths)
    dataset = documents(positive(paths, answer=answer(images[1:3], classes=())), paths)["answer"]
    cited = [
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for _, _, item in descendants(dataset)
        if concept(item)[2] == "Source of Measurement"
    ]
    assert cited == [image.sop_instance_uid for image in images[1:3]]


def test_text_says_what_where_how_sure_and_by_which_model(paths: list[Path]) -> None:
    words = sentences(documents(positive(paths), paths)["text"])
    for part in (
        "Neoplasm of brain (Brain) is present: score 93 %, a certainty, not a calibrated probability; threshold 50 %.",
        "Scores of the classes: Glioma 90 %, Normal 7 %.",
        "Lesion 1: Mass, Brain, certainty 87 %, long axis 24 mm, on image 1 of series 1.",
        "The answer was carried by image 1 of series 1.",
        "not verified by a human",
        "Model: brain_mri_lesion_detector, version 0.1.0, by dicomnode (SHA-256 0123456789abcdef).",
        "Each slice is scored alone; the study's score is the mean of its 3 highest.",
        "threshold 0.5 on the box score",
        "Images given to the model: 5.",
        "Not for: diagnosis of children.",
    ):
        assert part in words


def test_text_names_the_series_of_several_images_once(paths: list[Path]) -> None:
    carried = answer(references(paths)[:3], classes=())
    words = sentences(documents(positive(paths, answer=carried), paths)["text"])
    assert "The answer was carried by images 1, 2 and 3 of series 1." in words


@pytest.mark.parametrize(("volume", "said"), [(14243.85, "volume 14244 mm3"), (0.01234, "volume 0.0123 mm3")])
def test_text_writes_sizes_without_exponent(paths: list[Path], volume: float, said: str) -> None:
    size = Measurement(Code("118565006", "SCT", "Volume"), volume, Code("mm3", "UCUM", "mm3"))
    sized = replace(positive(paths).findings[0], measurements=(size,))
    words = sentences(documents(positive(paths, findings=(sized,)), paths)["text"])
    assert said in words


@pytest.mark.parametrize("outcome", [Outcome.NO_FINDINGS, Outcome.FAILED])
def test_empty_reason_and_method_leave_no_empty_item(paths: list[Path], outcome: Outcome) -> None:
    silent = answer(references(paths)[:1], method="") if outcome is Outcome.NO_FINDINGS else None
    result = replace(unanswered(paths, outcome), reason="", answer=silent)
    for dataset in documents(result, paths).values():
        assert check(read_back(dataset), headers(paths)) == ()


def test_evidence_is_written_without_torch() -> None:
    command = "import sys, dicomnode.evidence; sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


def test_unanswered_text_gives_the_reason_and_is_not_negative(paths: list[Path]) -> None:
    words = sentences(documents(unanswered(paths, Outcome.REFUSED), paths)["text"])
    assert "Reason: localizer and slices do not fit." in words
    assert "This is not a negative result." in words


def test_classes_with_one_code_are_tracked_apart(paths: list[Path]) -> None:
    twice = (ClassScore(GLIOMA, 0.6), ClassScore(GLIOMA, 0.4))
    dataset = documents(positive(paths, answer=answer(references(paths)[:1], classes=twice)), paths)["answer"]
    assert check(read_back(dataset), headers(paths)) == ()


def test_threshold_is_a_parameter_of_the_algorithm(paths: list[Path]) -> None:
    made = documents(positive(paths), paths)
    assert "operating threshold = 0.5" in sentences(made["answer"])
    assert "operating threshold = 0.5" in sentences(made["lesions"])


def test_a_class_keeps_its_tracking_whatever_its_rank(paths: list[Path]) -> None:
    def tracked(*classes: ClassScore) -> dict[str, str]:
        said = answer(references(paths)[:1], classes=classes)
        items = [i for _, _, i in descendants(documents(positive(paths, answer=said), paths)["answer"])]
        names = [str(i.TextValue) for i in items if concept(i)[2] == "Tracking Identifier"]
        return dict(zip(names, [str(i.UID) for i in items if "Unique" in concept(i)[2]], strict=True))

    first, second = ClassScore(GLIOMA, 0.9), ClassScore(BRAIN, 0.1)
    assert tracked(first, second) == tracked(second, first)


def test_long_labels_and_odd_scores_are_written_as_they_are(paths: list[Path]) -> None:
    images = references(paths)
    said = answer(images[:1], score=1 / 3, classes=(ClassScore(GLIOMA, 1e-9), ClassScore(BRAIN, 1.0)))
    made = documents(positive(paths, answer=said), paths, node=NodeIdentity("A" * 16, "0.1.0"))
    assert numbers(made["answer"]) == [("Certainty of Finding", value) for value in (33.3333, 0.0, 100.0)]
    assert check(read_back(made["answer"]), headers(paths)) == ()
