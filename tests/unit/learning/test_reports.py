"""The report page: complete, in one file, and its errors really are the worst."""

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dicomnode.cli.main import main
from dicomnode.learning.metrics.classification_metrics import ClassificationFigures, Predictions
from dicomnode.learning.metrics.detection_metrics import Boxes, DetectionFigures
from dicomnode.learning.metrics.lesions import Truth
from dicomnode.learning.report.data_check import read_check
from dicomnode.learning.report.detection_plots import of_class
from dicomnode.learning.report.drawing import canvas, finished
from dicomnode.learning.report.errors import LesionError, worst_answers, worst_lesions
from dicomnode.learning.report.history_plots import history_plots
from dicomnode.learning.report.saliency import Saliency, last_feature_map
from dicomnode.learning.report.tables import MEANINGS, figure_table
from dicomnode.networks import BrainMriCnn, ResNetClassifier, SymmetryAveraged

WriteRecipe = Callable[..., Path]
CLASSIFIER_PLOTS = {"confusion", "confusion_all_rows", "roc", "precision_recall", "calibration", "scores"}
RUN_PLOTS = {"losses", "metrics", "intensities"}


def _train(recipe: Path, data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The page of a run of one step, whose network is bound to err."""
    arguments = ["train", str(recipe), "--data", str(data), "--out", str(out), "--device", "cpu"]
    assert main([*arguments, "--budget-minutes", "0"]) == 0, capsys.readouterr().err
    return (out / "report.html").read_text(encoding="utf-8")


def _check_page(html: str, plots: Path, names: set[str]) -> None:
    """One file that shows each plot and asks for nothing else."""
    assert {path.stem for path in plots.iterdir()} == names
    for path in plots.iterdir():
        assert base64.b64encode(path.read_bytes()).decode() in html, path.name
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", html)
    assert addresses and all(address.startswith("data:image/") for address in addresses)
    assert not re.search(r"<script|<link|@import|url\(\s*['\"]?http", html)


def test_training_ends_with_a_page(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    published = {"result": "The study found 0.86.", "figures": {"accuracy": 0.8642}}
    html = _train(write_recipe(training={"epochs": 1}, published=published), pictures, out, capsys)

    _check_page(html, out / "plots", CLASSIFIER_PLOTS | RUN_PLOTS)
    report = json.loads((out / "report.json").read_text())
    for rows in ("all", "clean"):
        assert f"{report['test'][rows]['accuracy']:.4f}" in html
    assert "The study found 0.86." in html and "0.8642" in html
    assert "images seen" in html and "schedule share" in html
    assert "viewport" in html and "prefers-color-scheme: dark" in html
    errors = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', html)
    with Image.open(io.BytesIO(base64.b64decode(errors[0]))) as picture:
        assert picture.size == (448, 224)


def test_evaluation_writes_such_a_page(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "out", tmp_path / "report"
    _train(write_recipe(), pictures, out, capsys)
    command = ["evaluate", str(out / "bundle" / "tiny_classifier"), "--data", str(pictures), "--device", "cpu"]

    assert main([*command, "--split", "valid", "--report", str(report), "--subgroups", "near_dup_in_train"]) == 0
    html = (report / "report.html").read_text(encoding="utf-8")
    _check_page(html, report / "plots", CLASSIFIER_PLOTS - {"confusion_all_rows"})
    assert "By near_dup_in_train" in html
    assert json.loads((report / "report.json").read_text())["split"] == "valid"
    assert main([*command, "--report", str(tmp_path / "page.html")]) == 2


def test_a_detectors_page_draws_its_errors(
    write_recipe: WriteRecipe, boxes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = _train(write_recipe("detector"), boxes, tmp_path, capsys)

    _check_page(html, tmp_path / "plots", {"precision_recall", "froc"} | RUN_PLOTS)
    assert "missed lesion" in html or "false box" in html
    assert "FROC: false boxes per image" in html and "an IoU of 0.5 or more" in html

    command = ["evaluate", str(tmp_path / "bundle" / "tiny_detector"), "--data", str(boxes), "--device", "cpu"]
    capsys.readouterr()
    assert main([*command, "--hit", "centre"]) == 0
    printed = capsys.readouterr().out
    assert (
        "its centre lies in the lesion's box" in printed and "sensitivity at false boxes per image\n    1/8" in printed
    )
    assert main([*command, "--hit", "touch"]) == 2
    assert "'touch': is no rule" in capsys.readouterr().err


def _predictions() -> Predictions:
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.05, 0.95], [0.4, 0.6], [0.8, 0.2]])
    return Predictions(probabilities, np.array([0, 0, 0, 1, 1]), tuple("abcde"), (1,), 0.5)


def test_the_worst_answers_are_the_surest_wrong_ones() -> None:
    assert worst_answers(_predictions(), 12) == [2, 4, 1]
    assert worst_answers(_predictions(), 2) == [2, 4]
    assert worst_answers(_predictions().subset([0, 3]), 12) == []


def _boxes(threshold: float = 0.5) -> Boxes:
    """A small and a large lesion that are missed, one that is found, and false boxes of 0.9, 0.6 and 0.4."""
    truths = [
        Truth(torch.tensor([[0.0, 0, 10, 10], [20.0, 20, 60, 60]]), torch.tensor([0, 1])),
        Truth(torch.tensor([[10.0, 10, 30, 30]]), torch.tensor([0])),
    ]
    found = [
        {
            "boxes": torch.tensor([[80.0, 80, 90, 90], [70.0, 0, 80, 10]]),
            "labels": torch.tensor([2, 1]),
            "scores": torch.tensor([0.4, 0.6]),
        },
        {
            "boxes": torch.tensor([[10.0, 10, 30, 31], [60.0, 60, 70, 75]]),
            "labels": torch.tensor([1, 2]),
            "scores": torch.tensor([0.8, 0.9]),
        },
    ]
    return Boxes(truths, found, ("a", "b"), threshold)


def test_the_worst_lesions_are_the_largest_missed_and_the_surest_false() -> None:
    errors = worst_lesions(_boxes(), 12)

    assert errors[0] == LesionError(0, 1, None, 1600)
    # The first image's false box and its small lesion are on the same picture.
    assert [(error.image, error.label, round(error.score or 0, 3)) for error in errors[1:]] == [(1, 1, 0.9)]
    assert worst_lesions(_boxes(0.95), 12)[1:] == [LesionError(1, 0, None, 400)]
    assert [error.score is None for error in worst_lesions(_boxes(0.1), 2)] == [True, False]


def test_boxes_of_one_class() -> None:
    own = of_class(_boxes(), 1)

    assert own.scores.round(1).tolist() == [0.9, 0.4] and not own.hits.any()
    assert own.lesions.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        (ResNetClassifier(classes=2, width=4, blocks=1), "stages"),
        (BrainMriCnn(size=64, classes=2, in_channels=1, channels=(4, 4), hidden=(8, 8)), "features"),
    ],
)
def test_saliency_is_of_the_last_feature_map(network: nn.Module, layer: str) -> None:
    image = torch.rand(1, 64, 64)
    network.eval()

    assert last_feature_map(network, image[None]) == layer
    heat = Saliency(network, image).of(image, 0)
    assert heat.shape == (64, 64) and heat.min() >= 0 and heat.max() <= 1
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())


def test_saliency_follows_what_speaks_for_the_class() -> None:
    """A network whose only evidence for the first class is a bright place."""
    convolution, head = nn.Conv2d(1, 1, 3, padding=1), nn.Linear(1, 2)
    with torch.no_grad():
        convolution.weight.fill_(1 / 9), convolution.bias.zero_()
        head.weight.copy_(torch.tensor([[1.0], [-1.0]])), head.bias.zero_()
    network = nn.Sequential(convolution, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    image = torch.zeros(1, 32, 32)
    image[0, 4:12, 20:28] = 1

    for classifier in (network, SymmetryAveraged(classifier=network, symmetry="mirror")):
        heat = Saliency(classifier, image).of(image, 0)
        assert heat[4:12, 20:28].mean() > 0.8 and heat[16:].max() == 0


def test_a_network_without_rows_and_columns_has_no_map() -> None:
    with pytest.raises(ValueError, match="no feature map"):
        last_feature_map(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), torch.rand(1, 1, 4, 4))


@pytest.mark.parametrize("kind", [ClassificationFigures, DetectionFigures])
def test_every_figure_is_explained(kind: type) -> None:
    counts = {"images", "lesions", "mask_lesions", "recall_target"}
    figures = {name for name, type_ in kind.__annotations__.items() if type_ in ("float", "int", "float | None")}

    assert figures - counts <= MEANINGS.keys()


def test_published_figures_stand_beside_ours() -> None:
    report: dict[str, Any] = {"all": {"images": 3, "accuracy": 0.5, "auc": None, "intervals": {"accuracy": [0.1, 0.9]}}}
    table = figure_table(report, {"accuracy": 0.94, "loss": 0.3})

    assert table.head == ("", "all rows, n = 3", "published")
    assert [(row.title, [(c.value, c.interval) for c in row.cells]) for row in table.rows] == [
        ("Accuracy", [("0.5000", "0.1000 to 0.9000"), ("0.9400", "")])
    ]


def test_the_recall_is_told_at_which_a_precision_holds() -> None:
    report = {"all": {"images": 3, "recall_target": 0.932, "precision_at_recall": 0.71, "intervals": {}}}

    assert [row.title for row in figure_table(report, {}).rows] == ["Precision at recall 0.932"]


def test_curves_of_a_run() -> None:
    history = [{"epoch": 1.0, "images": 8.0, "loss": 0.9}, {"epoch": 2.0, "images": 16.0, "loss": 0.5, "accuracy": 0.7}]
    losses, metrics = history_plots(history, 2)

    assert losses.says == "loss ends at 0.5000" and metrics.says == "accuracy ends at 0.7000"
    assert history_plots([], None) == ()


def test_a_plot_follows_the_readers_theme() -> None:
    with canvas() as (figure, (axes,)):
        axes.set_title("A & B")
        plot = finished(figure, "empty", "Empty", "")

    assert plot.svg.startswith("<svg") and "prefers-color-scheme:dark" in plot.svg
    assert "var(--c0, #17212b)" in plot.svg and "A &amp; B" in plot.svg


def test_the_data_check_is_shown(tmp_path: Path) -> None:
    check = tmp_path / "check.json"
    assert read_check(check) is None
    content = {
        "pictures": 3,
        "splits": [{"split": "train", "pictures": 2}, {"split": "test", "pictures": 1}],
        "histograms": {"start": 0.0, "step": 64.0, "classes": [{"name": "none", "shares": [0.5, 0.5]}]},
        "unlisted": ["a.png"],
        "problems": [{"severity": "warning", "text": "1 picture of split 'test' is in train too"}],
    }
    check.write_text(json.dumps(content))
    view = read_check(check)

    assert view is not None
    assert view.facts == {"pictures": "3", "unlisted": "1"}
    assert view.problems == (("warning", "1 picture of split 'test' is in train too"),)
    assert [row.title for row in view.tables[0].rows] == ["train", "test"]
    assert [plot.name for plot in view.plots] == ["intensities"]
