"""A training run from the recipe to the best checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from monai.bundle import ConfigParser
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dicomnode.errors import RecipeError
from dicomnode.learning.data.exam_store import open_exams
from dicomnode.learning.data.pictures import build_transform
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.sources import load_samples, of_split
from dicomnode.learning.data.store import open_images
from dicomnode.learning.engine.boards import Board, open_board
from dicomnode.learning.engine.budget import Budget
from dicomnode.learning.engine.checkpoints import RunState, bring_best, read_checkpoint, restore, save_best, save_last
from dicomnode.learning.engine.classification import Classification
from dicomnode.learning.engine.compilation import compile_network
from dicomnode.learning.engine.detection import Detection
from dicomnode.learning.engine.exams import ExamTask
from dicomnode.learning.engine.freezing import train_only
from dicomnode.learning.engine.heat_maps import draw_heat_maps
from dicomnode.learning.engine.loops import train_one_epoch
from dicomnode.learning.engine.memory import keep_no_activations, peak_memory
from dicomnode.learning.engine.optimisation import make_optimizer, make_schedule
from dicomnode.learning.engine.precision import choose_device, fast_type
from dicomnode.learning.engine.pretrained import load_coco, load_imagenet, load_parts, load_start
from dicomnode.learning.engine.progress import Reporter
from dicomnode.learning.engine.ranks import ALONE, Ranks
from dicomnode.learning.engine.smote import refit_head
from dicomnode.learning.engine.stages import stage_at, stages_of
from dicomnode.learning.engine.tasks import Task
from dicomnode.learning.recipes.hyperparameters import TrainingSection
from dicomnode.learning.recipes.recipe import Recipe
from dicomnode.networks import TiledDetector
from dicomnode.networks.pretraining import TakesCoco, TakesImageNet

Samples: TypeAlias = tuple[Sample, ...]

_FREE = ("epochs", "patience", "validate_every", "compile", "accumulate", "checkpointing", "mixed_precision")
"""What may change when a run is resumed: its length, and what it costs in time and memory."""


@dataclass(frozen=True, slots=True)
class Run:
    """Where and how a recipe is run.

    Attributes:
        recipe: The experiment.
        data: Folder of the data set.
        out: Folder for checkpoints, the report and the bundle.
        device: Where to compute.
        resume: Checkpoint to go on from, None to begin anew.
        budget_minutes: Training stops after the step in which this much wall-clock time is over; None for never.
        ranks: This process among those that train together.
        boards: Folder for TensorBoard's event files; None for none.
    """

    recipe: Recipe
    data: Path
    out: Path
    device: torch.device
    resume: Path | None = None
    budget_minutes: float | None = None
    ranks: Ranks = ALONE
    boards: Path | None = None


def make_run(
    recipe: Recipe,
    data: Path,
    out: Path,
    device: str = "auto",
    resume: bool | Path = False,
    budget_minutes: float | None = None,
    *,
    ranks: Ranks = ALONE,
    boards: bool = False,
) -> Run:
    """A run with its output folder made.

    Args:
        recipe: The experiment.
        data: Folder of the data set.
        out: Folder for checkpoints, the report and the bundle.
        device: ``auto`` or torch's name.
        resume: True to go on from ``last.pt`` in ``out``, or the checkpoint to go on from.
        budget_minutes: Wall-clock time of the training.
        ranks: This process among those that train together.
        boards: Write TensorBoard's event files into ``tensorboard`` in ``out``.

    Raises:
        RecipeError: If the folder holds another run's checkpoint and ``resume`` is not asked for, or the batch cannot
            be shared among the processes.
    """
    if not resume and (out / "last.pt").exists():
        raise RecipeError(f"{out}: holds a checkpoint already; use --resume to go on, or another --out")
    if recipe.training.batch_size % (ranks.world * recipe.training.accumulate):
        parts = f" times training.accumulate {recipe.training.accumulate}" if recipe.training.accumulate > 1 else ""
        raise RecipeError(
            f"training.batch_size {recipe.training.batch_size}: must be a multiple of the {ranks.world} processes"
            f"{parts}, which share each batch"
        )
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = resume if isinstance(resume, Path) else out / "last.pt" if resume else None
    folder = out / "tensorboard" if boards else None
    return Run(recipe, data, out, choose_device(device), checkpoint, budget_minutes, ranks, folder)


def build_network(recipe: Recipe) -> nn.Module:
    """The recipe's network with weights drawn from its seed, and the parameters frozen that are not to be trained."""
    torch.manual_seed(recipe.seed)
    network: nn.Module = ConfigParser({"network_def": dict(recipe.network)}).get_parsed_content("network_def")
    train_only(network, recipe.training.train_only)
    return network


