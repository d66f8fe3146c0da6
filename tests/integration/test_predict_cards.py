"""``dicomnode predict`` on a bundle's test split gives the figures of its model card."""

import contextlib
import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dicomnode.bundles import load_bundle
from dicomnode.cli.main import main

MODELS = Path(__file__).parents[2] / "models"
CLASSIFIER = MODELS / "brain_mri_tumor_classifier"
DETECTOR = MODELS / "brain_mri_lesion_detector"
MAMMOGRAMS = MODELS / "mammography_lesion_detector"
CELLS = MODELS / "blood_cell_classifier"
TILES = MODELS / "histology_idc_classifier"

pytestmark = [pytest.mark.data, pytest.mark.timeout(900)]


def data(name: str) -> Path:
    folder = Path(os.environ["DICOMNODE_TEST_DATA"]) / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not on this machine")
    return folder


def predict(bundle: Path, pictures: Path, out: Path, *more: str) -> list[dict[str, Any]]:
    assert main(["predict", str(bundle), str(pictures), "--out", str(out), "--json", *more]) == 0
    results: list[dict[str, Any]] = json.loads((out / "results.json").read_text())
    return results


def card_figures(bundle: Path, title: str) -> list[float]:
    """The numbers of a row of the card's table of figures, without their intervals."""
    card = (bundle / "docs" / "README.md").read_text()
    row = next(line for line in card.splitlines() if line.startswith(f"| {title} |"))
    return [float(number) for number in re.findall(r"\d\.\d+", re.sub(r"\[.*?\]", "", row.split("|", 2)[2]))]


def test_the_classifier_keeps_the_accuracy_of_its_card(tmp_path: Path) -> None:
    folder = data("brain_mri")
    names = {item.code.value: item.name for item in load_bundle(CLASSIFIER).node.classes}
    with (folder / "labels.csv").open(newline="") as stream:
        rows = {row["path"]: row for row in csv.DictReader(stream) if row["split"] == "test"}
    hits = {}
    for result in predict(CLASSIFIER, folder / "test", tmp_path):
        path = str(Path(result["path"]).relative_to(folder))
        strongest = result["answer"]["classes"][0]["concept"]["value"]
        hits[path] = names[strongest] == rows[path]["label"]
    clean = [hit for path, hit in hits.items() if rows[path]["near_dup_in_train"] == "0"]
    accuracy_all, accuracy_clean = card_figures(CLASSIFIER, "accuracy")
    assert len(hits) == len(rows)
    # One borderline picture may fall to the other side on another processor.
    assert sum(hits.values()) / len(hits) == pytest.approx(accuracy_all, abs=1.5 / len(hits))
    assert sum(clean) / len(clean) == pytest.approx(accuracy_clean, abs=1.5 / len(clean))
    assert accuracy_clean >= 0.98


@pytest.mark.parametrize(
    ("bundle", "name", "places", "more"),
    [
        (CELLS, "blood_cells", ("erythroblast", "immature_granulocyte"), ()),
        (TILES, "breast_histology", ("idc",), ("--spacing", "0.004")),
    ],
    ids=["cells", "tiles"],
)
def test_a_microscopy_model_keeps_the_sensitivity_of_its_card(
    bundle: Path, name: str, places: tuple[str, ...], more: tuple[str, ...], tmp_path: Path
) -> None:
    folder, node = data(name), load_bundle(bundle).node
    findings = [item.name for item in node.classes if item.is_finding and item.name in places]
    answers = {
        label: [item["answer"] for item in predict(bundle, folder / "test" / label, tmp_path / label, *more)]
        for label in findings
    }
    found = [answer["presence"] == "present" for each in answers.values() for answer in each]
    assert sum(found) / len(found) == pytest.approx(card_figures(bundle, "sensitivity")[0], abs=1.5 / len(found))
    assert {answer["tally"]["examined"] for each in answers.values() for answer in each} == {1}


@pytest.mark.parametrize(
    ("bundle", "name", "least"),
    [(DETECTOR, "brain_mri_boxes", 0.50), (MAMMOGRAMS, "mammography", 0.0)],
    ids=["brain", "mammograms"],
)
def test_a_detector_keeps_the_average_precision_of_its_card(
    bundle: Path, name: str, least: float, tmp_path: Path
) -> None:
    folder = data(name)
    truth = json.loads((folder / "annotations_test.json").read_text())
    results = predict(bundle, folder / "test", tmp_path)
    precision = average_precision_at_half(truth, boxes_of(bundle, truth, results))
    assert precision == pytest.approx(card_figures(bundle, "AP at IoU 0.50 (mean over classes)")[0], abs=0.01)
    assert precision >= least


def boxes_of(bundle: Path, truth: dict[str, Any], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The boxes as COCO results; the n-th class of the bundle is the category of that name."""
    images = {Path(item["file_name"]).name: item["id"] for item in truth["images"]}
    categories = {item["name"]: item["id"] for item in truth["categories"]}
    labels = [categories[item.name] for item in load_bundle(bundle).node.classes]
    return [
        {
            "image_id": images[Path(result["path"]).name],
            "category_id": labels[box["label"] - 1],
            "bbox": [box["box"][0], box["box"][1], box["box"][2] - box["box"][0], box["box"][3] - box["box"][1]],
            "score": box["score"],
        }
        for result in results
        for box in result.get("boxes", [])
    ]


def average_precision_at_half(truth: dict[str, Any], boxes: list[dict[str, Any]]) -> float:
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(boxes), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[1])
