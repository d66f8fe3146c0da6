"""Loading a bundle checks it and runs nothing of it."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dicomnode.bundles import (
    BrokenBundle,
    Bundle,
    Task,
    Tiling,
    bundle_digest,
    is_described,
    list_bundles,
    load_bundle,
    model_identity,
    negative_classes,
    write_template,
)
from dicomnode.errors import BundleError
from dicomnode.findings import Code


def test_load_bundle_gives_typed_values(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle(weights=False))
    assert (bundle.name, bundle.version, bundle.runs_code) == ("small", "0.1.0", False)
    assert bundle.node.task is Task.CLASSIFICATION
    assert bundle.node.finding_site == Code("12738006", "SCT", "Brain")
    assert bundle.node.calibration is not None
    assert bundle.node.accepts.modality == ("MR",)
    assert "monai.networks.nets.Classifier" in bundle.targets
    assert bundle.digest == bundle_digest(bundle.path)


def test_model_identity_states_the_operating_point(make_bundle: Any) -> None:
    identity = model_identity(load_bundle(make_bundle(weights=False)))
    assert (identity.name, identity.not_for) == ("small", "Anything but tests.")
    assert identity.parameters == (
        "threshold 0.5 per slice chosen for sensitivity 0.99 on validation; mean of top 3 slices; temperature 2"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("task", "segmentation", "task"),
        ("algorithm", {"name": "x"}, "algorithm.version"),
        ("operating_point", {"threshold": 1.5}, "operating_point.threshold"),
        ("calibration", {"temperature": 0}, "calibration.temperature"),
        ("accepts", {"modalities": ["MR"]}, "accepts.modalities"),
        ("classes", [], "classes"),
        ("surprise", 1, "surprise"),
    ],
)
def test_an_error_names_the_key(make_bundle: Any, key: str, value: Any, message: str) -> None:
    path = make_bundle(node={key: value}, weights=False)
    with pytest.raises(BundleError, match=f"bundle small: metadata.json: dicomnode: .*{message}"):
        load_bundle(path)


@pytest.mark.parametrize("name", ["configs/metadata.json", "configs/inference.json", "models/model.safetensors"])
def test_a_missing_file_is_named(make_bundle: Any, name: str) -> None:
    path = make_bundle(weights=False)
    (path / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        load_bundle(path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a folder"):
        load_bundle(tmp_path / "nothing")


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_broken_metadata_is_named(make_bundle: Any, text: str) -> None:
    path = make_bundle(weights=False)
    (path / "configs" / "metadata.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match=r"metadata\.json"):
        load_bundle(path)


_X = {"value": "1", "scheme": "99X", "meaning": "x"}


@pytest.mark.parametrize("is_finding", [True, False])
def test_a_classifier_needs_findings_and_others(make_bundle: Any, is_finding: bool) -> None:
    classes = [{"name": name, "code": _X, "is_finding": is_finding} for name in ("a", "b")]
    path = make_bundle(node={"classes": classes}, weights=False)
    with pytest.raises(BundleError, match="one or more with is_finding = true"):
        load_bundle(path)


def test_several_classes_may_be_no_finding(make_bundle: Any) -> None:
    classes = [{"name": name, "code": _X, "is_finding": name == "b"} for name in ("a", "b", "c")]
    node = load_bundle(make_bundle(node={"classes": classes}, weights=False)).node
    assert negative_classes(node) == (0, 2)


@pytest.mark.parametrize("value", ["$import os", "%../other.json::x", "$__import__('os').getcwd()"])
def test_code_in_a_bundle_for_the_node_is_refused(make_bundle: Any, value: str) -> None:
    path = make_bundle(inference={"more": {"deep": [value]}}, weights=False)
    with pytest.raises(BundleError, match=r"inference\.json: more\.deep\.0 holds code"):
        load_bundle(path)


def test_a_mode_counts_as_code(make_bundle: Any) -> None:
    path = make_bundle(inference={"more": {"_target_": "torch.nn.Identity", "_mode_": "debug"}}, weights=False)
    with pytest.raises(BundleError, match=r"more\._mode_ holds code"):
        load_bundle(path)


@pytest.mark.parametrize("target", ["os.system", "torch.load", "torch.hub.load", "scripts.net.Net", "Classifier", 5])
def test_a_class_from_elsewhere_is_refused(make_bundle: Any, target: Any) -> None:
    path = make_bundle(inference={"more": {"_target_": target}}, weights=False)
    with pytest.raises(BundleError, match=r"more\._target_"):
        load_bundle(path)


def test_a_bundle_from_elsewhere_is_described_beside_it_and_its_code_reported(make_bundle: Any) -> None:
    path = make_bundle(inference={"device": "$torch.device('cpu')"}, weights=False, foreign=True)
    (path / "models" / "model.safetensors").rename(path / "models" / "model.pt")
    bundle = load_bundle(path)
    assert bundle.runs_code
    assert bundle.weights.name == "model.pt"
    assert bundle.node.calibration is not None


def test_the_description_beside_counts_in_the_digest(make_bundle: Any) -> None:
    path = make_bundle(weights=False, foreign=True)
    before = bundle_digest(path)
    beside = path.parent / "small.node.toml"
    beside.write_text(beside.read_text().replace("threshold = 0.5", "threshold = 0.1"))
    assert bundle_digest(path) != before


def test_the_digest_counts_names_and_bytes_and_not_times(make_bundle: Any, tmp_path: Path) -> None:
    first, second = make_bundle(weights=False), make_bundle(folder=tmp_path / "other", weights=False)
    assert bundle_digest(first) == bundle_digest(second)
    (second / "models" / "model.safetensors").rename(second / "models" / "model.pt")
    assert bundle_digest(first) != bundle_digest(second)
    (first / "models" / "model.safetensors").write_bytes(b"not loadee")
    assert bundle_digest(first) != bundle_digest(make_bundle(folder=tmp_path / "third", weights=False))


def test_a_symbolic_link_is_refused(make_bundle: Any, tmp_path: Path) -> None:
    path = make_bundle(weights=False)
    (path / "models" / "extra").symlink_to(tmp_path)
    with pytest.raises(BundleError, match="symbolic link"):
        bundle_digest(path)


def test_a_bundle_without_node_metadata_says_where_it_goes(make_bundle: Any) -> None:
    path = make_bundle(weights=False, foreign=True)
    (path.parent / "small.node.toml").unlink()
    with pytest.raises(BundleError, match=r"no small\.node\.toml beside"):
        load_bundle(path)
    (path.parent / "small.node.toml").write_text("task =")
    with pytest.raises(BundleError, match="not valid TOML"):
        load_bundle(path)


def test_list_bundles_says_why_one_cannot_be_used(make_bundle: Any) -> None:
    good = make_bundle("b_good", weights=False)
    bad = make_bundle("a_bad", weights=False)
    (bad / "configs" / "metadata.json").unlink()
    (good.parent / "notes").mkdir()
    found = list_bundles(good.parent)
    assert [type(item) for item in found] == [BrokenBundle, Bundle]
    assert isinstance(found[0], BrokenBundle)
    assert "metadata.json is missing" in found[0].problem
    assert list_bundles(good.parent / "nowhere") == []


def test_loading_imports_neither_torch_nor_monai(make_bundle: Any) -> None:
    path = make_bundle(weights=False)
    code = (
        "import sys; from pathlib import Path; from dicomnode.bundles import load_bundle; "
        f"load_bundle(Path({str(path)!r})); sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_draft_becomes_a_description_once_it_is_filled_in(make_bundle: Any) -> None:
    path = make_bundle(weights=False, foreign=True)
    (path.parent / "small.node.toml").unlink()
    assert not is_described(path)
    draft = write_template(path)
    assert is_described(path)
    with pytest.raises(BundleError, match="threshold"):
        load_bundle(path)
    text = draft.read_text().replace('threshold = "FILL IN"', "threshold = 0.5").replace("= true }", "= false }")
    draft.write_text(
        text.replace('name = "FILL IN", code', 'name = "negative", code').replace("= [  #", "= [ {positive}, #")
    )
    draft.write_text(
        draft.read_text().replace("{positive}", '{ name = "b", code = { value = "1", scheme = "99T", meaning = "B" } }')
    )
    with pytest.raises(BundleError, match="still says 'FILL IN'"):
        load_bundle(path)
    draft.write_text(draft.read_text().replace("FILL IN", "filled"))
    assert load_bundle(path).node.classes[1].name == "negative"


_TILING = {"spacing": 0.004, "size": 50, "minimum_tissue": 0.1}
_TILES = {"unit": "tile", "statement": "Highest tile.", "method": "maximum", "level": "tile"}


def test_a_model_of_tiles_says_how_they_are_cut(make_bundle: Any) -> None:
    path = make_bundle(node={"aggregation": _TILES, "tiling": _TILING}, weights=False, channels=3)
    bundle = load_bundle(path)
    assert bundle.node.tiling == Tiling(spacing=0.004, size=50, minimum_tissue=0.1)
    assert "maximum; tiles of 50 pixels at 0.004 mm" in model_identity(bundle).parameters


def test_a_model_of_cells_needs_no_tiling(make_bundle: Any) -> None:
    cells = {"unit": "cell", "k": 5, "statement": "Mean of five cells.", "level": "cell"}
    bundle = load_bundle(make_bundle(node={"aggregation": cells}, weights=False, channels=3))
    assert "mean of top 5 cells" in model_identity(bundle).parameters


@pytest.mark.parametrize(
    ("node", "channels", "complaint"),
    [
        ({"aggregation": _TILES}, 3, "tiling: must be given exactly if"),
        ({"tiling": _TILING}, 3, "tiling: must be given exactly if"),
        ({"aggregation": _TILES, "tiling": _TILING}, 1, "a model of tiles takes 3"),
        ({"aggregation": _TILES, "tiling": _TILING | {"spacing": 0}}, 3, r"tiling\.spacing: .*greater than 0"),
        ({"aggregation": _TILES, "tiling": _TILING | {"overlap": 2}}, 3, r"tiling\.overlap"),
        ({"aggregation": _TILES | {"unit": "gland"}}, 3, r"aggregation\.unit"),
    ],
)
def test_a_wrong_tiling_is_named(make_bundle: Any, node: dict[str, Any], channels: int, complaint: str) -> None:
    with pytest.raises(BundleError, match=complaint):
        load_bundle(make_bundle(node=node, weights=False, channels=channels))


def test_a_detector_looks_at_slices(make_bundle: Any) -> None:
    classes = [{"name": "a", "code": _X}]
    node = {"task": "detection", "classes": classes, "aggregation": _TILES, "tiling": _TILING}
    with pytest.raises(BundleError, match="a detector looks at slices, not at tiles"):
        load_bundle(make_bundle(node=node, weights=False, channels=3))


def test_a_model_of_exams_says_what_it_is_shown(make_exam_bundle: Any) -> None:
    bundle = load_bundle(make_exam_bundle(weights=False))
    exam = bundle.node.exam
    assert exam is not None
    assert (exam.unit, exam.cc_size, exam.study_class, exam.lesion_threshold) == ("image", (96, 64), "malignant", 0.5)
    assert model_identity(bundle).parameters == "threshold 0.5 per breast; views one by one, averaged"
    together = load_bundle(make_exam_bundle("together", exam={"unit": "exam"}, weights=False))
    assert model_identity(together).parameters.endswith("four views together")


@pytest.mark.parametrize(
    ("node", "complaint"),
    [
        ({"exam": None}, "exam: must be given exactly if task is exam"),
        ({"task": "classification"}, r"classes: a classifier needs"),
        ({"aggregation": {"unit": "slice", "statement": "x"}}, r"aggregation\.unit: must be breast exactly if"),
        ({"exam": {"unit": "breast", "cc_size": [8, 8], "mlo_size": [8, 8]}}, r"exam\.unit"),
        ({"exam": {"unit": "image", "cc_size": [8], "mlo_size": [8, 8]}}, r"exam\.cc_size"),
        (
            {"exam": {"unit": "image", "cc_size": [8, 8], "mlo_size": [8, 8], "study_class": "cancer"}},
            "exam.study_class: 'cancer' is none of the classes benign, malignant",
        ),
        (
            {"exam": {"unit": "image", "cc_size": [8, 8], "mlo_size": [8, 8], "lesion_threshold": 0}},
            r"exam\.lesion_threshold",
        ),
    ],
)
def test_a_wrong_description_of_exams_is_named(make_exam_bundle: Any, node: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BundleError, match=complaint):
        load_bundle(make_exam_bundle(node=node, weights=False))


def test_a_model_of_exams_brings_no_preprocessing_and_sees_grey(make_exam_bundle: Any) -> None:
    transform = {"preprocessing": {"_target_": "monai.transforms.Compose", "transforms": []}}
    path = make_exam_bundle(weights=False)
    content = json.loads((path / "configs" / "inference.json").read_text())
    (path / "configs" / "inference.json").write_text(json.dumps(content | transform))
    assert load_bundle(path).node.task is Task.EXAM
    transform["preprocessing"]["transforms"] = [{"_target_": "monai.transforms.ScaleIntensity"}]
    (path / "configs" / "inference.json").write_text(json.dumps(content | transform))
    with pytest.raises(BundleError, match=r"inference\.json: preprocessing: mammograms are prepared as exam says"):
        load_bundle(path)
    with pytest.raises(BundleError, match="mammograms are grey"):
        load_bundle(make_exam_bundle("colour", weights=False, channels=3))


def test_a_draft_for_a_model_of_exams_holds_its_table(make_bundle: Any) -> None:
    path = make_bundle(weights=False, foreign=True)
    metadata = {"version": "1", "description": "Breast cancer in mammography exams", "task": "Mammography exam"}
    (path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    draft = tomllib.loads(write_template(path).read_text())
    assert (draft["task"], draft["aggregation"]["unit"]) == ("exam", "breast")
    assert draft["exam"] == {
        "unit": "image",
        "cc_size": [2944, 1920],
        "mlo_size": [2944, 1920],
        "study_class": "malignant",
    }
