"""Folders by class and patient, the tables of CBIS-DDSM, random splits and rotations."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from dicomnode.errors import RecipeError
from dicomnode.learning.data.pictures import read_picture
from dicomnode.learning.data.samples import Sample, divided, turned
from dicomnode.learning.data.sources import load_samples, of_split
from dicomnode.learning.recipes.recipe import DataSection

FOLDERS = {"BAS": "typical", "MYO": "atypical", "PMO": "atypical"}


def section(layout: str, **changes: Any) -> DataSection:
    return DataSection.model_validate({"layout": layout, "classes": ["typical", "atypical"], **changes})


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (9, 8, 7)).save(folder / name)


def test_folders_without_a_split_are_dealt_out(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{kind}/{number}.png" for kind in FOLDERS for number in range(10)))

    samples = load_samples(section("unsplit_class_folders", folders=FOLDERS, random_split=[0.7, 0.1, 0.2]), tmp_path)

    assert Counter(sample.split for sample in samples) == {"train": 21, "valid": 3, "test": 6}
    assert all(sample.label == int(sample.name.startswith(("MYO", "PMO"))) for sample in samples)


def test_a_class_without_any_folder_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "BAS/1.png")
    with pytest.raises(RecipeError, match="folder atypical or MYO or PMO is missing, which holds atypical"):
        load_samples(section("unsplit_class_folders", folders=FOLDERS), tmp_path)


def test_every_folder_that_the_recipe_names_must_be_there(tmp_path: Path) -> None:
    fill(tmp_path, "BAS/1.png", "MYO/2.png")
    with pytest.raises(RecipeError, match=r"folder PMO is missing; data\.folders names each"):
        load_samples(section("unsplit_class_folders", folders=FOLDERS), tmp_path)


def test_folders_of_patients_keep_patients_together(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{patient}/{kind}/{n}.png" for patient in range(10) for kind in "01" for n in range(3)))
    names = {"0": "typical", "1": "atypical"}

    samples = load_samples(section("patient_class_folders", folders=names, random_split=[0.5, 0.2, 0.3]), tmp_path)

    patients = [{sample.patient for sample in of_split(samples, split)} for split in ("train", "valid", "test")]
    assert [len(group) for group in patients] == [5, 2, 3]
    assert set.union(*patients) == {str(number) for number in range(10)}


def test_no_patient_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(RecipeError, match="holds no folder of a patient with a folder typical or atypical"):
        load_samples(section("patient_class_folders"), tmp_path)


def test_training_and_test_may_name_their_folders_differently(tmp_path: Path) -> None:
    fill(tmp_path, "train/typical_a/1.png", "train/atypical/2.png", "valid/typical_a/3.png", "test/typical/4.png")

    samples = load_samples(section("class_folders", folders={"typical_a": "typical"}), tmp_path)

    assert {sample.name: sample.label for sample in samples} == {
        "train/typical_a/1.png": 0,
        "train/atypical/2.png": 1,
        "valid/typical_a/3.png": 0,
        "test/typical/4.png": 0,
    }


def test_only_the_training_split_is_divided_and_always_alike() -> None:
    samples = [Sample(str(n), Path(str(n)), "test" if n < 5 else "train", 0) for n in range(25)]

    first = divided(samples, "train", ("train", "valid", "test"), (0.9, 0.1, 0.0))
    second = divided(reversed(samples), "train", ("train", "valid", "test"), (0.9, 0.1, 0.0))

    assert Counter(sample.split for sample in first) == {"train": 18, "valid": 2, "test": 5}
    assert {s.name: s.split for s in first} == {s.name: s.split for s in second}


def test_a_turned_copy_stays_in_its_split(tmp_path: Path) -> None:
    pixels = np.zeros((9, 9), np.uint8)
    pixels[0, 4] = 200
    Image.fromarray(pixels).save(tmp_path / "top.png")
    upright, turned_left = turned([Sample("top.png", tmp_path / "top.png", "valid", 1)], (90,))

    assert (upright.rotation, turned_left.rotation) == (0, 90)
    assert turned_left.split == "valid"
    assert read_picture(turned_left.path, rotation=turned_left.rotation)[0, 4, 0] == 200


HEADER = "patient_id,pathology,image file path\n"


def write_tables(folder: Path, rows: str) -> None:
    for kind in ("mass", "calc"):
        for split in ("train", "test"):
            text = HEADER + (rows if (kind, split) == ("mass", "train") else "")
            (folder / f"{kind}_case_description_{split}_set.csv").write_text(text)


def write_mammogram(path: Path) -> None:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", generate_uid()
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 2, 3, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelData = np.arange(6, dtype="<u2").tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True)
    dataset.save_as(path, enforce_file_format=True)


MAMMOGRAPHY = DataSection(layout="cbis_ddsm", classes=("benign", "benign_without_callback", "malignant"), valid="train")


def test_a_mammogram_has_the_gravest_of_its_labels(tmp_path: Path) -> None:
    write_tables(
        tmp_path,
        "P_1,BENIGN,Mass-Training_P_1_LEFT_CC/1.2/3.4/000000.dcm\n"
        "P_1,MALIGNANT,Mass-Training_P_1_LEFT_CC/1.2/3.4/000000.dcm\n"
        "P_2,BENIGN_WITHOUT_CALLBACK,Mass-Training_P_2_LEFT_CC/1.2/3.4/000000.dcm\n",
    )
    for name in ("Mass-Training_P_1_LEFT_CC", "Mass-Training_P_2_LEFT_CC"):
        write_mammogram(tmp_path / name / "07-20-2016" / "1-1.dcm")

    first, second = load_samples(MAMMOGRAPHY, tmp_path)

    assert [(s.label, s.patient) for s in (first, second)] == [(2, "P_1"), (1, "P_2")]
    assert read_picture(first.path).tolist() == [[[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("P_1,MALIGNANT,Mass-Training_P_1_LEFT_CC/1/2.dcm\n", "Mass-Training_P_1_LEFT_CC is listed but missing"),
        ("P_1,UNKNOWN,Mass-Training_P_1_LEFT_CC/1/2.dcm\n", "pathology 'UNKNOWN' is none of"),
    ],
)
def test_wrong_tables_are_named(tmp_path: Path, rows: str, complaint: str) -> None:
    write_tables(tmp_path, rows)
    with pytest.raises(RecipeError, match=complaint):
        load_samples(MAMMOGRAPHY, tmp_path)


def test_a_missing_table_and_a_missing_column_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"mass_case_description_train_set\.csv is missing"):
        load_samples(MAMMOGRAPHY, tmp_path)
    write_tables(tmp_path, "")
    (tmp_path / "calc_case_description_test_set.csv").write_text("patient_id,pathology\n")
    with pytest.raises(RecipeError, match="column image file path is missing"):
        load_samples(MAMMOGRAPHY, tmp_path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"random_split": [0.5, 0.1, 0.1]}, "must add up to 1"),
        ({"folders": {"x": "unknown"}}, "not among classes"),
        ({"layout": "coco", "rotations": [90]}, "neither rotations"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        section(**{"layout": "class_folders", **changes})
