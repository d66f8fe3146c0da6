"""CBIS-DDSM: files found in both deliveries, faults put right and told, boxes and masks."""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dicomnode.cli.main import main
from dicomnode.errors import RecipeError
from dicomnode.learning.data.cbis.facts import CACHE_FILE
from dicomnode.learning.data.cbis.tables import read_tables
from dicomnode.learning.data.shapes import MaskFile, mask_box, shape_mask
from dicomnode.learning.data.sources import list_repairs, list_samples, load_samples
from dicomnode.learning.datacheck import check_data
from dicomnode.learning.recipes.recipe import DataSection, load_recipe
from tests.cbis import COLUMNS, FAULTY, ROWS, TABLES, WIDTH, Case, sound, uids, write_cbis
from tests.factories import make_instance, write_instance

CLASSES = ("benign", "benign_without_callback", "malignant")
WHOLE = DataSection(layout="cbis_ddsm", classes=CLASSES, valid="train")
BOXED = WHOLE.model_copy(update={"with_boxes": True})
BOTH = pytest.mark.parametrize("dated", [False, True])


def kinds(folder: Path, section: DataSection = BOXED) -> Counter[str]:
    return Counter(repair.kind for repair in list_repairs(section, folder))


@BOTH
def test_boxes_come_from_the_masks_whatever_is_wrong(tmp_path: Path, dated: bool) -> None:
    write_cbis(tmp_path, dated=dated)

    first, second, third = load_samples(BOXED, tmp_path)

    assert first.name == "Mass-Training_P_00001_LEFT_CC" and first.patient == "P_00001"
    assert first.boxes == ((10, 20, 18, 30), (25, 40, 35, 50)) and first.box_labels == (2, 0)
    assert second.boxes == ((10, 20, 18, 30),)  # the mask has half the mammogram's size
    assert third.box_labels == (1,)
    for sample in (first, second, third):
        for shape, box in zip(sample.shapes, sample.boxes, strict=True):
            assert isinstance(shape, MaskFile) and mask_box(shape_mask(shape, ROWS, WIDTH)) == box


@BOTH
def test_every_repair_is_told(tmp_path: Path, dated: bool) -> None:
    write_cbis(tmp_path, dated=dated)

    found = kinds(tmp_path)

    expected = {"line breaks": 1, "swapped": 1, "merged": 1, "mask size": 1, "empty mask": 1, "path": 2}
    assert found == expected | ({"folders": 1} if dated else {})
    text = {repair.kind: f"{repair.name}: {repair.text}" for repair in list_repairs(BOXED, tmp_path)}
    assert "_LEFT_CC_2: crop and mask are exchanged" in text["swapped"]
    assert "30 x 20, the mammogram 60 x 40; it is resized by nearest" in text["mask size"]
    assert "2 abnormalities (1 malignant, 1 benign) are boxes of one mammogram" in text["merged"]
    assert "5 paths end with a line break" in text["line breaks"]


def test_a_sound_set_needs_no_repair_but_the_line_breaks(tmp_path: Path) -> None:
    write_cbis(tmp_path, sound((FAULTY[0], *FAULTY[2:])))
    assert kinds(tmp_path) == {"line breaks": 1}


def test_whole_mammograms_have_the_gravest_label_and_need_no_masks(tmp_path: Path) -> None:
    write_cbis(tmp_path)
    for case in FAULTY:
        shutil.rmtree(tmp_path / f"{case.view_name}_{case.number}")

    samples = load_samples(WHOLE, tmp_path)

    assert [sample.label for sample in samples] == [2, 0, 1, 0] and all(not sample.boxes for sample in samples)
    assert dict(samples[0].columns) == {
        "abnormality": "mass",
        "side": "LEFT",
        "view": "CC",
        "density": "3",
        "assessment": "4",
        "subtlety": "3",
    }
    assert kinds(tmp_path, WHOLE) == {"line breaks": 1, "path": 1, "merged": 1}


