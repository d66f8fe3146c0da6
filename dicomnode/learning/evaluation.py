"""Measure a bundle on a labelled split, through its own preprocessing and in float32, as inference runs it."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dicomnode.bundles import (
    Bundle,
    Calibration,
    Task,
    build_network,
    build_preprocessing,
    load_bundle,
    negative_classes,
)
from dicomnode.learning.classification import labels_of, predict_logits
from dicomnode.learning.classification_metrics import Predictions, classification_figures
from dicomnode.learning.detection import predict_boxes, truths_of
from dicomnode.learning.detection_metrics import detection_figures
from dicomnode.learning.recipe import DataSection
from dicomnode.learning.samples import Sample
from dicomnode.learning.sources import load_samples, of_split
from dicomnode.learning.store import ImageStore, open_images

_SEED = 2026


def find_layout(data: Path, classes: tuple[str, ...], task: Task) -> DataSection:
    """How a data folder is laid out, told from what lies in it."""
    if task is Task.DETECTION:
        return DataSection(layout="coco", classes=classes)
    table = data / "labels.csv"
    if not table.is_file():
        return DataSection(layout="class_folders", classes=classes)
    columns = table.read_text(encoding="utf-8").partition("\n")[0].strip().split(",")
    clean = "near_dup_in_train" if "near_dup_in_train" in columns else None
    return DataSection(layout="labels_csv", classes=classes, clean_column=clean)


def evaluate_bundle(
    path: Path,
    data: Path,
    split: str,
    device: torch.device,
    valid_list: Path | None = None,
    section: DataSection | None = None,
) -> dict[str, Any]:
    """Figures on ``all`` images of a split and, where near duplicates of training are known, on the ``clean`` ones.

    Args:
        path: The bundle.
        data: Folder of the data set.
        split: Name of the split.
        device: Where to compute.
        valid_list: CSV whose column ``path`` names the pictures of the split ``valid``.
        section: How the folder is laid out; told from what lies in it if not given.

    Raises:
        BundleError: If the bundle cannot be used.
        RecipeError: If the folder or the split is missing or laid out otherwise.
    """
    bundle = load_bundle(path)
    classes = tuple(item.name for item in bundle.node.classes)
    if section is None:
        colour = "rgb" if bundle.channels == 3 else "grey"
        section = find_layout(data, classes, bundle.node.task).model_copy(update={"colour": colour})
    if valid_list is not None:
        section = section.model_copy(update={"valid_list": valid_list})
    samples = of_split(load_samples(section, data, needed=(split,)), split)
    store = open_images(section, samples, build_preprocessing(bundle), torch.float32)
    network = build_network(bundle, device)
    figures = _detector if bundle.node.task is Task.DETECTION else _classifier
    report = {"bundle": bundle.name, "version": bundle.version, "split": split, **figures(bundle, network, store)}
    answer: dict[str, Any] = _without_nan(report)
    return answer


def _classifier(bundle: Bundle, network: nn.Module, store: ImageStore) -> dict[str, Any]:
    predictions = _predictions(bundle, predict_logits(network, store), store)
    names = [item.name for item in bundle.node.classes]
    report = {
        "threshold": bundle.node.operating_point.threshold,
        "all": asdict(classification_figures(predictions, names, _SEED)),
    }
    clean = [index for index, sample in enumerate(store.samples) if sample.clean]
    if 0 < len(clean) < len(store.samples):
        report["clean"] = asdict(classification_figures(predictions.subset(clean), names, _SEED))
    return report


def _predictions(bundle: Bundle, logits: torch.Tensor, store: ImageStore) -> Predictions:
    calibration: Calibration | None = bundle.node.calibration
    temperature = 1.0 if calibration is None else calibration.temperature
    return Predictions(
        probabilities=torch.softmax(logits.double() / temperature, dim=1).numpy(),
        labels=labels_of(store).numpy(),
        groups=groups_of(store.samples),
        negative=negative_classes(bundle.node),
        threshold=bundle.node.operating_point.threshold,
    )


def groups_of(samples: tuple[Sample, ...]) -> tuple[str, ...]:
    """The patient of every image, or where none is known the image itself."""
    return tuple(sample.patient or sample.name for sample in samples)


def _detector(bundle: Bundle, network: nn.Module, store: ImageStore) -> dict[str, Any]:
    names = [item.name for item in bundle.node.classes]
    threshold = bundle.node.operating_point.threshold
    found = predict_boxes(network, store)
    figures = detection_figures(truths_of(store), found, names, threshold, groups_of(store.samples), _SEED)
    return {"threshold": threshold, "all": asdict(figures)}


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: a figure that cannot be computed is null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float | np.floating) and math.isnan(value):
        return None
    return value
