"""Whole exams through a hand-set network: planted lesions are found on the right breast, in the right place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dicomnode.bundles import load_bundle
from dicomnode.dicom import codes
from dicomnode.dicom.turn import Turn
from dicomnode.errors import BundleError
from dicomnode.findings import Outcome, Presence, Result
from dicomnode.inference.analyse import analyse_with_images
from dicomnode.inference.loaded import load_model
from dicomnode.inference.mammography.predictor import ExamPredictor
from dicomnode.inference.overlay import draw_heat_maps, draw_result
from dicomnode.inference.result_json import result_to_json
from dicomnode.inference.self_check import check_bundle
from dicomnode.study import Study
from tests.exam_networks import bright_gmic, seeded_dmv
from tests.mammograms import DrawnExam, make_exam

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CPU = torch.device("cpu")
WINDOW = {"cc_size": [368, 240], "mlo_size": [368, 240]}
TURNED = {"turn": Turn(transposed=True, rows_reversed=True)}


@pytest.fixture
def model(make_exam_bundle: Any) -> ExamPredictor:
    loaded = load_model(load_bundle(bright_gmic(make_exam_bundle, exam=WINDOW)), CPU)
    assert isinstance(loaded, ExamPredictor)
    return loaded


@pytest.fixture
def together(make_exam_bundle: Any) -> ExamPredictor:
    loaded = load_model(load_bundle(seeded_dmv(make_exam_bundle)), CPU)
    assert isinstance(loaded, ExamPredictor)
    return loaded


def ask(model: ExamPredictor, drawn: DrawnExam) -> Result:
    return analysed(model, drawn).result


def analysed(model: ExamPredictor, drawn: DrawnExam):
    study = Study(drawn.series[0].study_instance_uid, "", 1, (), (), drawn.series)
    return analyse_with_images(study, study.series, model.bundle, model, NOW, "digest")


def test_planted_lesions_are_found_where_they_are_however_the_views_are_stored(
    make_exam_bundle: Any, tmp_path: Path
) -> None:
    bundle = load_bundle(
        bright_gmic(make_exam_bundle, contrast=40.0, exam={"cc_size": [736, 480], "mlo_size": [736, 480]})
    )
    model = ExamPredictor(bundle, CPU)
    changed = {"R-CC": TURNED, "L-MLO": {"turn": Turn(columns_reversed=True)}, "R-MLO": {"monochrome1": True}}
    drawn = make_exam(tmp_path, size=(1024, 832), changed=changed, one_series=False)
    result = ask(model, drawn)
    assert result.outcome is Outcome.FINDINGS, result.reason
    found = {item.contours[0].image.sop_instance_uid: item for item in result.findings}
    assert len(found) == len(result.findings) == 4
    for name, view in drawn.views.items():
        finding = found[view.dataset.SOPInstanceUID]
        assert finding.laterality == (codes.LEFT if name.startswith("L") else codes.RIGHT)
        assert finding.mask is not None
        [planted] = view.lesions
        left, top, right, bottom = planted.box
        assert finding.mask.pixels[0, int(top + bottom) // 2, int(left + right) // 2], name
        assert (planted.mask & finding.mask.pixels[0]).sum() > 0.6 * planted.mask.sum(), name
        low, high = finding.contours[0].points.min(axis=0), finding.contours[0].points.max(axis=0)
        assert np.abs(np.array([*low, *high]) - planted.box).max() < 96, name  # one and a half elements of the map


SMALL = {"size": (512, 416), "lesions": {"L-CC": ["malignant"], "L-MLO": ["malignant"]}}


def test_only_the_breast_with_lesions_is_answered_present(model, tmp_path: Path) -> None:
    drawn = make_exam(tmp_path, **SMALL)
    result = ask(model, drawn)
    assert result.answer is not None
    left, right = result.answer.sides
    assert (left.presence, right.presence) == (Presence.PRESENT, Presence.ABSENT)
    assert {item.laterality for item in result.findings} == {codes.LEFT}
    assert result.reason.startswith("malignant in the left breast, certainty left 1.00, right 0.02, 2 lesions")
    assert [image.sop_instance_uid for image in result.images] == [
        drawn.views[name].dataset.SOPInstanceUID for name in ("L-CC", "R-CC", "L-MLO", "R-MLO")
    ]
    assert len(result.heat_maps) == 4
    assert result_to_json(result) == result_to_json(ask(model, drawn))


def test_the_network_looks_closely_at_the_lesion(model, tmp_path: Path) -> None:
    drawn = make_exam(tmp_path, **SMALL)
    result = ask(model, drawn)
    for name in ("L-CC", "L-MLO"):
        uid, [planted] = drawn.views[name].dataset.SOPInstanceUID, drawn.views[name].lesions
        boxes = [item.box.points for item in result.attention if item.box.image.sop_instance_uid == uid]
        low, high = np.array(planted.box).reshape(2, 2)
        assert any((box.min(axis=0) < high).all() and (low < box.max(axis=0)).all() for box in boxes), name
        assert 0 < sum(a.weight for a in result.attention if a.box.image.sop_instance_uid == uid) <= 1 + 1e-6


def test_an_exam_without_lesions_is_negative(model, tmp_path: Path) -> None:
    result = ask(model, make_exam(tmp_path, size=(512, 416), lesions={}))
    assert (result.outcome, result.findings) == (Outcome.NO_FINDINGS, ())
    assert result.reason.startswith("nothing found: certainty left 0.")
    assert result.reason.endswith("below the threshold 0.5, 4 images read")


def test_a_missing_view_is_named_and_its_breast_answered_for_by_the_other(model, tmp_path: Path) -> None:
    result = ask(model, make_exam(tmp_path, size=(512, 416), views=("L-CC", "R-CC", "L-MLO")))
    assert result.outcome is Outcome.FINDINGS
    assert result.answer is not None
    assert len(result.answer.sides) == 2
    assert "R-MLO is missing" in result.reason


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"inverted": True}, "inverted"),
        ({"tagged_side": "L", "seed": 1}, "is that of a right breast, and the laterality says left"),
        ({"tagged_side": "L", "orientation": "tagged", "seed": 1}, "the breast comes from the opposite edge"),
        ({"over_range": True}, "pixels and header contradict each other"),
    ],
)
def test_an_image_that_cannot_be_trusted_is_left_out_and_named(model, tmp_path: Path, wrong, words: str) -> None:
    result = ask(model, make_exam(tmp_path, size=(512, 416), changed={"R-MLO": wrong}))
    assert result.outcome is Outcome.FINDINGS
    assert words in result.reason
    assert "R-MLO is missing" in result.reason
    assert len(result.images) == 3


@pytest.mark.parametrize("wrong", [{"inverted": True}, {"over_range": True}])
def test_a_breast_without_a_usable_image_refuses_the_exam(model, tmp_path: Path, wrong) -> None:
    result = ask(model, make_exam(tmp_path, size=(512, 416), changed={"R-MLO": wrong, "R-CC": wrong}))
    assert (result.outcome, result.answer) == (Outcome.REFUSED, None)
    assert result.reason.startswith("no image of the right breast can be used: instance ")


def test_an_exam_of_one_breast_is_answered(model, tmp_path: Path) -> None:
    result = ask(model, make_exam(tmp_path, size=(512, 416), views=("R-CC", "R-MLO")))
    assert result.answer is not None
    assert [side.laterality for side in result.answer.sides] == [codes.RIGHT]


def test_an_exam_of_other_views_only_is_out_of_scope(model, tmp_path: Path) -> None:
    result = ask(model, make_exam(tmp_path / "ml", size=(256, 208), views=("L-ML", "R-ML")))
    assert (result.outcome, result.reason) == (
        Outcome.OUT_OF_SCOPE,
        "the exam holds no craniocaudal and no mediolateral oblique view",
    )
    spots = make_exam(tmp_path / "spots", size=(256, 208), views=("L-CC",), modifier="spot compression")
    result = ask(model, spots)
    assert result.outcome is Outcome.OUT_OF_SCOPE
    assert "it shows a part of the breast only" in result.reason


def test_views_that_no_network_takes_are_named(model, tmp_path: Path) -> None:
    result = ask(model, make_exam(tmp_path, size=(256, 208), views=("L-CC", "L-ML")))
    assert "L-ML is there and not looked at" in result.reason
    assert len(result.images) == 1


def test_a_network_of_four_views_answers_for_both_breasts(together, tmp_path: Path) -> None:
    result = ask(together, make_exam(tmp_path, size=(256, 208)))
    assert result.answer is not None, result.reason
    left, right = result.answer.sides
    assert (len(left.carried_by), len(right.carried_by)) == (2, 2)
    assert left.score != right.score
    assert result.answer.score == max(left.score, right.score)
    assert (result.heat_maps, result.attention, result.findings) == ((), (), ())


def test_a_network_of_four_views_refuses_without_one(together, tmp_path: Path) -> None:
    result = ask(together, make_exam(tmp_path / "3", size=(256, 208), views=("L-CC", "R-CC", "L-MLO")))
    assert result.outcome is Outcome.REFUSED
    assert "the exam has no R-MLO, and the model looks at L-CC, R-CC, L-MLO, R-MLO together" in result.reason
    result = ask(together, make_exam(tmp_path / "4", size=(256, 208), changed={"R-MLO": {"inverted": True}}))
    assert result.outcome is Outcome.REFUSED
    assert "the pixels are inverted" in result.reason


def test_json_and_pictures_show_sides_lesions_and_attention(model, tmp_path: Path) -> None:
    analysis = analysed(model, make_exam(tmp_path, **SMALL))
    values = json.loads(result_to_json(analysis.result))
    assert [side["laterality"]["meaning"] for side in values["answer"]["sides"]] == ["Left", "Right"]
    assert values["findings"][0]["laterality"]["meaning"] == "Left"
    assert values["findings"][0]["contours"][0]["is_box"]
    assert {"weight", "image", "points", "is_box"} == set(values["attention"][0])
    drawn = draw_result(analysis.result, analysis.groups)
    assert {overlay.position for overlay in drawn[:2]} == {1, 3}
    assert sorted(overlay.position for overlay in drawn) == [1, 2, 3, 4]
    assert drawn[0].picture.size[0] == 416
    assert len(draw_heat_maps(analysis.result)) == 4


def test_a_self_check_runs_an_exam(make_exam_bundle: Any) -> None:
    check = check_bundle(load_bundle(bright_gmic(make_exam_bundle)), CPU)
    assert len(check.prediction.answer.sides) == 2
    check = check_bundle(load_bundle(seeded_dmv(make_exam_bundle)), CPU)
    assert len(check.prediction.answer.classes) == 2


def test_a_network_with_other_outputs_is_named(make_exam_bundle: Any) -> None:
    code = {"value": "1", "scheme": "99T", "meaning": "T"}
    classes = [{"name": name, "code": code} for name in ("benign", "malignant", "unknown")]
    path = bright_gmic(make_exam_bundle, node={"classes": classes})
    with pytest.raises(BundleError, match=r"gave 'scores' of shape \(1, 2\), expected 1 x 3"):
        check_bundle(load_bundle(path), CPU)
    path = seeded_dmv(make_exam_bundle, node={"classes": classes})
    with pytest.raises(BundleError, match=r"gave 'scores' of shape \(1, 2, 2\), expected 1 x 2 x 3"):
        check_bundle(load_bundle(path), CPU)


def test_only_an_exam_model_can_be_loaded_as_one(make_bundle: Any) -> None:
    with pytest.raises(BundleError, match="bundle small is no model of mammography exams"):
        ExamPredictor(load_bundle(make_bundle()), CPU)
