"""DICOM files with a table of UIDs: which frames become pictures, and what is said when something is missing."""

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dicomnode.bundles import Task
from dicomnode.cli.main import main
from dicomnode.dicom.header import read_header
from dicomnode.errors import InputError, RecipeError
from dicomnode.inference.reading import read_series
from dicomnode.inference.slice_group import slice_group
from dicomnode.learning.data.pictures import read_picture, read_sample
from dicomnode.learning.data.sources import list_samples, load_samples
from dicomnode.learning.datacheck import check_data
from dicomnode.learning.evaluation import find_layout
from dicomnode.learning.recipes.recipe import DataSection
from tests.factories import as_series, make_enhanced, make_instance, make_series, write_instance

TABLE = DataSection(layout="dicom_csv", classes=("tumour", "none"), valid="train")
WriteRecipe = Callable[..., Path]


def write_table(folder: Path, *rows: tuple[str, ...], columns: str = "uid,label,split") -> None:
    with (folder / "labels.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([columns.split(","), *rows])


def uids(path: Path) -> tuple[str, str]:
    header = read_header(path)
    return header.sop_instance_uid, header.series_instance_uid


def test_a_series_uid_gives_every_slice_and_an_instance_uid_one(tmp_path: Path) -> None:
    labelled = make_series(tmp_path / "deep" / "down", 3, descending=True)
    (single,) = make_series(tmp_path, 1, series="other")
    single = single.rename(tmp_path / "1.2.840.7")  # found by its first bytes
    write_table(tmp_path, (uids(labelled[0])[1], "tumour", "train"), (uids(single)[0], "none", "test"))

    samples = load_samples(TABLE, tmp_path)

    assert [(s.name, s.label, s.split) for s in samples] == [
        *((uids(path)[0], 0, "train") for path in labelled),
        (uids(single)[0], 1, "test"),
    ]
    assert len({s.patient for s in samples}) == 1 and "TEST-1" not in repr(samples)


def test_a_frame_is_what_the_node_would_see(tmp_path: Path) -> None:
    frames = write_instance(make_enhanced(3, order=(2, 0, 1), RescaleSlope=2, RescaleIntercept=-5), tmp_path / "e.dcm")
    write_table(tmp_path, (uids(frames)[0], "tumour", "train"))

    samples = load_samples(TABLE, tmp_path)
    seen = [read_sample(sample).numpy() for sample in samples]

    assert [s.name.rpartition("#")[2] for s in samples] == ["1", "2", "3"]
    (image,) = read_series(as_series([frames]))
    of_node = slice_group(image, 1)
    for reference, pixels in zip(of_node.images, of_node.pixels, strict=True):
        assert reference.frame_number is not None
        assert np.array_equal(seen[reference.frame_number - 1], pixels)


@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_colour_and_mirrored_grey_are_read_as_the_node_does(tmp_path: Path, colour: str) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (6, 5, 3), np.uint8)
    paths = [
        write_instance(make_instance(series="1", modality="XC", pixels=rgb), tmp_path / "a.dcm"),
        write_instance(make_instance(series="2", PhotometricInterpretation="MONOCHROME1"), tmp_path / "b.dcm"),
    ]
    write_table(tmp_path, *((uids(path)[0], "none", "train") for path in paths))
    samples = load_samples(TABLE, tmp_path)

    for sample, path in zip(samples, paths, strict=True):
        (image,) = read_series(as_series([path]))
        (pixels,) = slice_group(image, 3 if colour == "rgb" else 1).pixels
        assert np.array_equal(read_sample(sample, colour).numpy(), pixels)  # type: ignore[arg-type]


def test_patients_come_from_the_files_or_the_table(tmp_path: Path) -> None:
    owners = [("A", None), ("A", "other clinic"), ("A", None), ("", None), ("", None)]
    rows = []
    for number, (patient, issuer) in enumerate(owners):
        image = make_instance(study=f"{number // 4}", name=str(number), PatientID=patient, IssuerOfPatientID=issuer)
        write_instance(image, tmp_path / f"{number}.dcm")
        rows.append((image.SOPInstanceUID, "none", "train", f"P{number % 2}"))
    write_table(tmp_path, *(row[:3] for row in rows))

    a, other, again, empty, elsewhere = (sample.patient for sample in load_samples(TABLE, tmp_path))
    assert a == again and len({a, other, empty, elsewhere}) == 4

    write_table(tmp_path, *rows, columns="uid,label,split,patient")
    assert [sample.patient for sample in load_samples(TABLE, tmp_path)] == ["P0", "P1", "P0", "P1", "P0"]


