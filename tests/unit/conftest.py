"""Fixtures that several rooms' tests share."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_TUMOUR = {"value": "126952004", "scheme": "SCT", "meaning": "Neoplasm of brain"}
_BRAIN = {"value": "12738006", "scheme": "SCT", "meaning": "Brain"}
_NODE: dict[str, Any] = {
    "task": "classification",
    "algorithm": {
        "name": "small",
        "version": "0.1.0",
        "manufacturer": "dicomnode",
        "family": {"value": "123110", "scheme": "DCM", "meaning": "Artificial Intelligence"},
    },
    "accepts": {"modality": ["MR"], "body_part_examined": ["BRAIN", "HEAD"], "minimum_rows": 8, "minimum_columns": 8},
    "classes": [
        {"name": "tumour", "code": _TUMOUR, "is_finding": True},
        {
            "name": "none",
            "code": {"value": "17621005", "scheme": "SCT", "meaning": "Normal"},
            "is_finding": False,
        },
    ],
    "finding_site": _BRAIN,
    "study_concept": _TUMOUR,
    "aggregation": {"unit": "slice", "method": "mean_of_top_k", "k": 3, "level": "slice", "statement": "Mean of 3."},
    "operating_point": {"threshold": 0.5, "target": "sensitivity 0.99", "chosen_on": "validation", "level": "slice"},
    "calibration": {"method": "temperature", "temperature": 2.0, "ece": 0.02, "fitted_on": "validation"},
    "not_for": "Anything but tests.",
}
_NETWORK = {
    "_target_": "monai.networks.nets.Classifier",
    "in_shape": [1, 32, 32],
    "classes": 2,
    "channels": [4],
    "strides": [4],
}
_PREPROCESSING = {
    "_target_": "monai.transforms.Compose",
    "transforms": [
        {
            "_target_": "monai.transforms.ScaleIntensityRangePercentiles",
            "lower": 0.5,
            "upper": 99.5,
            "b_min": 0.0,
            "b_max": 1.0,
            "clip": True,
        },
        {"_target_": "monai.transforms.Resize", "spatial_size": 32, "size_mode": "longest"},
        {"_target_": "monai.transforms.ResizeWithPadOrCrop", "spatial_size": [32, 32]},
    ],
}

_MALIGNANT = {"value": "254837009", "scheme": "SCT", "meaning": "Malignant neoplasm of breast"}
_BENIGN = {"value": "92034001", "scheme": "SCT", "meaning": "Benign neoplasm of breast"}
EXAM_NODE: dict[str, Any] = {
    "task": "exam",
    "accepts": {"modality": ["MG"], "photometric": ["MONOCHROME1", "MONOCHROME2"]},
    "classes": [{"name": "benign", "code": _BENIGN}, {"name": "malignant", "code": _MALIGNANT}],
    "finding_site": {"value": "76752008", "scheme": "SCT", "meaning": "Breast"},
    "study_concept": _MALIGNANT,
    "aggregation": {"unit": "breast", "method": "maximum", "level": "breast", "statement": "The higher breast."},
    "operating_point": {"threshold": 0.5, "level": "breast"},
    "calibration": None,
    "exam": {"unit": "image", "cc_size": [96, 64], "mlo_size": [96, 64], "lesion_threshold": 0.5},
}

MakeBundle = Callable[..., Path]


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """A function that writes a small bundle and gives its folder.

    ``node`` replaces keys of the node metadata, ``inference`` keys of ``inference.json``; ``channels`` are those that
    the metadata states; ``foreign`` puts the node metadata beside the bundle; ``leave_out`` names keys of
    ``inference.json`` to leave out.
    """

    def make(
        name: str = "small",
        *,
        folder: Path | None = None,
        node: dict[str, Any] | None = None,
        inference: dict[str, Any] | None = None,
        weights: bool = True,
        channels: int | None = None,
        foreign: bool = False,
        leave_out: tuple[str, ...] = (),
    ) -> Path:
        path = (folder or tmp_path / "models") / name
        (path / "configs").mkdir(parents=True)
        (path / "models").mkdir()
        content = {"network_def": _NETWORK, "preprocessing": _PREPROCESSING} | (inference or {})
        content = {key: value for key, value in content.items() if key not in leave_out}
        metadata = {
            "version": "0.1.0",
            "description": "A bundle for tests.",
            "dicomnode": copy.deepcopy(_NODE) | (node or {}),
        }
        if channels is not None:
            metadata["network_data_format"] = {"inputs": {"image": {"num_channels": channels}}}
        (path / "configs" / "inference.json").write_text(json.dumps(content))
        if foreign:
            _write_toml(path.parent / f"{name}.node.toml", metadata.pop("dicomnode"))
        (path / "configs" / "metadata.json").write_text(json.dumps(metadata))
        _write_weights(path / "models" / "model.safetensors", content["network_def"], weights)
        return path

    return make


@pytest.fixture
def make_colour_bundle(make_bundle: MakeBundle) -> MakeBundle:
    """As `make_bundle`, of a model that looks at tiles of 32 pixels at 4 micrometres, or at cells of 32 pixels."""

    def make(unit: str = "tile", **node: Any) -> Path:
        tiling = {"spacing": 0.004, "size": 32, "minimum_tissue": 0.25}
        given: dict[str, Any] = {
            "accepts": {"modality": ["GM", "SM", "XC"], "photometric": ["RGB"]},
            "aggregation": {"unit": unit, "k": 2, "level": unit, "statement": f"Mean of two {unit}s."},
            **({"tiling": tiling} if unit == "tile" else {}),
        }
        scale = {"_target_": "monai.transforms.ScaleIntensityRange", "a_min": 0, "a_max": 255, "b_min": 0, "b_max": 1}
        resize = {"_target_": "monai.transforms.Resize", "spatial_size": [32, 32]}
        compose = {"_target_": "monai.transforms.Compose", "transforms": [scale, resize]}
        network = {**_NETWORK, "in_shape": [3, 32, 32]}
        inference = {"network_def": network, "preprocessing": compose}
        return make_bundle(name=f"{unit}s", node=given | node, inference=inference, channels=3)

    return make


@pytest.fixture
def make_exam_bundle(make_bundle: MakeBundle) -> MakeBundle:
    """As `make_bundle`, of a model that looks at mammography exams; ``exam`` replaces keys of that table."""

    def make(
        name: str = "exams", *, exam: dict[str, Any] | None = None, node: dict[str, Any] | None = None, **given: Any
    ) -> Path:
        described: dict[str, Any] = EXAM_NODE | {"exam": EXAM_NODE["exam"] | (exam or {})} | (node or {})
        return make_bundle(name=name, node=described, leave_out=("preprocessing",), **given)

    return make


def _write_weights(path: Path, network: dict[str, Any], real: bool) -> None:
    if not real:
        path.write_bytes(b"not loaded")
        return
    import torch
    from monai.bundle import ConfigParser
    from safetensors.torch import save_file

    torch.manual_seed(0)
    built = ConfigParser({"net": network}).get_parsed_content("net")
    save_file(
        {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in built.state_dict().items()},
        path,
    )


def _write_toml(path: Path, node: dict[str, Any]) -> None:
    def inline(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key} = {inline(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(inline, value)) + "]"
        return json.dumps(value)

    path.write_text("".join(f"{key} = {inline(value)}\n" for key, value in node.items()))
