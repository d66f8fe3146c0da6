"""A training run from the recipe to the best checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dicomnode.errors import RecipeError
from dicomnode.learning.checkpoints import RunState, load_last, save_best, save_last
from dicomnode.learning.classification import Classification
from dicomnode.learning.detection import Detection
from dicomnode.learning.freezing import train_only
from dicomnode.learning.loops import train_one_epoch
from dicomnode.learning.optimisation import make_optimizer, make_schedule
from dicomnode.learning.pictures import build_transform
from dicomnode.learning.precision import choose_device, fast_type
from dicomnode.learning.pretrained import load_imagenet, load_start
from dicomnode.learning.progress import Reporter
from dicomnode.learning.recipe import Recipe
from dicomnode.learning.sources import load_samples, of_split
from dicomnode.learning.store import open_images
from dicomnode.learning.tasks import Task
from dicomnode.networks import ImageNetClassifier


@dataclass(frozen=True, slots=True)
class Run:
    """Where and how a recipe is run.

    Attributes:
        recipe: The experiment.
        data: Folder of the data set.
        out: Folder for checkpoints, the report and the bundle.
        device: Where to compute.
        resume: Go on from ``last.pt`` in ``out``.
        budget_minutes: Training stops after the step in which this much wall-clock time is over; None for never.
    """

    recipe: Recipe
    data: Path
    out: Path
    device: torch.device
    resume: bool = False
    budget_minutes: float | None = None


def make_run(
    recipe: Recipe,
    data: Path,
    out: Path,
    device: str = "auto",
    resume: bool = False,
    budget_minutes: float | None = None,
) -> Run:
    """A run with its output folder made.

    Raises:
        RecipeError: If the folder holds another run's checkpoint and ``resume`` is not asked for.
    """
    if not resume and (out / "last.pt").exists():
        raise RecipeError(f"{out}: holds a checkpoint already; use --resume to go on, or another --out")
    out.mkdir(parents=True, exist_ok=True)
    return Run(recipe, data, out, choose_device(device), resume, budget_minutes)


def build_network(recipe: Recipe) -> nn.Module:
    """The recipe's network with weights drawn from its seed, and the parameters frozen that are not to be trained."""
    torch.manual_seed(recipe.seed)
    network: nn.Module = ConfigParser({"network_def": dict(recipe.network)}).get_parsed_content("network_def")
    train_only(network, recipe.training.train_only)
    return network


def load_task(recipe: Recipe, data: Path) -> Task:
    """The task with its training and validation images in memory."""
    samples = load_samples(recipe.data, data)
    transform = build_transform(recipe.preprocessing)
    train = open_images(recipe.data, of_split(samples, recipe.data.train), transform)
    valid = open_images(recipe.data, of_split(samples, recipe.data.valid), transform)
    kind = Classification if recipe.task == "classification" else Detection
    task: Task = kind(recipe, train, valid)
    if task.steps_per_epoch == 0:
        raise RecipeError(f"{data}: fewer training pictures than training.batch_size; lower it with --set")
    return task


def train(run: Run, task: Task, reporter: Reporter) -> RunState:
    """Train until the epochs or the time are over or validation stops improving; leaves best.pt and last.pt.

    An epoch that the time budget cuts short counts as one, is validated and saved.
    """
    section, state = run.recipe.training, _start(run, task)
    identity = _identity(run.recipe)
    if run.resume:
        load_last(state, run.out, identity)
    dtype = fast_type(run.device)
    clock = _Clock(run.budget_minutes)
    while state.epoch < section.epochs and state.stale < section.patience and not clock.is_over:
        seed = run.recipe.seed + 1000 * (state.epoch + 1)
        torch.manual_seed(seed)
        batches = clock.limit(task.batches(torch.Generator().manual_seed(seed), run.device))
        note = "" if state.best is None else f"best {section.monitor} {state.best:.4f}"
        report = reporter.begin(state.epoch + 1, section.epochs, task.steps_per_epoch, note)
        loss = train_one_epoch(state, batches, task.loss, clip_norm=section.clip_norm, dtype=dtype, report=report)
        state.epoch += 1
        _close_epoch(run, task, state, loss, dtype, is_last=clock.is_over or state.epoch == section.epochs)
        save_last(state, run.out, identity)
        reporter.say(f"epoch {state.epoch}: " + ", ".join(f"{k} {v:.4f}" for k, v in state.history[-1].items()))
    return state


class _Clock:
    """The wall-clock budget of a run, counted from its first step."""

    def __init__(self, minutes: float | None) -> None:
        self._minutes = minutes
        self._end: float | None = None

    @property
    def is_over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end

    def limit(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches, at least one, until the budget is over."""
        if self._minutes is not None and self._end is None:
            self._end = time.monotonic() + 60 * self._minutes
        for batch in batches:
            yield batch
            if self.is_over:
                return


def _identity(recipe: Recipe) -> str:
    """What a checkpoint's run must have in common with the one that resumes it; it may be made longer or shorter."""
    content = recipe.model_dump(
        mode="json", include={"seed", "task", "network", "preprocessing", "augmentation", "training"}
    )
    for length in ("epochs", "patience", "validate_every"):
        del content["training"][length]
    return json.dumps(content, sort_keys=True)


def _start(run: Run, task: Task) -> RunState:
    section = run.recipe.training
    model = build_network(run.recipe)
    if not run.resume:
        _initialise(model, run.recipe)
    model = model.to(run.device).to(memory_format=torch.channels_last)
    averaged = None
    if section.ema_decay:
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(section.ema_decay), use_buffers=True)  # type: ignore[no-untyped-call]
    optimizer = make_optimizer(model, section)
    return RunState(model, averaged, optimizer, make_schedule(optimizer, section, task.steps_per_epoch))


def _initialise(model: nn.Module, recipe: Recipe) -> None:
    if recipe.init == "imagenet" and isinstance(model, ImageNetClassifier):
        load_imagenet(model, recipe.init_weights)
    elif recipe.init == "checkpoint" and recipe.init_weights is not None:
        load_start(model, recipe.init_weights)


def _close_epoch(
    run: Run, task: Task, state: RunState, loss: float, dtype: torch.dtype | None, *, is_last: bool
) -> None:
    section = run.recipe.training
    images = float(state.schedule.last_epoch * section.batch_size)
    entry = {"epoch": float(state.epoch), "images": images, "loss": loss}
    if state.epoch % section.validate_every == 0 or is_last:
        figures = task.validate(state.kept, dtype)
        if section.monitor not in figures:
            raise RecipeError(f"training.monitor {section.monitor!r}: is not one of {', '.join(figures)}")
        entry |= figures
        if state.best is None or figures[section.monitor] > state.best:
            state.best, state.stale = figures[section.monitor], 0
            save_best(state, run.out)
        else:
            state.stale += 1
    state.history.append(entry)
