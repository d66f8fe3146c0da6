"""The length of an epoch and DetectNet's learning rates."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dicomnode.errors import RecipeError
from dicomnode.learning.data.store import repeated
from dicomnode.learning.engine.optimisation import make_optimizer, make_schedule
from dicomnode.learning.engine.training import load_task
from dicomnode.learning.recipes.hyperparameters import TrainingSection
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]
CPU = torch.device("cpu")


def section(**changes: Any) -> TrainingSection:
    values = {"epochs": 10, "batch_size": 1, "learning_rate": 5e-4, "monitor": "ap50", **changes}
    return TrainingSection.model_validate(values)


def test_soft_start_and_annealing_are_detectnets() -> None:
    training = section(schedule="soft_start_annealing")
    optimizer = make_optimizer(nn.Linear(1, 1), training)
    schedule = make_schedule(optimizer, training, 10)

    rates = []
    for _ in range(100):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()

    assert rates[0] == pytest.approx(5e-6) and rates[-1] == pytest.approx(5e-6)
    assert rates[5] == pytest.approx(5e-6 * 100 ** (5 / 99 / 0.1))  # straight on a logarithmic scale
    assert rates[10:69] == pytest.approx([5e-4] * 59)
    assert all(a > b for a, b in pairwise(rates[70:]))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"soft_start": 0.8}, "soft_start must not lie behind"), ({"learning_rate": 1e-6}, "lowest_learning_rate")],
)
def test_a_schedule_that_cannot_be_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        section(schedule="soft_start_annealing", **changes)


def test_an_epoch_may_have_any_length() -> None:
    batches = list(repeated(5, 2, 5, torch.Generator().manual_seed(0)))

    assert len(batches) == 5 and all(len(batch) == 2 for batch in batches)
    assert not list(repeated(1, 2, 5, torch.Generator()))


def test_a_detector_trains_on_single_images_in_epochs_of_any_length(write_recipe: WriteRecipe, boxes: Path) -> None:
    recipe = load_recipe(write_recipe("detector", training={"batch_size": 1, "steps_per_epoch": 11}))
    task = load_task(recipe, boxes)

    assert task.steps_per_epoch == 11
    assert len(list(task.batches(torch.Generator().manual_seed(0), CPU))) == 11


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"training": {"batch_size": 1}}, "needs two images"),
        ({"training": {"steps_per_epoch": 5}}, "steps_per_epoch needs task detection"),
    ],
)
def test_a_classifier_needs_more(write_recipe: WriteRecipe, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        load_recipe(write_recipe(**changes))
