"""Measure a bundle on a labelled split, through its own preprocessing and in the way that inference computes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dicomnode.bundles import (
    Bundle,
    Calibration,
    ExamInput,
    Task,
    Way,
    build_network,
    build_preprocessing,
    load_bundle,
    negative_classes,
)
from dicomnode.errors import RecipeError
from dicomnode.inference.ways import in_way
from dicomnode.learning.data.exam_store import ExamStore
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.sources import load_samples, of_split
from dicomnode.learning.data.store import ImageStore, open_images
from dicomnode.learning.engine.classification import labels_of, predict_logits
from dicomnode.learning.engine.detection import truths_of
from dicomnode.learning.engine.mask_agreement import predict_lesions
from dicomnode.learning.exam_evaluation import breast_answers, exam_store, exam_subgroup
from dicomnode.learning.metrics.classification_metrics import (
    Predictions,
    SubgroupFigures,
    classification_figures,
    classification_subgroup,
)
from dicomnode.learning.metrics.detection_metrics import Boxes, DetectionSubgroup, detection_figures, detection_subgroup
from dicomnode.learning.metrics.exam_metrics import BreastScores, exam_figures
from dicomnode.learning.metrics.lesions import AT_HALF, Hit
from dicomnode.learning.recipes.recipe import DataSection

_SEED = 2026


def find_layout(data: Path, classes: tuple[str, ...], task: Task) -> DataSection:
    """How a data folder is laid out, told from what lies in it."""
    if task is Task.DETECTION:
        if (data / "mass_case_description_train_set.csv").is_file():
            return DataSection(layout="cbis_ddsm", classes=classes, with_boxes=True)
        has_text = any(data.glob("*/labels/*.txt"))
        return DataSection(layout="kitti" if has_text else "coco", classes=classes)
    if task is Task.EXAM:
        return DataSection(layout="exam_csv", classes=classes, in_memory=False)
    table = data / "labels.csv"
    if not table.is_file():
        return DataSection(layout="class_folders", classes=classes)
    columns = table.read_text(encoding="utf-8-sig").partition("\n")[0].strip().split(",")
    clean = "near_dup_in_train" if "near_dup_in_train" in columns else None
    by_uid = "uid" in columns and "path" not in columns
    return DataSection(layout="dicom_csv" if by_uid else "labels_csv", classes=classes, clean_column=clean)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A bundle's answers for the images of a split, and what they are worth.

    Attributes:
        bundle: The bundle.
        network: Its network in plain float32, for drawing what it looks at.
        store: The images, in order.
        answers: What the network answered for each of them, or for each breast.
        report: The figures, ready for JSON.
    """

    bundle: Bundle
    network: nn.Module
    store: ImageStore | ExamStore
    answers: Predictions | Boxes | BreastScores
    report: dict[str, Any]


def evaluate_bundle(
    path: Path,
    data: Path,
    split: str,
    device: torch.device,
    valid_list: Path | None = None,
    section: DataSection | None = None,
) -> dict[str, Any]:
    """The figures of `measure_bundle`, without subgroups."""
    return measure_bundle(path, data, split, device, valid_list=valid_list, section=section).report


def measure_bundle(
    path: Path,
    data: Path,
    split: str,
    device: torch.device,
    *,
    valid_list: Path | None = None,
    section: DataSection | None = None,
    subgroups: tuple[str, ...] = (),
    recall: float | None = None,
    hit: Hit = AT_HALF,
    way: Way = Way.EAGER,
) -> Evaluation:
    """Figures on ``all`` images of a split and, where near duplicates of training are known, on the ``clean`` ones.

    Args:
        path: The bundle.
        data: Folder of the data set.
        split: Name of the split.
        device: Where to compute.
        valid_list: CSV whose column ``path`` names the pictures of the split ``valid``.
        section: How the folder is laid out; told from what lies in it if not given.
        subgroups: Columns of labels.csv; the main figures are given for the images of each value.
        recall: At which a classifier's precision is wanted; the sensitivity its threshold was chosen for if not given.
        hit: When a detector's box is on a lesion.
        way: How the network computes.

    Raises:
        BundleError: If the bundle cannot be used.
        RecipeError: If the folder or the split is missing or laid out otherwise, or a column is not there.
    """
    bundle = load_bundle(path)
    samples, section = _samples(bundle, data, split, valid_list, section)
    if bundle.node.exam is not None:
        exams = exam_store(bundle, bundle.node.exam, section, samples, data)
        return _measure_exams(bundle, bundle.node.exam, _network(bundle, device, way), exams, split, subgroups)
    members = {column: members_of(samples, column) for column in subgroups}
    store = open_images(section, samples, build_preprocessing(bundle), torch.float32)
    answers = _answers(bundle, _network(bundle, device, way), store, recall, hit)
    figures = _figures(answers, [item.name for item in bundle.node.classes], samples)
    report = {"bundle": bundle.name, "version": bundle.version, "split": split, "threshold": answers.threshold}
    if members:
        figures["subgroups"] = {
            column: {value: asdict(_subgroup(answers.subset(rows))) for value, rows in values.items()}
            for column, values in members.items()
        }
    return Evaluation(bundle, build_network(bundle, device), store, answers, without_nan(report | figures))