def load_task(recipe: Recipe, data: Path, ranks: Ranks = ALONE) -> Task:
    """The task with its training images and, in the first process, validation images."""
    samples = load_samples(recipe.data, data)
    train, valid = of_split(samples, recipe.data.train), of_split(samples, recipe.data.valid) if ranks.is_first else ()
    task = _task(recipe, data, train, valid, ranks)
    if task.steps_per_epoch == 0:
        raise RecipeError(f"{data}: fewer training pictures than training.batch_size; lower it with --set")
    return task


def _task(recipe: Recipe, data: Path, train: Samples, valid: Samples, ranks: Ranks) -> Task:
    if recipe.exam is not None:
        shown, unseen = (open_exams(recipe.data, recipe.exam, samples, data) for samples in (train, valid))
        return ExamTask(recipe, recipe.exam, shown, unseen, ranks)
    transform = build_transform(recipe.preprocessing)
    kind = Classification if recipe.task == "classification" else Detection
    seen, held_out = (open_images(recipe.data, samples, transform) for samples in (train, valid))
    return kind(recipe, seen, held_out, ranks)


def train(run: Run, task: Task, reporter: Reporter) -> RunState:
    """Train until the epochs or the time are over or validation stops improving; leaves best.pt and last.pt.

    An epoch that the time budget cuts short counts as one, is validated and saved. Where the recipe asks for it, the
    last layer is trained on balanced embeddings after that.
    """
    section, budget = run.recipe.training, Budget(run.budget_minutes, run.ranks)
    if isinstance(task, ExamTask):
        draw_heat_maps(task, run.device, reporter.say)
    state = _start(run, task, reporter.say)
    with open_board(run.boards if run.ranks.is_first else None, state.steps) as board:
        while state.epoch < section.epochs and not _is_stale(section, state) and not budget.is_over:
            if (stage := stage_at(section, state.epoch)) != state.stage:
                _enter(run, task, state, stage)
            loss = _train_epoch(run, task, state, budget, _reports(run, task, state, reporter, board))
            _close_epoch(run, task, state, {"loss": loss}, is_last=budget.is_over or state.epoch == section.epochs)
            board.epoch(state.steps, state.history[-1])
            reporter.say(f"epoch {state.epoch}: " + ", ".join(f"{k} {v:.4f}" for k, v in state.history[-1].items()))
        if section.epochs == 0:
            _close_epoch(run, task, state, {}, is_last=True)
    if section.class_balance == "smote" and isinstance(task, Classification) and run.ranks.is_first:
        reporter.say(refit_head(task, build_network(run.recipe).to(run.device), run.out))
    reporter.say(f"peak memory {peak_memory(run.device):.0f} MiB on {run.device}")
    return state


def _is_stale(section: TrainingSection, state: RunState) -> bool:
    """Whether early stopping ends the run; an early stage that stops to improve makes way for the next."""
    return state.stale >= section.patience and state.stage == len(stages_of(section)) - 1


def new_network(run: Run, say: Callable[[str], None] = lambda line: None) -> nn.Module:
    """The network as the run begins with it, on its device, with the parameters of the first stage to be trained."""
    model = build_network(run.recipe)
    if run.resume is None:
        _initialise(model, run.recipe, say)
    train_only(model, stages_of(run.recipe.training)[0].train_only)
    keep_no_activations(model, run.recipe.training.checkpointing)
    return run.ranks.synchronised(model).to(run.device).to(memory_format=torch.channels_last)


def _start(run: Run, task: Task, say: Callable[[str], None]) -> RunState:
    """A new run, or one as its checkpoint left it."""
    section, model = run.recipe.training, new_network(run, say)
    averaged = None
    if section.ema_decay and run.ranks.is_first:
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(section.ema_decay), use_buffers=True)  # type: ignore[no-untyped-call]
    if section.compile:
        compile_network(model)
    state = RunState(model, averaged, *_stepping(run, task, model, 0))
    if run.resume is not None:
        _resume(run, task, state, run.resume)
    return state


def _resume(run: Run, task: Task, state: RunState, checkpoint: Path) -> None:
    content = run.ranks.agreed(read_checkpoint(checkpoint, _identity(run.recipe)) if run.ranks.is_first else {})
    if run.ranks.is_first and checkpoint != run.out / "last.pt":
        bring_best(checkpoint, content, run.out)
    _enter(run, task, state, stage_at(run.recipe.training, content["epoch"] - 1))
    restore(state, content)


