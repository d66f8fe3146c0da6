"""``dicomnode predict`` on files, folders and pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from dicomnode.cli.main import main
from tests.exam_networks import bright_gmic
from tests.mammograms import make_exam
from tests.mr_slices import write_slice
from tests.slides import make_slide


def paint(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (30, 40), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(1, 5):
        write_slice(folder / f"{number}.dcm", number)
    return folder


def test_a_folder_of_pictures(make_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, out = make_bundle(), tmp_path / "out"
    pictures = [paint(tmp_path / "in" / f"{seed}.png", seed) for seed in range(3)]
    assert main(["predict", str(bundle), str(tmp_path / "in"), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(path) for path in pictures]
    results = json.loads((out / "results.json").read_text())
    assert [item["path"] for item in results] == [str(path) for path in pictures]
    assert all(Path(item["files"][0]).is_file() for item in results)
    assert sorted(path.name for path in (out / "overlays").iterdir()) == ["00001-0.png", "00002-1.png", "00003-2.png"]


def test_a_series_gives_evidence_overlay_and_json(
    make_bundle: Any, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["predict", str(make_bundle()), str(series), "--out", str(out), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["study_instance_uid"] == "1.2"
    names = sorted(Path(path).name for path in result["files"])
    assert {"answer.dcm", "text.dcm"} <= set(names)
    assert any(name.startswith("image-") for name in names)
    answer = dcmread(out / "1.2.1" / "answer.dcm")
    assert (answer.StudyInstanceUID, answer.Modality, answer.VerificationFlag) == ("1.2", "SR", "UNVERIFIED")


def test_without_out_nothing_is_written(make_bundle: Any, series: Path, tmp_path: Path) -> None:
    bundle = make_bundle()
    before = sorted(tmp_path.rglob("*"))
    assert main(["predict", str(bundle), str(series)]) == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_one_bad_file_is_named_and_the_others_go_on(
    make_bundle: Any, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "bad.dcm").write_bytes(b"no dicom")
    good = paint(tmp_path / "good.png")
    paths = [tmp_path / "bad.png", good, tmp_path / "bad.dcm", series, tmp_path / "gone"]
    assert main(["predict", str(make_bundle()), *map(str, paths)]) == 1
    output = capsys.readouterr()
    assert all(name in output.err for name in ("bad.png", "bad.dcm", "gone"))
    assert "good.png" in output.out
    assert f"{series / '1.dcm'} and 3 more" in output.out


def test_a_series_of_another_modality_is_out_of_scope_and_no_failure(
    make_bundle: Any, series: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_bundle(node={"accepts": {"modality": ["CT"]}})
    assert main(["predict", str(bundle), str(series)]) == 0
    assert "out of scope: modality MR is not CT" in capsys.readouterr().out


def test_images_that_cannot_be_trusted_fail(make_bundle: Any, series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_slice(series / "9.dcm", 9, position=100.0)
    assert main(["predict", str(make_bundle()), str(series)]) == 1
    assert "refused:" in capsys.readouterr().err


def test_a_bundle_is_found_by_its_name(make_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bundle()
    (tmp_path / "node.toml").write_text('[models]\nfolder = "models"\n')
    picture = paint(tmp_path / "a.png")
    assert main(["predict", "small", str(picture), "--settings", str(tmp_path / "node.toml")]) == 0
    assert main(["predict", "other", str(picture), "--settings", str(tmp_path / "node.toml")]) == 1
    assert "which holds: small" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--batch-size", "0"], ["--device", "gpu"]])
def test_wrong_options_are_usage(make_bundle: Any, tmp_path: Path, option: list[str]) -> None:
    assert main(["predict", str(make_bundle()), str(paint(tmp_path / "a.png")), *option]) == 2


def test_an_empty_folder_fails(make_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["predict", str(make_bundle()), str(tmp_path / "empty")]) == 1
    assert "holds neither DICOM files nor pictures" in capsys.readouterr().err


def test_documents_that_the_gate_stops_fail_the_series(
    make_bundle: Any, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in series.iterdir():
        dataset = dcmread(path)
        dataset.PatientID = "MR-4711-X"
        dataset.save_as(path)
    aggregation = {"method": "maximum", "statement": "Tuned on MR-4711-X."}  # a text that names the patient
    bundle, out = make_bundle(node={"aggregation": aggregation}), tmp_path / "out"
    assert main(["predict", str(bundle), str(series), "--out", str(out)]) == 1
    message = capsys.readouterr().err
    assert "no documents written" in message
    assert "MR-4711-X" not in message
    assert not list((out / "1.2.1").glob("answer.dcm"))


def patch(path: Path) -> Path:
    pixels = np.full((64, 96, 3), (210, 140, 190), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_a_picture_without_spacing_is_no_slide(
    make_colour_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(make_colour_bundle()), str(patch(tmp_path / "patch.png")), "--json"]) == 1
    output = capsys.readouterr()
    (result,) = json.loads(output.out)
    assert result["outcome"] == "refused" and result["answer"] is None
    assert "states no pixel spacing" in output.err and "(--spacing MM)" in output.err


def test_a_picture_with_a_spacing_is_cut_into_tiles(
    make_colour_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["predict", str(make_colour_bundle()), str(patch(tmp_path / "patch.png")), "--out", str(out), "--json"]
    assert main([*words, "--spacing", "0.002"]) == 0
    (coarse,) = json.loads(capsys.readouterr().out)
    assert main([*words, "--spacing", "0.004"]) == 0
    (fine,) = json.loads(capsys.readouterr().out)
    assert coarse["answer"]["tally"]["examined"] == 1 and fine["answer"]["tally"]["examined"] == 6
    assert coarse["heat_maps"][0]["step"] == [64, 64]
    assert [Path(name).name for name in fine["files"]] == ["00001-patch.png", "00001-patch-heat-map.png"]
    assert main([*words, "--spacing", "0.02"]) == 1
    assert "too coarse" in capsys.readouterr().err


@pytest.mark.parametrize(("unit", "spacing"), [("cell", "0.004"), ("tile", "4"), ("tile", "0")])
def test_a_spacing_that_cannot_be_meant_is_refused(
    make_colour_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], unit: str, spacing: str
) -> None:
    words = ["predict", str(make_colour_bundle(unit)), str(patch(tmp_path / "patch.png"))]
    assert main([*words, "--spacing", spacing]) == 2
    assert f"--spacing {spacing}: " in capsys.readouterr().err


def test_each_picture_is_a_cell(make_colour_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(patch(tmp_path / f"{name}.png")) for name in "ab"]
    assert main(["predict", str(make_colour_bundle("cell")), *paths, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [result["answer"]["tally"]["examined"] for result in results] == [1, 1]


def test_a_slide_gives_its_counts_and_a_heat_map(make_colour_bundle: Any, tmp_path: Path) -> None:
    out, tile = tmp_path / "out", np.full((12, 16, 16, 3), (210, 140, 190), np.uint8)
    path = make_slide(tmp_path, spacing=(0.004, 0.004), pixels=tile)
    assert main(["predict", str(make_colour_bundle()), str(path), "--out", str(out)]) == 0
    (result,) = json.loads((out / "results.json").read_text())
    assert result["answer"]["tally"]["examined"] == 2
    assert {"answer.dcm", "text.dcm", "heat-map.dcm", "heat-map-0001.png"} <= {
        Path(name).name for name in result["files"]
    }


def test_an_exam_of_several_series_is_one_result(
    make_exam_bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = bright_gmic(make_exam_bundle, exam={"cc_size": [368, 240], "mlo_size": [368, 240]})
    drawn = make_exam(tmp_path / "exam", size=(512, 416), lesions={"L-CC": ["malignant"]}, one_series=False)
    write_slice(tmp_path / "exam" / "other.dcm", 1)
    paint(tmp_path / "exam" / "scan.png")
    out = tmp_path / "out"
    assert main(["predict", str(bundle), str(tmp_path / "exam"), "--out", str(out), "--json"]) == 1
    output = capsys.readouterr()
    assert "scan.png: a picture names no breast and no view; give the DICOM files of the exam" in output.err
    by_study = {item.get("study_instance_uid"): item for item in json.loads(output.out)}
    assert by_study["1.2"]["outcome"] == "out_of_scope"
    study = drawn.series[0].study_instance_uid
    result = by_study[study]
    assert [side["presence"] for side in result["answer"]["sides"]] == ["present", "absent"]
    assert result["images"] == 4
    names = sorted(path.name for path in (out / study).iterdir())
    assert {"answer.dcm", "text.dcm", "lesions.dcm", "image-0001.png", "image-0004.png"} <= set(names)
    assert sorted(Path(path).name for path in result["files"]) == names


def test_grad_cam_is_drawn_on_pictures_and_slices(
    make_bundle: Any, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = str(make_bundle()), tmp_path / "out"
    assert main(["predict", bundle, str(paint(tmp_path / "a.png")), str(series), "--grad-cam", "--out", str(out)]) == 0
    assert (out / "overlays" / "00001-a-grad-cam.png").is_file()
    drawn = sorted((out / "1.2.1").glob("grad-cam-*.png"))
    assert len(drawn) == 3  # the images that carry the answer
    assert np.asarray(Image.open(drawn[0])).std(axis=2).max() > 10  # coloured
    assert main(["predict", bundle, str(series), "--grad-cam"]) == 2
    assert "--out" in capsys.readouterr().err
