"""The data check: what it counts, what it finds, and when training does not begin."""

import csv
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicomnode.cli.main import main
from dicomnode.learning.datacheck import DataCheck, check_data
from dicomnode.learning.recipes.recipe import DataSection

TABLE = DataSection(layout="labels_csv", classes=("tumour", "none"), clean_column="near_dup_in_train")
COCO = DataSection(layout="coco", classes=("small", "large"))
CLASSES = {
    "brain_mri": ("glioma", "meningioma", "notumor", "pituitary"),
    "chest_ct": ("adenocarcinoma", "large.cell.carcinoma", "normal", "squamous.cell.carcinoma"),
}
WriteRecipe = Callable[..., Path]


def check(folder: Path, section: DataSection = TABLE) -> DataCheck:
    return check_data(section, folder, lambda done, total: None)


def add_rows(folder: Path, *rows: tuple[str, str, str, str, str]) -> None:
    with (folder / "labels.csv").open("a", newline="") as lines:
        csv.writer(lines).writerows(rows)


def add_copy(folder: Path, source: str, name: str, label: str, split: str, clean: str = "0") -> None:
    shutil.copy(folder / source, folder / name)
    add_rows(folder, (name, label, split, "", clean))


def add_touched(folder: Path, source: str, name: str, label: str, split: str) -> None:
    """A copy with one other pixel."""
    pixels = np.array(Image.open(folder / source))
    pixels[0, 0] += 1
    Image.fromarray(pixels).save(folder / name)
    add_rows(folder, (name, label, split, "", "0"))


def problems(found: DataCheck) -> dict[str, str]:
    return {problem.text: problem.severity for problem in found.problems}


def test_a_sound_set_is_counted_and_has_no_problem(pictures: Path) -> None:
    found = check(pictures)

    assert found.problems == () and not found.has_errors
    assert [(one.split, one.pictures, one.clean) for one in found.splits] == [
        ("train", 24, 0),
        ("valid", 8, 8),
        ("test", 8, 6),
    ]
    assert [one.pictures for one in found.classes] == [12, 12, 4, 4, 4, 4]
    assert found.sizes is not None
    assert (found.sizes.width.minimum, found.sizes.height.median, found.sizes.distinct) == (48, 48.0, 1)
    assert found.exact.groups == found.near.groups == ()


def test_histograms_have_common_bins_and_the_mean_of_the_pixels(pictures: Path) -> None:
    histograms = check(pictures).histograms

    assert histograms is not None and [one.name for one in histograms.classes] == ["tumour", "none"]
    tumour, none = histograms.classes
    assert len(tumour.shares) == len(none.shares) and sum(tumour.shares) == pytest.approx(1)
    assert histograms.start <= 20 and histograms.start + len(none.shares) * histograms.step > 220
    values = np.stack([np.asarray(Image.open(path)) for path in sorted(pictures.glob("*/none/*.png"))])
    assert (none.mean, none.deviation) == pytest.approx((values.mean(), values.std()))
    assert none.shares[-1] == 0 < tumour.shares[-1]  # the disc


