"""A series through a model: every kind of outcome, with its reason."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from dicomnode.bundles import Way, load_bundle
from dicomnode.dicom.digest import content_digest
from dicomnode.findings import Outcome, Presence
from dicomnode.inference.analyse import analyse, analyse_with_images, digest_input
from dicomnode.inference.files import read_studies
from dicomnode.inference.overlay import draw_result
from dicomnode.inference.predictor import Predictor
from dicomnode.inference.result_json import result_to_json
from dicomnode.settings import NodeSettings, Settings
from dicomnode.study import Series, Study
from tests.mr_slices import write_slice

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SETTINGS = Settings.model_validate({})


def study_of(files: list[Path]) -> tuple[Study, Series]:
    (study,), problems = read_studies(files)
    assert problems == ()
    return study, study.series[0]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write_slice(tmp_path / f"{number}.dcm", number) for number in range(1, 6)]


@pytest.fixture
def predictor(make_bundle: Any) -> Predictor:
    return Predictor(load_bundle(make_bundle()), torch.device("cpu"))


def test_a_series_gets_an_answer_that_names_its_images(files: list[Path], predictor: Predictor) -> None:
    study, series = study_of(files)
    result = analyse(study, [series], predictor.bundle, predictor, NOW, "d" * 64)
    assert result.answer is not None
    present = result.answer.presence is Presence.PRESENT
    assert result.outcome is (Outcome.FINDINGS if present else Outcome.NO_FINDINGS)
    assert [image.sop_instance_uid for image in result.images] == [f"1.2.1.{n}" for n in range(1, 6)]
    assert len(result.answer.carried_by) == 3
    assert "of 5 images" in result.reason or "5 images read" in result.reason
    assert (result.input_digest, result.created, result.model.name) == ("d" * 64, NOW, "small")
    assert result == analyse(study, [series], predictor.bundle, predictor, NOW, "d" * 64)


def test_an_answer_says_how_it_was_computed(files: list[Path], make_bundle: Any) -> None:
    study, series = study_of(files)
    quick = Predictor(load_bundle(make_bundle()), torch.device("cpu"), way=Way.CHANNELS_LAST)
    result = analyse(study, [series], quick.bundle, quick, NOW, "d" * 64)
    assert result.model.parameters.endswith("; computed channels-last")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"modality": "CT"}, "modality CT is not MR"),
        ({"body_part_examined": "KNEE"}, "body part KNEE is not BRAIN or HEAD"),
    ],
)
def test_a_series_of_another_kind_is_out_of_scope(
    files: list[Path], predictor: Predictor, change: dict[str, Any], reason: str
) -> None:
    study, series = study_of(files)
    result = analyse(study, [replace(series, **change)], predictor.bundle, predictor, NOW, "")
    assert (result.outcome, result.reason, result.answer) == (Outcome.OUT_OF_SCOPE, reason, None)


def test_images_that_are_too_small_are_out_of_scope(tmp_path: Path, predictor: Predictor) -> None:
    study, series = study_of([write_slice(tmp_path / "1.dcm", 1, rows=7)])
    result = analyse(study, [series], predictor.bundle, predictor, NOW, "")
    assert result.outcome is Outcome.OUT_OF_SCOPE
    assert "7 x 48 pixels, at least 8 x 8" in result.reason


def test_geometry_that_cannot_be_trusted_is_refused(tmp_path: Path, predictor: Predictor) -> None:
    places = [0.0, 3.0, 6.0, 12.0, 15.0]
    study, series = study_of([write_slice(tmp_path / f"{n}.dcm", n, position=z) for n, z in enumerate(places, start=1)])
    result = analyse(study, [series], predictor.bundle, predictor, NOW, "")
    assert result.outcome is Outcome.REFUSED
    assert result.reason


def test_truncated_pixels_are_refused(tmp_path: Path, predictor: Predictor) -> None:
    path = write_slice(tmp_path / "1.dcm", 1)
    path.write_bytes(path.read_bytes()[:-1000])
    study, series = study_of([path])
    result = analyse(study, [series], predictor.bundle, predictor, NOW, "")
    assert result.outcome is Outcome.REFUSED


def test_a_series_of_another_study_is_refused(files: list[Path], predictor: Predictor) -> None:
    study, series = study_of(files)
    other = replace(study, study_instance_uid="1.9")
    result = analyse(other, [series], predictor.bundle, predictor, NOW, "")
    assert (result.outcome, result.study_instance_uid) == (Outcome.REFUSED, "1.9")


def test_the_input_digest_follows_content_and_settings_only(files: list[Path], predictor: Predictor) -> None:
    _, series = study_of(files)
    bundle = predictor.bundle
    digest = digest_input([series], bundle, SETTINGS)
    assert digest == digest_input([replace(series, instances=series.instances[::-1])], bundle, SETTINGS)
    assert digest != digest_input([replace(series, instances=series.instances[1:])], bundle, SETTINGS)
    assert digest != digest_input([series], replace(bundle, digest="0"), SETTINGS)
    renamed = SETTINGS.model_copy(update={"node": NodeSettings.model_validate({"ae_title": "OTHER"})})
    assert digest != digest_input([series], bundle, renamed)


def test_one_series_has_the_digest_that_it_always_had(files: list[Path], predictor: Predictor) -> None:
    _, series = study_of(files)
    bundle = predictor.bundle
    digest = hashlib.sha256(f"{bundle.name}\n{bundle.digest}\n{SETTINGS.node.ae_title}\n".encode())
    for instance in sorted(series.instances, key=lambda item: item.sop_instance_uid):
        digest.update(f"{instance.sop_instance_uid} {content_digest(instance.path)}\n".encode())
    assert digest_input([series], bundle, SETTINGS) == digest.hexdigest()


def test_the_order_of_series_does_not_change_the_digest(files: list[Path], predictor: Predictor) -> None:
    _, series = study_of(files)
    first, second = replace(series, instances=series.instances[:2]), replace(series, instances=series.instances[2:])
    digest = digest_input([first, second], predictor.bundle, SETTINGS)
    assert digest == digest_input([second, first], predictor.bundle, SETTINGS)
    assert digest != digest_input([first], predictor.bundle, SETTINGS)


def test_a_result_as_json_has_no_patient_and_repeats(files: list[Path], predictor: Predictor) -> None:
    study, series = study_of(files)
    result = analyse(study, [series], predictor.bundle, predictor, NOW, "d")
    text = result_to_json(result)
    values = json.loads(text)
    assert text == result_to_json(result)
    assert values["answer"]["score"] == result.answer.score if result.answer else False
    assert values["answer"]["carried_by"][0]["series_instance_uid"] == "1.2.1"
    assert values["images"] == 5
    assert values["created"] == "2026-01-02T00:00:00+00:00"


def test_an_overlay_shows_the_image_that_carried_the_answer(files: list[Path], predictor: Predictor) -> None:
    study, series = study_of(files)
    analysis = analyse_with_images(study, [series], predictor.bundle, predictor, NOW, "d")
    (overlay,) = draw_result(analysis.result, analysis.groups)
    assert analysis.result.answer is not None
    assert overlay.image == analysis.result.answer.carried_by[0]
    assert overlay.position == int(overlay.image.sop_instance_uid.split(".")[-1])
    assert overlay.picture.mode == "RGB"