def test_an_abnormality_without_a_mask_is_left_out_and_told(tmp_path: Path) -> None:
    write_cbis(tmp_path, sound())
    shutil.rmtree(tmp_path / "Mass-Training_P_00001_LEFT_CC_1")
    next((tmp_path / "Mass-Training_P_00002_RIGHT_MLO_1").rglob("000001.dcm")).unlink()

    samples = list_samples(BOXED, tmp_path)

    assert [sample.name[14:21] for sample in samples] == ["P_00001", "P_00003", "P_00004"]
    assert samples[0].boxes == ((25, 40, 35, 50),)
    assert kinds(tmp_path)["no mask"] == 2


def test_files_are_told_apart_by_size_where_both_have_two_values(tmp_path: Path) -> None:
    write_cbis(tmp_path, sound((Case("P_00001"),)))
    mask, crop = _files(tmp_path / "Mass-Training_P_00001_LEFT_CC_1")
    _set_pixels(crop, np.array([[0, 9], [9, 9]], np.uint16))

    sample = load_samples(BOXED, tmp_path)[0]

    assert sample.shapes == (MaskFile(mask),) and kinds(tmp_path) == {"line breaks": 1}


@pytest.mark.parametrize("swapped", [False, True])
def test_mask_and_crop_in_folders_of_their_own(tmp_path: Path, swapped: bool) -> None:
    write_cbis(tmp_path, sound((Case("P_00001"),)), dated=True)
    crop, mask = sorted((tmp_path / "CBIS-DDSM" / "Mass-Training_P_00001_LEFT_CC_1").rglob("*.dcm"))
    names = ("1.000000-ROI mask images-2", "1.000000-cropped images-3")
    for file, name in zip((crop, mask) if swapped else (mask, crop), names, strict=True):
        place = file.parents[2] / "10-04-2016-DDSM-NA-1" / name
        place.mkdir(parents=True)
        file.rename(place / "1-1.dcm")

    assert load_samples(BOXED, tmp_path)[0].boxes == ((10, 20, 18, 30),)
    assert kinds(tmp_path)["swapped"] == int(swapped)


def test_a_smoothed_mask_is_known_by_its_size(tmp_path: Path) -> None:
    write_cbis(tmp_path, sound((Case("P_00001"),)))
    mask, _ = _files(tmp_path / "Mass-Training_P_00001_LEFT_CC_1")
    pixels = np.zeros((ROWS, WIDTH), np.uint8)
    pixels[20:30, 10:18], pixels[19, 10:18] = 255, 90
    _set_pixels(mask, pixels)

    sample = load_samples(BOXED, tmp_path)[0]

    assert sample.boxes == ((10, 20, 18, 30),)


def test_masks_are_not_opened_again_unless_they_change(tmp_path: Path) -> None:
    write_cbis(tmp_path, sound((Case("P_00001"),)))
    before = load_samples(BOXED, tmp_path)
    cache = json.loads((tmp_path / CACHE_FILE).read_text())
    assert len(cache["files"]) == 2
    for facts in cache["files"].values():
        facts["box"] = facts["box"] and [0, 0, 1, 1]
    (tmp_path / CACHE_FILE).write_text(json.dumps(cache))

    assert load_samples(BOXED, tmp_path)[0].boxes == ((0, 0, 1, 1),)
    mask, _ = _files(tmp_path / "Mass-Training_P_00001_LEFT_CC_1")
    mask.touch()
    assert load_samples(BOXED, tmp_path) == before
    (tmp_path / CACHE_FILE).write_text("{")
    assert load_samples(BOXED, tmp_path) == before


def test_a_reviewed_table_goes_before_the_original(tmp_path: Path) -> None:
    write_cbis(tmp_path, (Case("P_00001", swapped=True), Case("P_00002")))
    table = tmp_path / TABLES[0]
    with table.open(newline="") as lines:
        first, second = csv.DictReader(lines)
    first |= {"pathology": "MALIGNANT", "box": "1 2 3.5 4", "reviewed": "relabelled, box"}
    with table.with_stem(table.stem + "_reviewed").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, (*COLUMNS, "box", "reviewed"))
        writer.writeheader()
        writer.writerows([first, second])

    one, two = load_samples(BOXED, tmp_path)

    assert (one.boxes, one.box_labels, one.shapes) == (((1, 2, 3.5, 4),), (2,), (None,))
    assert two.boxes == ((10, 20, 18, 30),)
    assert kinds(tmp_path)["reviewed"] == 1


