"""A bundle's network, loaded and on its device, as its task needs it."""

from __future__ import annotations

from typing import TypeAlias

import torch

from dicomnode.bundles import Bundle, Task, Way
from dicomnode.inference.early.outputs import OutputMemory
from dicomnode.inference.mammography.predictor import ExamPredictor
from dicomnode.inference.pool.lane import Runner
from dicomnode.inference.predictor import Predictor

LoadedModel: TypeAlias = Predictor | ExamPredictor


def load_model(
    bundle: Bundle,
    device: torch.device,
    batch_size: int = 8,
    deterministic: bool = False,
    *,
    way: Way = Way.EAGER,
    allow_code: bool = False,
    memory: OutputMemory | None = None,
    runner: Runner | None = None,
) -> LoadedModel:
    """Build the network of an approved bundle.

    Args:
        bundle: An approved bundle.
        device: Where the network stays.
        batch_size: Images in one forward pass; a model of mammography exams takes one at a time, or one exam.
        deterministic: True makes scores repeat bit for bit.
        way: How the network computes; plain float32 if deterministic.
        allow_code: True lets ``$`` expressions of an approved bundle from elsewhere run.
        memory: What networks said of single images; a model of exams does not use it.
        runner: Who brings images through the network; None runs them in the thread that asks.

    Raises:
        BundleError: It cannot be built.
    """
    if bundle.node.task is Task.EXAM:
        return ExamPredictor(bundle, device, deterministic, way=way, allow_code=allow_code, runner=runner)
    return Predictor(
        bundle, device, batch_size, deterministic, way=way, allow_code=allow_code, memory=memory, runner=runner
    )
