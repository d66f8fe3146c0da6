"""Training a part of a network only."""

from __future__ import annotations

from torch import nn

from dicomnode.errors import RecipeError


def train_only(model: nn.Module, prefixes: tuple[str, ...]) -> None:
    """Train the parameters whose names begin with one of ``prefixes`` and leave the others; none given, train all.

    Raises:
        RecipeError: If no parameter has such a name.
    """
    names = [name for name, _ in model.named_parameters()]
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            raise RecipeError(f"training.train_only: no parameter begins with {prefix!r}; one is {names[-1]}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not prefixes or name.startswith(prefixes))


def to_training(model: nn.Module) -> None:
    """Training mode, but a batch norm that is not trained also keeps its statistics: frozen means frozen."""
    model.train()
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()
