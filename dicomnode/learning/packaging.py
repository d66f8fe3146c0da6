"""From the best checkpoint to a MONAI bundle: calibrated, measured, with its model card."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from dicomnode.bundles import EVALUATION, bundle_digest, write_measured
from dicomnode.errors import RecipeError
from dicomnode.learning.card import evaluate_command, model_card
from dicomnode.learning.data.exam_store import ExamStore
from dicomnode.learning.data.exam_tables import is_birads
from dicomnode.learning.data.pictures import compose
from dicomnode.learning.data.sources import load_samples
from dicomnode.learning.data.store import ImageStore
from dicomnode.learning.engine.checkpoints import load_best
from dicomnode.learning.engine.classification import labels_of, predict_logits
from dicomnode.learning.engine.detection import predict_boxes, truths_of
from dicomnode.learning.engine.memory import peak_memory
from dicomnode.learning.engine.tasks import Task
from dicomnode.learning.engine.training import Run, build_network
from dicomnode.learning.evaluation import Evaluation, measure_bundle
from dicomnode.learning.exam_packaging import exam_input, exam_network, fitted_exam
from dicomnode.learning.measured_points import Circumstances, measured_of
from dicomnode.learning.metrics.calibration import (
    expected_calibration_error,
    fit_temperature,
    threshold_for_f1,
    threshold_for_sensitivity,
)
from dicomnode.learning.metrics.lesions import Hit, found_boxes
from dicomnode.learning.recipes.recipe import Component, Recipe
from dicomnode.learning.report import Background, write_page

_SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_OWN_KEYS = ("description", "authors", "copyright", "data_source", "network_data_format", "task")


def package(run: Run, task: Task) -> Path:
    """Write ``<out>/bundle/<name>`` and the report from the best checkpoint; returns the bundle.

    A network that was trained on BI-RADS categories is no model of its own: it gets the report only, and what is
    returned is its ``best.pt``, for the run that begins with it.

    Args:
        run: A run with ``best.pt`` in its output folder.
        task: Its task; threshold and temperature are fitted on the validation images.
    """
    memory = peak_memory(run.device)
    bundle = run.out / "bundle" / run.recipe.name
    shutil.rmtree(bundle, ignore_errors=True)
    network = build_network(run.recipe)
    epoch = load_best(network, run.out)
    # Thresholds are fitted on the weights as they are stored, not on those they were rounded from.
    network = network.half().float().to(run.device)
    is_model = not is_birads(run.recipe.data)
    if is_model:
        _write_parts(bundle, run.recipe, network, _fitted(run.recipe, network, task.valid))
    history = _history(run.out)
    report = {
        "name": run.recipe.name,
        "epoch": epoch,
        "run": _extent(run, task, history, memory),
        "history": history,
        "test": {},
    }
    evaluation = None
    splits = {sample.split for sample in load_samples(run.recipe.data, run.data)}
    if run.recipe.data.test in splits and is_model:
        data = run.recipe.data
        hit = Hit.read(run.recipe.operating_point.hit)
        evaluation = measure_bundle(bundle, run.data, data.test, run.device, section=data, hit=hit)
        report["test"] = evaluation.report
    if is_model:
        _write_text(bundle / "docs" / "README.md", model_card(run.recipe, report, _read_metadata(bundle)))
        if evaluation is not None:
            _keep_measured(bundle, run, evaluation)
    _write_json(run.out / "report.json", report)
    write_page(run.out, run.recipe.name, evaluation, Background(run.recipe.published, report, run.out / "check.json"))
    return bundle if is_model else run.out / "best.pt"


def _keep_measured(bundle: Path, run: Run, evaluation: Evaluation) -> None:
    """Write ``docs/evaluation.json``, about the bundle with its card."""
    how = Circumstances(run.data.resolve().name, evaluate_command(run.recipe), datetime.now(UTC).date())
    measured = replace(measured_of(evaluation, how), bundle_digest=bundle_digest(bundle))
    write_measured(bundle / EVALUATION, measured)


def _extent(run: Run, task: Task, history: list[dict[str, float]], memory: float) -> Component:
    """How much of the recipe's schedule was run: what early stopping or a time budget left of it, in what memory."""
    section = run.recipe.training
    seen = int(history[-1]["images"]) if history else 0
    planned = section.epochs * task.steps_per_epoch * section.batch_size
    return {
        "images_seen": seen,
        "images_planned": planned,
        "schedule_share": round(seen / planned, 4) if planned else 1.0,
        "budget_minutes": run.budget_minutes,
        "device": str(run.device),
        "peak_memory_mib": round(memory),
        "seed": run.recipe.seed,
    }


