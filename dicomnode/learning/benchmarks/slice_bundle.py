"""A bundle that knows nothing: ResNet-18 with seeded weights for each slice of a CT, to be measured."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from dicomnode.networks import ResNetClassifier

NAME = "bench_ct_classifier"
_SIDE = 224
_CLASSES = (("abnormal", "263654008", "Abnormal", True), ("normal", "17621005", "Normal", False))


def write_slice_bundle(folder: Path) -> Path:
    """Write the bundle into a folder of bundles; each call writes the same bytes.

    Returns:
        The bundle's own folder.
    """
    target = folder / NAME
    for name in ("configs", "models", "docs"):
        (target / name).mkdir(parents=True)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(1)
        network = ResNetClassifier(classes=len(_CLASSES))
    save_file(network.state_dict(), target / "models" / "model.safetensors")
    (target / "configs" / "inference.json").write_text(json.dumps(_configuration()))
    (target / "configs" / "metadata.json").write_text(json.dumps(_metadata()))
    (target / "docs" / "README.md").write_text("Random weights, for `dicomnode bench study`.\n")
    (target / "LICENSE").write_text("Random numbers; do with them what you like.\n")
    return target


def _configuration() -> dict[str, object]:
    transforms = [
        {"_target_": "monai.transforms.ScaleIntensityRange", "a_min": -1024.0, "a_max": 1024.0, "b_min": 0.0}
        | {"b_max": 1.0, "clip": True},
        {"_target_": "monai.transforms.Resize", "spatial_size": [_SIDE, _SIDE], "mode": "bilinear"},
    ]
    return {
        "network_def": {"_target_": "dicomnode.networks.ResNetClassifier", "classes": len(_CLASSES)},
        "preprocessing": {"_target_": "monai.transforms.Compose", "transforms": transforms},
        "inferer": {"_target_": "monai.inferers.SimpleInferer"},
        "postprocessing": {"_target_": "monai.transforms.Activations", "softmax": True},
    }


def _metadata() -> dict[str, object]:
    names = [name for name, *_ in _CLASSES]
    return {
        "name": NAME,
        "version": "1.0.0",
        "monai_version": "1.6.1",
        "pytorch_version": "2.14.1",
        "numpy_version": "2.4.6",
        "required_packages_version": {},
        "changelog": {"1.0.0": "Random weights"},
        "task": "Classification of CT slices",
        "description": "Nothing is learnt: it is there to be measured",
        "authors": "dicomnode contributors",
        "copyright": "Copyright dicomnode contributors",
        "network_data_format": {
            "inputs": {"image": _tensor("image", "magnitude", 1, [_SIDE, _SIDE], {"0": "image"})},
            "outputs": {"pred": _tensor("probabilities", "classes", len(names), [], dict(enumerate(names)))},
        },
        "intended_use": "Benchmarks.",
        "dicomnode": _node(),
    }


def _tensor(
    kind: str, form: str, channels: int, shape: list[int], channel_def: dict[str, str] | dict[int, str]
) -> dict[str, object]:
    return {
        "type": kind,
        "format": form,
        "modality": "CT",
        "num_channels": channels,
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {str(key): name for key, name in channel_def.items()},
    }


def _node() -> dict[str, object]:
    chest = {"value": "51185008", "scheme": "SCT", "meaning": "Chest"}
    family = {"value": "123110", "scheme": "DCM", "meaning": "Artificial Intelligence"}
    return {
        "task": "classification",
        "algorithm": {"name": "Benchmark", "version": "1.0.0", "manufacturer": "dicomnode", "family": family},
        "accepts": {"modality": ["CT"], "body_part_examined": ["CHEST"], "minimum_images": 1},
        "classes": [
            {"name": name, "code": {"value": value, "scheme": "SCT", "meaning": meaning}, "is_finding": is_finding}
            for name, value, meaning, is_finding in _CLASSES
        ],
        "finding_site": chest,
        "study_concept": {"value": "263654008", "scheme": "SCT", "meaning": "Abnormal"},
        "aggregation": {
            "unit": "slice",
            "method": "mean_of_top_k",
            "k": 3,
            "level": "slice",
            "statement": "A series is answered by the mean of its three highest slice scores.",
        },
        "operating_point": {"threshold": 0.5, "target": "none", "chosen_on": "nothing", "level": "slice"},
        "not_for": "Not for anything but measuring speed.",
    }
