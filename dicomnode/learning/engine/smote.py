"""The last layer trained anew on embeddings of which every class has as many (Chawla et al., "SMOTE", JAIR 2002)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from imblearn.over_sampling import SMOTE
from torch import nn
from torch.nn import functional

from dicomnode.errors import RecipeError
from dicomnode.learning.data.store import ImageStore, shuffled
from dicomnode.learning.engine.checkpoints import load_best, replace_best
from dicomnode.learning.engine.classification import Classification, labels_of, validation_figures
from dicomnode.learning.engine.loops import evaluate
from dicomnode.learning.engine.optimisation import make_optimizer
from dicomnode.learning.engine.precision import fast_type
from dicomnode.learning.recipes.hyperparameters import TrainingSection

_NEIGHBOURS = 5
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What the last linear layer is given for some images.

    Attributes:
        values: (N, D) float32 on the CPU.
        labels: (N,) class indices.
    """

    values: torch.Tensor
    labels: torch.Tensor


def refit_head(task: Classification, network: nn.Module, out: Path) -> str:
    """Train the last linear layer of the network of ``best.pt`` anew on balanced embeddings.

    The body stays as the pictures trained it. The layer begins with new weights, so that doing this twice gives the
    same; of its epochs the best on the validation pictures is kept, in ``best.pt``. ``smote.json`` tells what was done.

    Args:
        task: With its images.
        network: The recipe's, on the device to compute on.
        out: The run's output folder.

    Returns:
        A line about it.
    """
    recipe, section = task.recipe, task.recipe.training
    load_best(network, out)
    last = last_linear(network)
    generator = torch.Generator().manual_seed(recipe.seed)
    chosen = drawn(labels_of(task.train), section.smote_pictures, generator)
    found = embed(network, last, task.train, chosen)
    made = oversample(found, recipe.seed)
    valid = embed(network, last, task.valid, torch.arange(len(task.valid.samples)))
    before = validation_figures(_logits(last, valid), valid.labels)
    torch.manual_seed(recipe.seed)
    last.reset_parameters()
    epochs = _fit(last, made, valid, section, generator)
    replace_best(network, out)
    best = max(epochs, key=lambda entry: entry[section.monitor])
    counts = {"embeddings": _counts(found), "with_made_up": _counts(made)}
    report = {**counts, "validation_before": before, "epochs": epochs, "kept": best["epoch"]}
    (out / "smote.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return (
        f"last layer trained on {len(made.labels)} embeddings, {len(made.labels) - len(found.labels)} made up: "
        f"{section.monitor} {before[section.monitor]:.4f} before, {best[section.monitor]:.4f} now"
    )


def last_linear(network: nn.Module) -> nn.Linear:
    """The layer that gives the logits.

    Raises:
        RecipeError: If the network has none.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise RecipeError("training.class_balance smote: the network has no linear layer to train on embeddings")
    return layers[-1]


def drawn(labels: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Sorted indices of at most about ``most`` pictures, the same share of every class and two of each at least."""
    order = torch.randperm(len(labels), generator=generator)
    share = min(1.0, most / len(labels))
    kept = []
    for label in range(int(labels.max()) + 1):
        members = order[labels[order] == label]
        kept.append(members[: max(2, round(share * len(members)))])
    return torch.cat(kept).sort().values


def embed(network: nn.Module, last: nn.Linear, store: ImageStore, chosen: torch.Tensor) -> Embeddings:
    """What ``last`` is given for the chosen images as they are, without augmentation or dropout."""
    seen: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        seen.append(inputs[0].float().cpu())

    def batches() -> Iterator[torch.Tensor]:
        for start in range(0, len(chosen), _BATCH):
            yield store.images[chosen[start : start + _BATCH]].float()

    hook = last.register_forward_pre_hook(keep)
    try:
        for _ in evaluate(network, batches(), dtype=fast_type(last.weight.device)):
            pass
    finally:
        hook.remove()
    return Embeddings(torch.cat(seen), labels_of(store)[chosen])


def oversample(found: Embeddings, seed: int) -> Embeddings:
    """With embeddings between neighbours of the same class, until every class has as many.

    Raises:
        RecipeError: If a class has fewer than two.
    """
    fewest = min(_counts(found))
    if fewest < 2:
        raise RecipeError("training.class_balance smote: a class has a single training picture; two are needed")
    smote: Any = SMOTE(random_state=seed, k_neighbors=min(_NEIGHBOURS, fewest - 1))
    values, labels = smote.fit_resample(found.values.numpy(), found.labels.numpy())
    return Embeddings(torch.from_numpy(values), torch.from_numpy(labels))


def _counts(embeddings: Embeddings) -> list[int]:
    """How many of each class that has any."""
    counts: list[int] = embeddings.labels.bincount().tolist()
    return [count for count in counts if count]


def _fit(
    last: nn.Linear, made: Embeddings, valid: Embeddings, section: TrainingSection, generator: torch.Generator
) -> list[dict[str, float]]:
    """Train the layer in float32, leave its best weights in it, and return the figures of each epoch."""
    last.requires_grad_(True)
    optimizer, device = make_optimizer(last, section), last.weight.device
    history: list[dict[str, float]] = []
    weights: list[dict[str, torch.Tensor]] = []
    for epoch in range(1, section.smote_epochs + 1):
        losses = []
        for chosen in shuffled(len(made.labels), min(section.batch_size, len(made.labels)), generator):
            logits = last(made.values[chosen].to(device))
            labels = made.labels[chosen].to(device)
            loss = functional.cross_entropy(logits, labels, label_smoothing=section.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
        figures = validation_figures(_logits(last, valid), valid.labels)
        history.append({"epoch": float(epoch), "loss": sum(losses) / len(losses), **figures})
        weights.append(deepcopy(last.state_dict()))
    best = max(range(len(history)), key=lambda index: history[index][section.monitor])
    last.load_state_dict(weights[best])
    return history


@torch.no_grad()
def _logits(last: nn.Linear, embeddings: Embeddings) -> torch.Tensor:
    logits: torch.Tensor = last(embeddings.values.to(last.weight.device))
    return logits.cpu()
