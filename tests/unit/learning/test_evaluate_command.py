"""``dicomnode evaluate``: what it prints and writes."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_curve

from dicomnode.bundles import EVALUATION, bundle_digest, read_measured
from dicomnode.bundles.measured import Curve
from dicomnode.cli.main import main
from dicomnode.learning.engine.progress import LineReporter
from dicomnode.learning.engine.training import load_task, make_run, train
from dicomnode.learning.evaluation import without_nan
from dicomnode.learning.measured_points import of_boxes, roc_of
from dicomnode.learning.metrics.detection_metrics import Boxes, detection_figures
from dicomnode.learning.metrics.lesions import Truth
from dicomnode.learning.packaging import package
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]


@pytest.fixture
def command(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> list[str]:
    """The command line that measures a small classifier."""
    run = make_run(load_recipe(write_recipe(training={"epochs": 1})), pictures, tmp_path / "out", "cpu")
    task = load_task(run.recipe, run.data)
    train(run, task, LineReporter(lambda line: None))
    return ["evaluate", str(package(run, task)), "--data", str(pictures), "--device", "cpu"]


def test_subgroups_by_any_column(command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "figures.json"

    assert main([*command, "--subgroups", "near_dup_in_train", "--report", str(out)]) == 0
    assert "all rows by near_dup_in_train" in capsys.readouterr().out
    report = json.loads(out.read_text())
    groups = report["subgroups"]["near_dup_in_train"]
    assert {value: figures["images"] for value, figures in groups.items()} == {"0": 6, "1": 2}
    for name in ("accuracy", "sensitivity", "specificity", "auc"):
        assert groups["0"][name] == report["clean"][name]

    assert main([*command, "--subgroups", "scanner"]) == 2
    assert "labels.csv has no such column; it has near_dup_in_train" in capsys.readouterr().err


def test_ways_to_compute_are_compared(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["way"] == "eager"  # it is not tuned here
    assert main([*command, "--json", "--way", "eager", "bfloat16"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["other_ways"]["bfloat16"]["images"] == report["all"]["images"]
    assert report["other_ways"]["bfloat16"]["auc"] == pytest.approx(report["all"]["auc"], abs=0.1)
    assert main([*command, "--way", "tuned", "channels-last"]) == 0
    assert "computed channels-last instead of eager" in capsys.readouterr().out
    assert main([*command, "--way", "steam"]) == 2


def test_precision_is_given_at_the_targets_recall(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["all"]["recall_target"] == 0.9  # the recipe's sensitivity
    assert main([*command, "--json", "--recall", "0.5"]) == 0
    figures = json.loads(capsys.readouterr().out)["all"]
    assert figures["recall_target"] == 0.5 and 0 < figures["precision_at_recall"] <= 1
    assert main([*command, "--recall", "50"]) == 2


def test_the_bundle_keeps_what_was_measured(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bundle = Path(command[1])
    packaged = read_measured(bundle)
    assert packaged is not None and packaged.bundle_digest == bundle_digest(bundle)  # the card counts, this does not
    (bundle / EVALUATION).unlink()

    assert main([*command, "--json", "--card", "--report", str(tmp_path / "report")]) == 0
    report = json.loads(capsys.readouterr().out)
    kept = read_measured(bundle)
    assert kept is not None and kept.rows == packaged.rows
    assert kept.command == f"dicomnode evaluate models/{bundle.name} --data DATA --split test"
    assert (tmp_path / "report" / "evaluation.json").read_bytes() == (bundle / EVALUATION).read_bytes()
    every, clean = kept.rows
    assert (every.name, clean.name, every.unit, every.curve) == ("all", "clean", "image", "roc")
    assert (every.cases, clean.cases) == (report["all"]["images"], report["clean"]["images"])
    assert every.figures["accuracy"].value == round(report["all"]["accuracy"], 4)
    assert every.operating_point == (round(report["all"]["fpr"], 4), round(report["all"]["sensitivity"], 4))
    assert sum(every.with_finding) + sum(every.without_finding) == sum(one.cases for one in every.calibration) == 8
    first = every.curves[0]
    assert first.points[0] == (0, 0) and first.points[-1] == (1, 1) and first.area == every.figures["auc"].value


def test_thinning_keeps_the_shape_of_a_curve() -> None:
    chance = np.random.default_rng(1)
    positive, scores = chance.random(20_000) < 0.3, chance.random(20_000)
    curve = roc_of("finding", positive, scores + 0.4 * positive, 0.9)
    assert len(curve.points) < 600
    x, y = np.array(curve.points).T
    assert (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all()
    false, true, _ = roc_curve(positive, scores + 0.4 * positive)
    assert abs(np.trapezoid(y, x) - np.trapezoid(true, false)) < 0.003
    assert roc_of("finding", np.zeros(3, dtype=bool), np.ones(3), None) == Curve("finding", None, ())


def test_a_detector_keeps_its_froc() -> None:
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    truths = [Truth(box, torch.tensor([0])), Truth(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))] * 3
    found = [{"boxes": box, "labels": torch.tensor([1]), "scores": torch.tensor([0.8 - 0.1 * i])} for i in range(6)]
    boxes = Boxes(truths, found, tuple("abcdef"), 0.5)
    rows = of_boxes(boxes, without_nan(asdict(detection_figures(boxes, ["mass"], 1))))
    assert rows.curve == "froc" and rows.curves[0].points[-1] == (0.5, 1.0)
    assert rows.figures["froc_1"].value == 1.0 and rows.figures["froc_1/8"].value == round(1 / 3, 4)
    assert (sum(rows.with_finding), sum(rows.without_finding), rows.calibration) == (3, 3, ())
