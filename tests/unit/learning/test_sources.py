"""Data folders: what is read, and what is said when something is missing."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from dicomnode.errors import RecipeError
from dicomnode.learning.data.sources import load_samples, of_split
from dicomnode.learning.recipes.recipe import DataSection

TABLE = DataSection(layout="labels_csv", classes=("tumour", "none"), clean_column="near_dup_in_train")
COCO = DataSection(layout="coco", classes=("small", "large"))


def test_a_table_gives_labels_splits_and_clean_rows(pictures: Path) -> None:
    samples = load_samples(TABLE, pictures)

    assert Counter(sample.split for sample in samples) == {"train": 24, "valid": 8, "test": 8}
    assert Counter(sample.clean for sample in of_split(samples, "test")) == {True: 6, False: 2}
    assert all(TABLE.classes[sample.label] in sample.name for sample in samples)


def test_further_columns_of_a_table_stay_with_the_sample_but_the_patient(pictures: Path) -> None:
    table = pictures / "labels.csv"
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{header},scanner", *(f"{row},{row[:5]}" for row in rows)]))

    samples = load_samples(TABLE, pictures)

    assert samples[0].columns == (("near_dup_in_train", "0"), ("scanner", "train"))


def test_rows_of_an_ignored_label_are_left_out(pictures: Path) -> None:
    table = pictures / "labels.csv"
    table.write_text(table.read_text() + "train/other/1.png,other,train,,0\n")

    assert len(load_samples(TABLE.model_copy(update={"ignored": ("other",)}), pictures)) == 40
    with pytest.raises(RecipeError, match="class 'other' is not among"):
        load_samples(TABLE, pictures)


def test_a_validation_list_takes_pictures_out_of_train(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "valid.csv").write_text("path\ntrain/tumour/0.png\ntrain/none/1.png\n")
    section = TABLE.model_copy(update={"valid_list": tmp_path / "valid.csv"})

    samples = load_samples(section, pictures)

    assert Counter(sample.split for sample in samples) == {"train": 22, "valid": 10, "test": 8}


def test_class_folders_give_the_same_labels(pictures: Path) -> None:
    samples = load_samples(DataSection(layout="class_folders", classes=TABLE.classes), pictures)

    by_name = {sample.name: sample.label for sample in load_samples(TABLE, pictures)}
    assert {sample.name: sample.label for sample in samples} == by_name


def test_coco_gives_corners_and_labels(boxes: Path) -> None:
    first = load_samples(COCO, boxes)[0]

    content = json.loads((boxes / "annotations_train.json").read_text())
    x, y, width, height = content["annotations"][0]["bbox"]
    assert first.boxes == ((x, y, x + width, y + height),)
    assert first.box_labels == (0,)


def _remove(*names: str):  # type: ignore[no-untyped-def]
    def change(folder: Path) -> None:
        for name in names:
            shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()

    return change


def _replace(old: str, new: str):  # type: ignore[no-untyped-def]
    def change(folder: Path) -> None:
        table = folder / "labels.csv"
        table.write_text(table.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_remove("labels.csv"), r"labels\.csv is missing"),
        (_remove("train/tumour/0.png"), r"train/tumour/0\.png is listed but missing"),
        (_replace("near_dup_in_train", "other"), "column near_dup_in_train is missing"),
        (_replace(",tumour,", ",unicorn,"), "class 'unicorn' is not among"),
        (_replace(",valid,", ",held,"), "no picture in split 'valid'"),
    ],
)
def test_a_wrong_table_is_named(pictures: Path, change, complaint: str) -> None:  # type: ignore[no-untyped-def]
    change(pictures)
    with pytest.raises(RecipeError, match=complaint):
        load_samples(TABLE, pictures)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nowhere: does not exist"):
        load_samples(TABLE, tmp_path / "nowhere")


def test_missing_annotations_are_named(boxes: Path) -> None:
    (boxes / "annotations_valid.json").unlink()
    with pytest.raises(RecipeError, match=r"annotations_valid\.json is missing"):
        load_samples(COCO, boxes)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"images"', '"pictures"', "'images' is missing"),
        ('"image_id": 0', '"image_id": 99', "99 is missing"),
        ('"category_id": 1', '"category_id": 7', "7 is missing"),
        ('"bbox": [', '"bbox": [3, ', "not four numbers"),
        ("{", "", "is not JSON"),
    ],
)
def test_damaged_annotations_are_named(boxes: Path, old: str, new: str, complaint: str) -> None:
    table = boxes / "annotations_train.json"
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(RecipeError, match=rf"annotations_train\.json: .*{complaint}"):
        load_samples(COCO, boxes)


def test_a_cut_or_foreign_table_is_named(pictures: Path) -> None:
    table = pictures / "labels.csv"
    whole = table.read_text()
    table.write_text(whole + "train/none/77.png,none\n")
    with pytest.raises(RecipeError, match=r"labels\.csv: line 42 has fewer values"):
        load_samples(TABLE, pictures)
    table.write_bytes(whole.encode("utf-16"))
    with pytest.raises(RecipeError, match=r"labels\.csv: is not UTF-8"):
        load_samples(TABLE, pictures)
    table.write_text("\ufeff" + whole, encoding="utf-8")  # as spreadsheets write it
    assert len(load_samples(TABLE, pictures)) == 40


def test_a_missing_class_folder_is_named(pictures: Path) -> None:
    shutil.rmtree(pictures / "train" / "none")
    with pytest.raises(RecipeError, match="folder train/none is missing"):
        load_samples(DataSection(layout="class_folders", classes=TABLE.classes), pictures)


def test_a_validation_list_without_paths_is_named(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "valid.csv").write_text("file\ntrain/tumour/0.png\n")
    with pytest.raises(RecipeError, match=r"valid\.csv: column path is missing"):
        load_samples(TABLE.model_copy(update={"valid_list": tmp_path / "valid.csv"}), pictures)


def test_an_unknown_picture_in_the_validation_list_is_named(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "valid.csv").write_text("path\ntrain/tumour/99.png\n")
    with pytest.raises(RecipeError, match=r"train/tumour/99\.png is not in the data folder"):
        load_samples(TABLE.model_copy(update={"valid_list": tmp_path / "valid.csv"}), pictures)