def test_the_tables_own_test_set_stays_unless_one_is_drawn(tmp_path: Path) -> None:
    cases = tuple(Case(f"P_0000{number}") for number in range(8))
    write_cbis(tmp_path, cases)
    write_table(tmp_path / TABLES[0], cases[:6])
    write_table(tmp_path / TABLES[1], cases[6:])

    def splits(**changes: object) -> Counter[str]:
        return Counter(s.split for s in list_samples(WHOLE.model_copy(update={"valid": "valid"} | changes), tmp_path))

    assert splits() == {"train": 6, "test": 2}
    assert splits(random_split=(0.5, 0.5, 0.0)) == {"train": 3, "valid": 3, "test": 2}
    assert splits(random_split=(0.5, 0.25, 0.25)) == {"train": 4, "valid": 2, "test": 2}


def write_table(table: Path, cases: tuple[Case, ...]) -> None:
    """A table of some cases, whose files are there."""
    with table.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("patient_id", "pathology", "image file path"))
        for case in cases:
            writer.writerow((case.patient, case.pathology, f"{case.view_name}/{'/'.join(uids(case.view_name))}/1.dcm"))


def test_the_check_lists_repairs_in_its_json(tmp_path: Path) -> None:
    write_cbis(tmp_path)

    found = check_data(BOXED, tmp_path, lambda done, total: None)

    assert len(found.repairs) == len(list_repairs(BOXED, tmp_path)) and not found.has_errors
    texts = [problem.text for problem in found.problems]
    assert any(text.startswith("1 repair of swapped: Mass-Training_P_00001_LEFT_CC_2: crop and mask") for text in texts)
    assert not found.wrong_boxes and not found.unlisted


def test_a_detector_takes_boxes_and_its_check_prints_every_repair(
    tmp_path: Path, write_recipe: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write_cbis(tmp_path / "cbis")
    recipe = write_recipe("detector", data={"layout": "cbis_ddsm", "classes": list(CLASSES), "valid": "train"})

    assert load_recipe(recipe).data.with_boxes
    assert main(["train", "--check", str(recipe), "--data", str(tmp_path / "cbis")]) == 0

    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("repair (")]
    assert len(lines) == len(list_repairs(BOXED, tmp_path / "cbis")) == 7
    assert any(line.startswith("repair (swapped): Mass-Training_P_00001_LEFT_CC_2: crop and mask") for line in lines)


def test_a_bad_box_of_a_review_is_named(tmp_path: Path) -> None:
    write_cbis(tmp_path)
    text = "patient_id,pathology,image file path,box\nP_1,BENIGN,a/1.dcm,1 2 3\n"
    (tmp_path / TABLES[0]).write_text(text)
    with pytest.raises(RecipeError, match="box '1 2 3' is not four numbers"):
        list_samples(BOXED, tmp_path)


def test_boxes_are_only_for_this_layout() -> None:
    with pytest.raises(ValueError, match="with_boxes needs layout cbis_ddsm"):
        DataSection(layout="coco", classes=CLASSES, with_boxes=True)


@pytest.mark.data
def test_the_real_tables_are_read(test_data: Path) -> None:
    rows, repairs = read_tables(test_data / "mammography" / "cbis_ddsm_metadata")

    assert Counter((row.table[:4], row.split) for row in rows) == {
        ("mass", "train"): 1318,
        ("mass", "test"): 378,
        ("calc", "train"): 1546,
        ("calc", "test"): 326,
    }
    assert Counter(row.grade for row in rows) == {
        "malignant": 1457,
        "benign": 1429,
        "benign_without_callback": 682,
    }
    assert len({row.image_case for row in rows}) == 3103
    assert len({row.patient for row in rows}) == 1566
    assert not any("\n" in path for row in rows for path in (row.image, row.crop, row.mask))
    assert all(row.region_case.startswith(f"{row.image_case}_") for row in rows)
    assert [repair.text.split()[0] for repair in repairs] == ["1318", "378", "1546", "326"]


def _files(folder: Path) -> tuple[Path, Path]:
    """Mask and crop as the table names them."""
    crop, mask = sorted(folder.rglob("*.dcm"))
    return mask, crop


def _set_pixels(path: Path, pixels: np.ndarray) -> None:
    write_instance(make_instance(modality="MG", name=str(path), pixels=pixels, position=None), path)
