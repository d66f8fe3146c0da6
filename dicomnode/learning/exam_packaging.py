"""What a bundle for mammography exams has besides what every bundle has."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from dicomnode.errors import RecipeError
from dicomnode.learning.data.exam_store import ExamStore
from dicomnode.learning.engine.exams import predict_rows
from dicomnode.learning.engine.heat_maps import build_classifier
from dicomnode.learning.metrics.calibration import (
    cooled,
    expected_calibration_error,
    fit_temperature,
    log_odds,
    threshold_for_sensitivity,
)
from dicomnode.learning.recipes.exam import ExamSection
from dicomnode.learning.recipes.recipe import Component, Recipe


def exam_network(recipe: Recipe, section: ExamSection, network: nn.Module) -> tuple[Component, dict[str, torch.Tensor]]:
    """The component and the weights of the network that a bundle holds.

    A network that looks at heat maps goes together with the patch classifier that draws them.
    """
    weights = network.state_dict()
    maps = section.heat_maps
    if maps is None:
        return dict(recipe.network), weights
    component = {
        "_target_": "dicomnode.networks.HeatMappedDmvCnn",
        "classifier": dict(maps.classifier),
        "network": dict(recipe.network),
        "patch": maps.patch,
        "stride": maps.stride,
    }
    parts = {"classifier": build_classifier(maps, recipe.seed).state_dict(), "network": weights}
    return component, {f"{name}.{key}": value for name, part in parts.items() for key, value in part.items()}


def exam_input(section: ExamSection) -> Component:
    """The table ``exam`` of the node's metadata."""
    return section.model_dump(mode="json", include={"unit", "cc_size", "mlo_size", "study_class", "lesion_threshold"})


def fitted_exam(recipe: Recipe, section: ExamSection, network: nn.Module, valid: ExamStore) -> Component:
    """Temperature and operating point of a breast's score, fitted on the validation split.

    Raises:
        RecipeError: If another rule is asked for, or all breasts of the split are of one kind.
    """
    point = recipe.operating_point
    if point.rule != "sensitivity":
        raise RecipeError("operating_point.rule: the threshold of an exam model is chosen by sensitivity")
    rows, place = predict_rows(network, valid), recipe.data.classes.index(section.study_class)
    truths = rows.truths[:, place]
    if truths.all() or not truths.any():
        raise RecipeError(
            f"split {recipe.data.valid!r}: needs breasts with and without {section.study_class} to choose the threshold"
        )
    odds = log_odds(rows.scores[:, place])
    logits = torch.from_numpy(np.stack([np.zeros_like(odds), odds], axis=1))
    temperature = round(fit_temperature(logits, torch.from_numpy(truths.astype(np.int64))), 4)
    scores = cooled(rows.scores[:, place], temperature)
    pairs = np.stack([1 - scores, scores], axis=1)
    threshold = threshold_for_sensitivity(scores, truths, point.value)
    return {
        "operating_point": {
            "threshold": round(threshold, 4),
            "target": f"sensitivity {point.value:g}",
            "chosen_on": "validation",
            "level": "breast",
        },
        "calibration": {
            "method": "temperature",
            "temperature": temperature,
            "ece": round(expected_calibration_error(pairs, truths.astype(np.int64)), 4),
            "fitted_on": "validation",
        },
    }
