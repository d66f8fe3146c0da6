"""What a run must remember to go on as if it had never stopped."""

from __future__ import annotations

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
        epoch: Epochs finished.
        best: Best monitored figure so far, None before the first validation.
        stale: Validations since the best.
        history: One entry per epoch.
    """

    model: nn.Module
    averaged: AveragedModel | None
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    epoch: int = 0
    best: float | None = None
    stale: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and packaged."""
        if self.averaged is None:
            return self.model
        module: nn.Module = self.averaged.module
        return module


def save_last(state: RunState, folder: Path, recipe: str) -> None:
    """Write ``last.pt`` so that a crash at any moment leaves the old or the new one whole."""
    content = {
        "recipe": recipe,
        "model": state.model.state_dict(),
        "averaged": None if state.averaged is None else state.averaged.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "schedule": {"last_epoch": state.schedule.last_epoch},
        "epoch": state.epoch,
        "best": state.best,
        "stale": state.stale,
        "history": state.history,
    }
    _write(content, folder / "last.pt")


def save_best(state: RunState, folder: Path) -> None:
    """Write ``best.pt``: the kept network's weights and the epoch they are from."""
    _write({"epoch": state.epoch, "best": state.best, "model": state.kept.state_dict()}, folder / "best.pt")


def load_last(state: RunState, folder: Path, recipe: str) -> None:
    """Continue ``state`` from ``last.pt``.

    Raises:
        RecipeError: If there is none, or it was made by another recipe.
    """
    content = _read(folder / "last.pt")
    if content["recipe"] != recipe:
        raise RecipeError(f"{folder / 'last.pt'}: was made by another recipe; start anew in an empty --out folder")
    state.model.load_state_dict(content["model"])
    if state.averaged is not None:
        state.averaged.load_state_dict(content["averaged"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.schedule.last_epoch = content["schedule"]["last_epoch"]
    state.epoch, state.best, state.stale = content["epoch"], content["best"], content["stale"]
    state.history = content["history"]


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