def _fitted(recipe: Recipe, network: nn.Module, valid: ImageStore | ExamStore) -> Component:
    """The keys of the node's block that validation decides."""
    if isinstance(valid, ExamStore):
        return fitted_exam(recipe, valid.section, network, valid)
    point = recipe.operating_point
    target = "highest F1" if point.rule == "f1" else f"sensitivity {point.value:g}"
    unit = recipe.bundle.dicomnode.get("aggregation", {}).get("unit", "slice")
    chosen = {"target": target, "chosen_on": "validation", "level": unit}
    if recipe.task == "detection":
        if point.rule != "f1":
            raise RecipeError("operating_point.rule: a detector's threshold is chosen by f1")
        boxes = found_boxes(truths_of(valid), predict_boxes(network, valid), Hit.read(point.hit))
        threshold = threshold_for_f1(boxes.scores, boxes.hits, int(boxes.lesions.sum()))
        return {"operating_point": {"threshold": round(threshold, 4), **chosen}}
    return _fitted_classifier(recipe, predict_logits(network, valid), labels_of(valid), chosen)


def _fitted_classifier(recipe: Recipe, logits: torch.Tensor, labels: torch.Tensor, chosen: dict[str, str]) -> Component:
    point = recipe.operating_point
    if point.rule != "sensitivity":
        raise RecipeError("operating_point.rule: a classifier's threshold is chosen by sensitivity")
    temperature = round(fit_temperature(logits, labels), 4)
    probabilities = torch.softmax(logits.double() / temperature, dim=1).numpy()
    negative = negative_classes(recipe)
    positive = ~np.isin(labels.numpy(), negative)
    threshold = threshold_for_sensitivity(1 - probabilities[:, negative].sum(axis=1), positive, point.value)
    ece = expected_calibration_error(probabilities, labels.numpy())
    return {
        "operating_point": {"threshold": round(threshold, 4), **chosen},
        "calibration": {
            "method": "temperature",
            "temperature": temperature,
            "ece": round(ece, 4),
            "fitted_on": "validation",
        },
    }


def negative_classes(recipe: Recipe) -> tuple[int, ...]:
    """Indices of the classes that mean no finding."""
    marks = [bool(entry.get("is_finding", True)) for entry in recipe.bundle.dicomnode.get("classes", [])]
    if len(marks) != len(recipe.data.classes) or all(marks) or not any(marks):
        raise RecipeError(
            "bundle.dicomnode.classes: needs the recipe's classes, some with is_finding: true and some with false"
        )
    return tuple(index for index, mark in enumerate(marks) if not mark)


def _write_parts(bundle: Path, recipe: Recipe, network: nn.Module, fitted: Component) -> None:
    component, state = dict(recipe.network), network.state_dict()
    if recipe.exam is not None:
        component, state = exam_network(recipe, recipe.exam, network)
    weights = {name: _stored(tensor) for name, tensor in state.items()}
    (bundle / "models").mkdir(parents=True)
    save_file(weights, bundle / "models" / "model.safetensors", metadata={"format": "pt"})
    _write_json(bundle / "configs" / "inference.json", inference_config(recipe) | {"network_def": component})
    _write_json(bundle / "configs" / "metadata.json", _metadata(recipe, fitted))
    shutil.copyfile(recipe.bundle.license_file, bundle / "LICENSE")
    _write_text(bundle / "docs" / "README.md", "")


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() else tensor


def inference_config(recipe: Recipe) -> Component:
    """``configs/inference.json``: classes and their arguments, nothing that is evaluated."""
    config: Component = {"network_def": dict(recipe.network)}
    if recipe.preprocessing:
        config["preprocessing"] = compose(recipe.preprocessing)
    config["inferer"] = {"_target_": "monai.inferers.SimpleInferer"}
    if recipe.task == "classification":
        config["postprocessing"] = {"_target_": "monai.transforms.Activations", "softmax": True}
    return config


def _metadata(recipe: Recipe, fitted: Component) -> Component:
    section = recipe.bundle
    if absent := [key for key in _OWN_KEYS if key not in section.metadata]:
        raise RecipeError(f"bundle.metadata: {', '.join(absent)} missing; MONAI's schema wants them")
    versions = {
        "schema": _SCHEMA,
        "name": recipe.name,
        "version": section.version,
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {},
    }
    texts = {"intended_use": section.card.intended_use.strip()}
    shown = {} if recipe.exam is None else {"exam": exam_input(recipe.exam)}
    node = {"task": recipe.task, **section.dicomnode, **shown, **fitted, "not_for": section.card.not_for.strip()}
    return {**versions, **section.metadata, **texts, "dicomnode": node}


def _read_metadata(bundle: Path) -> Component:
    content: dict[str, Any] = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    return content


def _history(out: Path) -> list[dict[str, float]]:
    if not (out / "last.pt").is_file():
        return []
    content: list[dict[str, float]] = torch.load(out / "last.pt", map_location="cpu", weights_only=True)["history"]
    return content


def _write_json(path: Path, content: Component) -> None:
    _write_text(path, json.dumps(content, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
