"""Labelled mammograms become breasts and exams."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dicomnode.errors import RecipeError
from dicomnode.learning.data.exam_tables import exam_csv
from dicomnode.learning.data.exams import breast_images, whole_exams
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.datacheck import check_data
from dicomnode.learning.recipes.recipe import DataSection

FINDINGS = DataSection(layout="exam_csv", classes=("benign", "malignant"), in_memory=False)
BIRADS = DataSection(layout="exam_csv", classes=("birads_0", "birads_1", "birads_2"), in_memory=False)


def row(path: str, laterality: str, view: str, **changes: Any) -> dict[str, str]:
    plain = {"patient": "p1", "exam": "e1", "benign": "0", "malignant": "0", "birads": "1", "split": "train"}
    return {"path": path, "laterality": laterality, "view": view, **plain, **changes}


def write(folder: Path, *rows: dict[str, str]) -> Path:
    with (folder / "labels.csv").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


FOUR = [(side, view) for side in "LR" for view in ("CC", "MLO")]


def test_a_breast_has_what_any_of_its_images_has(tmp_path: Path) -> None:
    rows = [row(f"{side}{view}.png", side, view) for side, view in FOUR]
    rows[0]["malignant"] = "1"

    images = breast_images(FINDINGS, exam_csv(FINDINGS, write(tmp_path, *rows)))

    assert [image.truth for image in images] == [(False, True)] * 2 + [(False, False)] * 2
    assert [image.sample.label for image in images] == [1, -1, -1, -1]
    assert images[1].view == "L-MLO" and images[1].group == "p1"


def test_an_exam_has_four_views_and_of_a_repeated_one_the_first(tmp_path: Path) -> None:
    rows = [row(f"{side}{view}.png", side, view, birads="2") for side, view in FOUR]
    rows += [row("again.png", "L", "CC", birads="2"), row("alone.png", "R", "CC", exam="e2", birads="0")]

    (exam,) = whole_exams(breast_images(BIRADS, exam_csv(BIRADS, write(tmp_path, *rows))))

    assert (exam.name, exam.group, len(exam.views)) == ("e1", "p1", 4)
    assert exam.views["L-CC"].sample.name == "LCC.png"
    assert exam.truths == ((False, False, True),) * 2


def test_cbis_ddsm_names_say_side_and_view() -> None:
    names = ("Mass-Training_P_00001_LEFT_CC", "Mass-Training_P_00001_LEFT_MLO", "Calc-Test_P_00001_RIGHT_CC")
    labels = (0, 1, 0)
    samples = [Sample(name, Path(name), "train", label, "P_00001") for name, label in zip(names, labels, strict=True)]

    images = breast_images(FINDINGS, samples)

    assert [image.view for image in images] == ["L-CC", "L-MLO", "R-CC"]
    assert [image.truth for image in images] == [(True, True), (True, True), (True, False)]


def test_other_names_say_nothing() -> None:
    with pytest.raises(RecipeError, match=r"a\.png: nothing says which exam, breast and view it is"):
        breast_images(FINDINGS, [Sample("a.png", Path("a.png"), "train", 0)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"laterality": "B"}, r"line 2: laterality 'B' is none of L, R"),
        ({"view": "ML"}, r"line 2: view 'ML' is none of CC, MLO"),
        ({"malignant": "yes"}, r"line 2: malignant is 'yes'; write 1 or 0"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        list(exam_csv(FINDINGS, write(tmp_path, row("a.png", "L", "CC") | changes)))


def test_a_wrong_category_or_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"birads '5' is none of birads_0, birads_1, birads_2"):
        list(exam_csv(BIRADS, write(tmp_path, row("a.png", "L", "CC", birads="5"))))
    short = row("a.png", "L", "CC")
    del short["malignant"]
    with pytest.raises(RecipeError, match="column malignant is missing"):
        list(exam_csv(FINDINGS, write(tmp_path, short)))
    with pytest.raises(RecipeError, match=r"labels\.csv is missing; layout exam_csv needs it"):
        list(exam_csv(FINDINGS, tmp_path / "elsewhere"))


def test_the_data_check_counts_breasts_without_a_finding(tmp_path: Path) -> None:
    rows = [row(f"{side}{view}.png", side, view, split=split) for split in ("train", "valid") for side, view in FOUR]
    for number, entry in enumerate(rows):
        entry["path"] = f"{number}.png"
        pixels = np.random.default_rng(number).integers(0, 60000, (24, 20)).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / entry["path"])
    rows[0]["malignant"] = "1"

    check = check_data(FINDINGS, write(tmp_path, *rows), lambda done, total: None)

    counts = {(one.split, one.name): one.pictures for one in check.classes}
    assert counts[("train", "malignant")] == 1 and counts[("train", "no finding")] == 3
    assert not check.has_errors