def test_no_split_is_needed_where_it_is_drawn(tmp_path: Path) -> None:
    for number in range(4):
        image = make_instance(study=str(number), PatientID=str(number))
        write_instance(image, tmp_path / f"{number}.dcm")
    rows = [(uids(path)[0], "none", "ward 3") for path in sorted(tmp_path.glob("*.dcm"))]
    write_table(tmp_path, *rows, columns="uid,label,scanner")
    drawn = DataSection(layout="dicom_csv", classes=("tumour", "none"), random_split=(0.5, 0.25, 0.25))

    samples = load_samples(drawn, tmp_path)

    assert sorted(sample.split for sample in samples) == ["test", "train", "train", "valid"]
    assert samples[0].columns == (("scanner", "ward 3"),)
    with pytest.raises(RecipeError, match="column split is missing"):
        load_samples(TABLE, tmp_path)


def test_the_layout_is_told_from_the_table(tmp_path: Path) -> None:
    write_table(tmp_path, columns="uid,label,split,near_dup_in_train")

    found = find_layout(tmp_path, TABLE.classes, Task.CLASSIFICATION)

    assert (found.layout, found.clean_column) == ("dicom_csv", "near_dup_in_train")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"labels\.csv is missing; layout dicom_csv needs it"):
        load_samples(TABLE, tmp_path)
    write_table(tmp_path, ("1.2.3.4", "tumour", "train"))
    with pytest.raises(RecipeError, match=r"1\.2\.3\.4 is listed but missing; no DICOM image below it has this SOP or"):
        load_samples(TABLE, tmp_path)
    assert [sample.name for sample in list_samples(TABLE, tmp_path)] == ["1.2.3.4"]


def test_files_that_are_no_dicom_or_lack_the_frame_are_named(tmp_path: Path) -> None:
    (tmp_path / "note.dcm").write_bytes(bytes(400))
    whole = write_instance(make_instance(), tmp_path / "whole.dcm")

    with pytest.raises(InputError, match=r"note\.dcm: is not a readable DICOM file"):
        read_picture(tmp_path / "note.dcm")
    with pytest.raises(InputError, match="has no frame 2: it has 1"):
        read_picture(whole, frame=1)


def test_the_check_counts_what_has_no_label_and_tells_no_patient(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 4, PatientID="SECRET-7")
    noise = np.random.default_rng(1).integers(0, 4095, (16, 16), np.uint16)
    unlike = write_instance(make_instance(series="2", pixels=noise, PatientID="SECRET-7"), tmp_path / "z.dcm")
    data = paths[3].read_bytes()
    paths[3].write_bytes(data[:-300])  # cut in its pixels
    write_table(
        tmp_path,
        *((uids(path)[0], "tumour", "train") for path in paths[1:]),
        (uids(unlike)[0], "none", "test"),
    )

    found = check_data(TABLE, tmp_path, lambda done, total: None)

    assert found.unlisted == (uids(paths[0])[0],)
    assert [one.name for one in found.unreadable] == [uids(paths[3])[0]]
    assert [(one.splits, one.pictures) for one in found.shared_patients] == [(("train", "test"), (3, 1))]
    assert found.histograms is not None and sum(found.histograms.classes[1].shares) == pytest.approx(1)
    assert "SECRET" not in json.dumps(dataclasses.asdict(found))


def test_a_classifier_is_trained_on_dicom_files(
    write_recipe: WriteRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, random = [], np.random.default_rng(0)
    for number in range(24):
        label = ("tumour", "none")[number % 2]
        pixels = random.integers(100, 300, (20, 20)).astype(np.uint16)
        pixels[6:14, 6:14] += np.uint16(2000 * (label == "tumour"))
        write_instance(make_instance(name=str(number), pixels=pixels), tmp_path / f"{number:02}.dcm")
        split = "train" if number < 16 else "valid" if number < 20 else "test"
        rows.append((uids(tmp_path / f"{number:02}.dcm")[0], label, split))
    write_table(tmp_path, *rows)
    recipe = write_recipe(data={"layout": "dicom_csv", "clean_column": None}, training={"epochs": 1})
    out = tmp_path / "out"

    status = main(["train", str(recipe), "--data", str(tmp_path), "--out", str(out), "--device", "cpu"])

    assert status == 0, capsys.readouterr().err
    assert json.loads((out / "report.json").read_text())["run"]["images_seen"] == 16
