"""What a run must remember to go on as if it had never stopped."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from dicomnode.errors import RecipeError


@dataclass(slots=True)
class RunState:
    """A training run in progress.

    Randomness needs no place here: every epoch seeds its own generators from the recipe's seed and its number.

    Attributes:
        model: The network being trained.
        averaged: Moving average of its weights, or None; what is validated and kept.
        optimizer: With its moments.
        schedule: Learning-rate schedule, stepped per batch.
        wrapped: What is called in a training step instead of ``model``, where several processes train it.
        stage: Index of the stage that optimizer and schedule belong to.
        epoch: Epochs finished.
        steps: Steps done.
        best: Best monitored figure so far, None before the first validation.
        best_epoch: The epoch that it is from, 0 before the first validation.
        stale: Validations since the best or since the stage began.
        history: One entry per epoch.
    """

    model: nn.Module
    averaged: AveragedModel | None
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    wrapped: nn.Module | None = None
    stage: int = 0
    epoch: int = 0
    steps: int = 0
    best: float | None = None
    best_epoch: int = 0
    stale: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and packaged."""
        if self.averaged is None:
            return self.model
        module: nn.Module = self.averaged.module
        return module

    @property
    def called(self) -> nn.Module:
        """The network as a training step calls it."""
        return self.model if self.wrapped is None else self.wrapped


_PLAIN = ("epoch", "steps", "best", "best_epoch", "stale", "history")


def _content(state: RunState, recipe: str) -> dict[str, Any]:
    return {
        "recipe": recipe,
        "model": state.model.state_dict(),
        "averaged": None if state.averaged is None else state.averaged.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "schedule": {"last_epoch": state.schedule.last_epoch},
        **{name: getattr(state, name) for name in _PLAIN},
    }


def save_last(state: RunState, folder: Path, recipe: str) -> None:
    """Write ``last.pt`` so that a crash at any moment leaves the old or the new one whole."""
    _write(_content(state, recipe), folder / "last.pt")


def save_best(state: RunState, folder: Path, recipe: str) -> None:
    """Write ``best.pt``: the kept network's weights, their epoch, and all that a run needs to go on from there."""
    kept = {"epoch": state.epoch, "best": state.best, "model": state.kept.state_dict()}
    _write({**kept, "state": _content(state, recipe)}, folder / "best.pt")


def replace_best(model: nn.Module, folder: Path) -> None:
    """Write the weights of ``model`` into ``best.pt``, which keeps what a run needs to go on."""
    _write(_read(folder / "best.pt") | {"model": model.state_dict()}, folder / "best.pt")


def read_checkpoint(path: Path, recipe: str) -> dict[str, Any]:
    """What :func:`restore` needs, from a ``last.pt`` or ``best.pt``.

    Raises:
        RecipeError: If there is none, or it was made by another recipe.
    """
    content = _read(path)
    state: dict[str, Any] = content.get("state", content)
    if state.get("recipe") != recipe:
        raise RecipeError(f"{path}: was made by another recipe; start anew in an empty --out folder")
    return state


def bring_best(path: Path, content: Mapping[str, Any], folder: Path) -> None:
    """Make ``best.pt`` of ``folder`` the one that a checkpoint from elsewhere speaks of: itself or its neighbour.

    Args:
        path: The checkpoint.
        content: What is in it.
        folder: The run's output folder.

    Raises:
        RecipeError: If the neighbour is missing or of another epoch.
    """
    if not content["best_epoch"]:
        return
    best = path if "state" in _read(path) else path.parent / "best.pt"
    if not best.is_file() or _read(best)["epoch"] != content["best_epoch"]:
        raise RecipeError(f"{path}: needs the best.pt of epoch {content['best_epoch']} beside it; copy both")
    if best.resolve() != (folder / "best.pt").resolve():
        shutil.copyfile(best, folder / "best.pt")


def restore(state: RunState, content: Mapping[str, Any]) -> None:
    """Make ``state`` what it was when the checkpoint was written; its stage must be the checkpoint's already."""
    state.model.load_state_dict(content["model"])
    if state.averaged is not None:
        state.averaged.load_state_dict(content["averaged"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.schedule.last_epoch = content["schedule"]["last_epoch"]
    for name in _PLAIN:
        setattr(state, name, content[name])


def load_best(model: nn.Module, folder: Path) -> int:
    """Put the best weights into ``model`` and return the epoch they are from."""
    content = _read(folder / "best.pt")
    model.load_state_dict(content["model"])
    return int(content["epoch"])


def _write(content: dict[str, Any], path: Path) -> None:
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RecipeError(f"{path}: there is no checkpoint to resume from; run without --resume")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content
