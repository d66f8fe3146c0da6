"""Bundles that were trained on exams are measured per breast and answer for DICOM exams at the node."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from dicomnode.bundles import load_bundle
from dicomnode.cli.main import main
from dicomnode.dicom.turn import Turn
from dicomnode.findings import Presence
from dicomnode.inference.analyse import analyse
from dicomnode.inference.mammography.exam import read_exam
from dicomnode.inference.mammography.predictor import ExamPredictor
from dicomnode.inference.mammography.preparation import prepare
from dicomnode.learning.data.exam_store import prepared
from dicomnode.learning.data.exam_tables import exam_csv
from dicomnode.learning.data.exams import breast_images
from dicomnode.learning.recipes.recipe import DataSection
from tests.factories import as_study
from tests.mammograms import make_exam

RECIPE = Path(__file__).parents[3] / "training" / "gmic_resnet18.yaml"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny run."""
    out = tmp_path_factory.mktemp("run")
    changes = ("smoke=true", "training.epochs=1", "training.accumulate=2")
    command = ["train", str(RECIPE), "--out", str(out), "--device", "cpu", "--no-check", "--no-tensorboard"]
    assert main([*command, *(part for change in changes for part in ("--set", change))]) == 0
    return out


def test_dicom_is_prepared_as_the_node_does_it(tmp_path: Path) -> None:
    turned = Turn(columns_reversed=True, rows_reversed=True)
    exam = make_exam(
        tmp_path / "files", changed={"L-CC": {"monochrome1": True}, "R-MLO": {"turn": turned}}, size=(256, 208)
    )
    with (tmp_path / "labels.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("path", "exam", "laterality", "view", "benign", "malignant", "split"))
        for path in exam.paths:
            laterality, position = path.stem.partition("_")[2].split("-")
            writer.writerow((f"files/{path.name}", "e", laterality, position, 0, 1, "test"))
    section = DataSection(layout="exam_csv", classes=("benign", "malignant"), in_memory=False)

    images = breast_images(section, exam_csv(section, tmp_path))

    views = read_exam(exam.series).views
    for image in images:
        (mammogram,) = views[image.view]
        expected = prepare(mammogram.image.slice_array(0)[0], mammogram.view, (128, 96))
        np.testing.assert_array_equal(prepared(image, (128, 96)).pixels, expected.pixels)


def test_an_exam_of_dicom_files_is_answered_side_by_side(trained: Path, tmp_path: Path) -> None:
    bundle = load_bundle(trained / "bundle" / "gmic_resnet18")
    exam = make_exam(tmp_path, size=(256, 208))
    predictor = ExamPredictor(bundle, torch.device("cpu"))

    study = as_study(list(exam.paths))
    result = analyse(study, study.series, bundle, predictor, datetime(2026, 5, 1, tzinfo=UTC), "digest")

    assert result.answer is not None, result.reason
    assert result.answer.calibrated and result.answer.presence in (Presence.PRESENT, Presence.ABSENT)
    assert [side.laterality.meaning for side in result.answer.sides] == ["Left", "Right"]


def test_a_bundle_is_measured_per_breast(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(trained / "bundle" / "gmic_resnet18"), "--data", str(trained / "generated")]

    assert main([*command, "--device", "cpu", "--subgroups", "laterality", "--report", str(tmp_path)]) == 0

    assert "breast auc" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["all"] == json.loads((trained / "report.json").read_text())["test"]["all"]
    assert {side: one["breasts"] for side, one in report["subgroups"]["laterality"].items()} == {"L": 4, "R": 4}
    page = (tmp_path / "report.html").read_text()
    assert "AUC per breast" in page and "ROC over breasts" in page
    card = (trained / "bundle" / "gmic_resnet18" / "docs" / "README.md").read_text()
    assert "| AUC per breast |" in card and "Threshold" in card