def _identity(recipe: Recipe) -> str:
    """What a checkpoint's run must have in common with the one that resumes it; it may be made longer or shorter."""
    keys = {"seed", "task", "network", "preprocessing", "augmentation", "training"}
    content = recipe.model_dump(mode="json", include=keys | ({"exam"} if recipe.exam is not None else set()))
    for free in _FREE:
        del content["training"][free]
    return json.dumps(content, sort_keys=True)


def _stepping(
    run: Run, task: Task, model: nn.Module, stage: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR, nn.Module | None]:
    """Optimiser, schedule and wrapped network of a stage, whose parameters alone are trained from now on."""
    section = stages_of(run.recipe.training)[stage]
    train_only(model, section.train_only)
    optimizer = make_optimizer(model, section)
    return optimizer, make_schedule(optimizer, section, task.steps_per_epoch), run.ranks.wrap(model)


def _initialise(model: nn.Module, recipe: Recipe, say: Callable[[str], None]) -> None:
    inner: nn.Module = model.detector if isinstance(model, TiledDetector) else model
    if recipe.init == "imagenet" and isinstance(inner, TakesImageNet):
        load_imagenet(inner, recipe.init_weights)
    elif recipe.init == "coco" and isinstance(inner, TakesCoco):
        load_coco(inner, recipe.init_weights)
    elif recipe.init == "checkpoint" and recipe.init_weights is not None:
        load_start(model, recipe.init_weights)
    elif recipe.init == "checkpoint":
        for line in load_parts(model, recipe.init_parts):
            say(line)


def _enter(run: Run, task: Task, state: RunState, stage: int) -> None:
    state.wrapped = None  # the old wrapping's hooks must be gone before the parameters get new ones
    state.optimizer, state.schedule, state.wrapped = _stepping(run, task, state.model, stage)
    state.stage, state.stale = stage, 0


def _reports(run: Run, task: Task, state: RunState, reporter: Reporter, board: Board) -> Callable[[float], None]:
    """What is told of each step of the epoch that begins."""
    section = run.recipe.training
    note = "" if state.best is None else f"best {section.monitor} {state.best:.4f}"
    progress = reporter.begin(state.epoch + 1, section.epochs, task.steps_per_epoch, note)

    def report(loss: float) -> None:
        board.step(state.steps, loss, state.optimizer.param_groups[0]["lr"])
        progress(loss)

    return report


def _train_epoch(run: Run, task: Task, state: RunState, budget: Budget, report: Callable[[float], None]) -> float:
    seed = run.recipe.seed + 1000 * (state.epoch + 1)
    torch.manual_seed(run.ranks.seed(seed))
    section = run.recipe.training
    batches = task.batches(torch.Generator().manual_seed(seed), run.device)
    loss = train_one_epoch(
        state,
        budget.limit(batches, section.accumulate),
        task.loss,
        clip_norm=section.clip_norm,
        dtype=_type(run),
        report=report,
        mean=run.ranks.mean,
        accumulate=section.accumulate,
    )
    state.epoch += 1
    return loss


def _type(run: Run) -> torch.dtype | None:
    return fast_type(run.device, wanted=run.recipe.training.mixed_precision)


def _close_epoch(run: Run, task: Task, state: RunState, losses: dict[str, float], *, is_last: bool) -> None:
    """Validate where it is due, and save."""
    section, identity = run.recipe.training, _identity(run.recipe)
    entry = {"epoch": float(state.epoch), "images": float(state.steps * section.batch_size)} | losses
    is_better = False
    if state.epoch % section.validate_every == 0 or is_last:
        figures = _validate(run, task, state)
        entry |= figures
        is_better = state.best is None or figures[section.monitor] > state.best
        state.stale += 1
    state.history.append(entry)
    if is_better:
        state.best, state.best_epoch, state.stale = entry[section.monitor], state.epoch, 0
        if run.ranks.is_first:
            save_best(state, run.out, identity)
    if run.ranks.is_first:
        save_last(state, run.out, identity)


def _validate(run: Run, task: Task, state: RunState) -> dict[str, float]:
    """The first process's figures of the validation split."""
    figures = run.ranks.agreed(task.validate(state.kept, _type(run)) if run.ranks.is_first else {})
    if (monitor := run.recipe.training.monitor) not in figures:
        raise RecipeError(f"training.monitor {monitor!r}: is not one of {', '.join(figures)}")
    return figures