def test_every_file_that_cannot_be_read_is_named_with_its_reason(pictures: Path) -> None:
    (pictures / "train/tumour/0.png").unlink()
    (pictures / "valid/none/1.png").write_text("no picture")
    whole = (pictures / "test/none/1.png").read_bytes()
    (pictures / "test/none/1.png").write_bytes(whole[: len(whole) // 2])

    found = check(pictures)

    assert [one.name for one in found.unreadable] == ["train/tumour/0.png", "valid/none/1.png", "test/none/1.png"]
    missing, other, cut = (one.reason for one in found.unreadable)
    assert missing == "is listed but missing"
    assert other == "is not a readable picture (its format is unknown, or its head is damaged)"
    assert "truncated" in cut and str(pictures) not in json.dumps(dataclasses.asdict(found))
    assert found.has_errors and found.problems[0].text.startswith("3 pictures cannot be read: train/tumour/0.png (is")


def test_copies_and_near_copies_across_splits_are_found(pictures: Path) -> None:
    add_copy(pictures, "train/tumour/0.png", "test/tumour/copy.png", "tumour", "test", clean="1")
    add_touched(pictures, "train/none/1.png", "test/touched.png", "none", "test")
    add_copy(pictures, "test/none/1.png", "test/none/copy.png", "none", "test")

    found = check(pictures)

    test = found.splits[2]
    assert (test.exact_twin_in_train, test.near_twin_in_train, test.clean, test.clean_with_twin) == (1, 2, 8, 1)
    assert {frozenset(group) for group in found.exact.groups} == {
        frozenset({"train/tumour/0.png", "test/tumour/copy.png"}),
        frozenset({"test/none/1.png", "test/none/copy.png"}),
    }
    assert found.exact.extra == 2 and found.near.extra == 3
    assert not found.has_errors and set(problems(found).values()) == {"warning"}
    assert "1 of 8 pictures of split 'test' that column near_dup_in_train calls clean have" in str(found.problems)


def test_alike_with_two_labels_is_a_conflict(pictures: Path) -> None:
    add_copy(pictures, "train/tumour/0.png", "train/none/copy.png", "none", "train")
    add_touched(pictures, "train/none/1.png", "train/touched.png", "tumour", "train")

    same, near = check(pictures).conflicts

    assert same.alike == "same pixels" and near.alike == "near duplicates"
    assert dict(zip(same.pictures, same.labels, strict=True)) == {
        "train/tumour/0.png": "tumour",
        "train/none/copy.png": "none",
    }
    assert dict(zip(near.pictures, near.labels, strict=True)) == {
        "train/none/1.png": "none",
        "train/touched.png": "tumour",
    }


def test_a_patient_across_splits_is_told_by_pictures_only(pictures: Path) -> None:
    table = pictures / "labels.csv"
    table.write_text(table.read_text().replace("0.png,tumour,train,,", "0.png,tumour,train,Jane Doe,", 1))
    table.write_text(table.read_text().replace("1.png,none,test,,", "1.png,none,test,Jane Doe,", 1))

    found = check(pictures)

    (shared,) = found.shared_patients
    assert (shared.splits, shared.pictures) == (("train", "test"), (1, 1))
    assert shared.examples[1] == "test/none/1.png"
    assert "Jane" not in json.dumps(dataclasses.asdict(found))
    assert any(text.startswith("1 patient has pictures in more than one split") for text in problems(found))


def test_what_the_labels_leave_out_or_misname_is_told(pictures: Path) -> None:
    table = pictures / "labels.csv"
    table.write_text(table.read_text().replace(",valid,", ",val,"))
    shutil.copy(pictures / "train/none/1.png", pictures / "stray.png")

    found = check(pictures, TABLE.model_copy(update={"classes": ("tumour", "none", "cyst")}))

    assert found.unlisted == ("stray.png",)
    assert problems(found) == {
        "split 'valid' holds no picture": "error",
        "class 'cyst' has no picture in split 'train': it cannot be learned": "warning",
        "8 pictures of split 'val' are not used: the recipe has no such split": "warning",
        "1 picture of the data folder not used, for the labels leave out: stray.png": "warning",
    }


def test_boxes_that_cannot_be_right_are_named(boxes: Path) -> None:
    table = boxes / "annotations_train.json"
    content = json.loads(table.read_text())
    content["annotations"][0]["bbox"] = [40, 40, 30, 10]
    content["annotations"][1]["bbox"] = [4, 4, 0, 10]
    del content["annotations"][2]
    table.write_text(json.dumps(content))

    found = check(boxes, COCO)

    assert [(one.name, one.reason) for one in found.wrong_boxes] == [
        ("train/0.png", "reaches out of the picture of 64 x 64 pixels"),
        ("train/1.png", "has no area"),
    ]
    assert [(one.name, one.pictures, one.boxes) for one in found.classes[:3]] == [
        ("small", 3, 3),
        ("large", 4, 4),
        ("no box", 1, 0),
    ]


@pytest.mark.parametrize("layout", ["class_folders", "unsplit_class_folders", "patient_class_folders"])
def test_folders_are_checked_like_tables(layout: str, pictures: Path) -> None:
    folder = pictures / "train" if layout == "unsplit_class_folders" else pictures
    split = None if layout == "class_folders" else (0.34, 0.33, 0.33)

    found = check(folder, DataSection(layout=layout, classes=TABLE.classes, random_split=split))  # type: ignore[arg-type]

    assert found.unreadable == () and found.unlisted == () and not found.has_errors
    assert sum(one.pictures for one in found.splits) == found.pictures == (24 if folder.name == "train" else 40)


def test_the_command_prints_the_check_and_trains_nothing(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--check", str(write_recipe()), "--data", str(pictures)]
    add_copy(pictures, "train/tumour/0.png", "test/tumour/copy.png", "tumour", "test")

    assert main(command) == 0
    assert "warning: 1 of 9 pictures of split 'test' have a near duplicate" in capsys.readouterr().out
    (pictures / "train/none/1.png").unlink()
    assert main([*command, "--json", "--out", str(tmp_path / "out")]) == 1

    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out/check.json").read_text())
    assert printed["problems"][0]["severity"] == "error"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["check.json"]


def test_training_does_not_begin_on_unreadable_pictures(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "train/none/1.png").write_text("no picture")
    out = tmp_path / "out"

    assert main(["train", str(write_recipe()), "--data", str(pictures), "--out", str(out), "--device", "cpu"]) == 2

    said = capsys.readouterr().err
    assert "data error: 1 picture cannot be read: train/none/1.png" in said and "check.json" in said
    assert (out / "check.json").is_file() and not (out / "last.pt").exists()


def _subset(folder: Path, place: Path, wanted: Callable[[dict[str, str]], bool]) -> list[dict[str, str]]:
    """A labels.csv in ``place`` of some rows of the one in ``folder``, whose pictures stay where they are."""
    with (folder / "labels.csv").open(newline="") as lines:
        rows = [row | {"path": str(folder / row["path"])} for row in csv.DictReader(lines) if wanted(row)]
    with (place / "labels.csv").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


@pytest.mark.data
@pytest.mark.parametrize(("name", "conflicts"), [("brain_mri", 0), ("chest_ct", 1)])
def test_known_copies_are_found_in_real_sets(test_data: Path, tmp_path: Path, name: str, conflicts: int) -> None:
    rows = _subset(test_data / name, tmp_path, lambda row: 0 < int(row["dup_group"] or 0) <= 60)
    section = DataSection(layout="labels_csv", classes=CLASSES[name])

    found = check(tmp_path, section)

    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(row["dup_group"], set()).add(row["path"])
    assert {frozenset(group) for group in found.exact.groups} == {
        frozenset(group) for group in groups.values() if len(group) > 1
    }
    same = [one for one in found.conflicts if one.alike == "same pixels"]
    assert len(same) == conflicts
    if conflicts:
        assert {Path(picture).stem for picture in same[0].pictures} == {"l4", "sq2"}