def _network(bundle: Bundle, device: torch.device, way: Way) -> nn.Module:
    return in_way(build_network(bundle, device), way, bundle.node.task, device)


def _measure_exams(
    bundle: Bundle, shown: ExamInput, network: nn.Module, store: ExamStore, split: str, subgroups: tuple[str, ...]
) -> Evaluation:
    answers, rows = breast_answers(bundle, shown, network, store)
    names = [item.name for item in bundle.node.classes]
    figures: dict[str, Any] = {"all": {"images": len(store.images), **asdict(exam_figures(answers, names, _SEED))}}
    for column in subgroups:
        members = members_of(rows.samples, column)
        figures.setdefault("subgroups", {})[column] = {
            value: exam_subgroup(answers.subset(chosen), names, _SEED) for value, chosen in members.items()
        }
    report = {"bundle": bundle.name, "version": bundle.version, "split": split, "threshold": answers.threshold}
    return Evaluation(bundle, network, store, answers, without_nan(report | figures))


def members_of(samples: tuple[Sample, ...], column: str) -> dict[str, list[int]]:
    """Indices of the samples with each value of a column of labels.csv, in the order of the values.

    Raises:
        RecipeError: If no sample has such a column.
    """
    members: dict[str, list[int]] = {}
    known: set[str] = set()
    for index, sample in enumerate(samples):
        values = dict(sample.columns)
        known |= values.keys()
        if column in values:
            members.setdefault(values[column] or "(empty)", []).append(index)
    if not members:
        has = f"it has {', '.join(sorted(known))}" if known else "this data set has no columns to choose from"
        raise RecipeError(f"--subgroups {column}: labels.csv has no such column; {has}")
    return dict(sorted(members.items()))


def _samples(
    bundle: Bundle, data: Path, split: str, valid_list: Path | None, section: DataSection | None
) -> tuple[tuple[Sample, ...], DataSection]:
    if section is None:
        colour = "rgb" if bundle.channels == 3 else "grey"
        classes = tuple(item.name for item in bundle.node.classes)
        section = find_layout(data, classes, bundle.node.task).model_copy(update={"colour": colour})
    if valid_list is not None:
        section = section.model_copy(update={"valid_list": valid_list})
    return of_split(load_samples(section, data, needed=(split,)), split), section


def _answers(
    bundle: Bundle, network: nn.Module, store: ImageStore, recall: float | None, hit: Hit
) -> Predictions | Boxes:
    groups, point = groups_of(store.samples), bundle.node.operating_point
    if bundle.node.task is Task.DETECTION:
        found, dice = predict_lesions(network, store, point.threshold, hit)
        return Boxes(truths_of(store), found, groups, point.threshold, hit, dice)
    calibration: Calibration | None = bundle.node.calibration
    temperature = 1.0 if calibration is None else calibration.temperature
    return Predictions(
        probabilities=torch.softmax(predict_logits(network, store).double() / temperature, dim=1).numpy(),
        labels=labels_of(store).numpy(),
        groups=groups,
        negative=negative_classes(bundle.node),
        threshold=point.threshold,
        recall=target_sensitivity(point.target) if recall is None else recall,
    )


def target_sensitivity(target: str) -> float | None:
    """The number in an operating point's target such as ``sensitivity 0.99``; None in any other."""
    name, _, value = target.partition(" ")
    return float(value) if name == "sensitivity" and value.replace(".", "", 1).isdecimal() else None


def _figures(answers: Predictions | Boxes, names: list[str], samples: tuple[Sample, ...]) -> dict[str, Any]:
    if isinstance(answers, Boxes):
        return {"all": asdict(detection_figures(answers, names, _SEED))}
    figures = {"all": asdict(classification_figures(answers, names, _SEED))}
    clean = [index for index, sample in enumerate(samples) if sample.clean]
    if 0 < len(clean) < len(samples):
        figures["clean"] = asdict(classification_figures(answers.subset(clean), names, _SEED))
    return figures


def _subgroup(answers: Predictions | Boxes) -> SubgroupFigures | DetectionSubgroup:
    if isinstance(answers, Boxes):
        return detection_subgroup(answers, _SEED)
    return classification_subgroup(answers, _SEED)


def groups_of(samples: tuple[Sample, ...]) -> tuple[str, ...]:
    """The patient of every image, or where none is known the image itself."""
    return tuple(sample.patient or sample.name for sample in samples)


def without_nan(value: Any) -> Any:
    """JSON has no NaN: a figure that cannot be computed is null."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float | np.floating) and math.isnan(value):
        return None
    return value
