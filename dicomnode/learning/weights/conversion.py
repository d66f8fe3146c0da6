"""From the authors' file of PyTorch tensors to ours of safetensors, name by name."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors.torch import save_file
from torch import nn

from dicomnode.errors import UsageError
from dicomnode.learning.weights.releases import RELEASES, Release
from dicomnode.networks.heat_maps import densenet_name

Weights: TypeAlias = dict[str, torch.Tensor]

_SHOWN = 5
_PATCHES = "dmv_patch_classifier"
_WITH_MAPS = "dicomnode.networks.HeatMappedDmvCnn"
# PyTorch before 0.4.1 stored no number of batches; batch norm with a fixed momentum does not use it.
_BATCHES = "num_batches_tracked"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import wrote.

    Attributes:
        file: The new file.
        release: What it was made from.
        component: Our network, as a bundle or a recipe names it.
        parameters: Its values, but for the statistics of batch norm.
        left_out: Their tensors that no answer comes from, and second copies.
    """

    file: Path
    release: Release
    component: Mapping[str, object]
    parameters: int
    left_out: tuple[str, ...]

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": str(self.file),
            "network": dict(self.component),
            "parameters": self.parameters,
            "left_out": list(self.left_out),
            "source": self.release.source,
            "license": self.release.license,
        }


def import_weights(file: Path, name: str, out: Path, patch_file: Path | None = None) -> Imported:
    """Write the authors' weights under the names of our network.

    Args:
        file: State dictionary as the authors published it; nothing but tensors is unpickled.
        name: Which release it is, a key of `RELEASES`.
        out: Safetensors file to write.
        patch_file: The patch classifier's, for a network that is to draw its heat maps itself.

    Raises:
        UsageError: If a file is no such dictionary: tensors missing, too many or of another shape; or ``out`` is
            there already or is no ``.safetensors``; or the network looks at no heat maps.
    """
    if out.suffix != ".safetensors":
        raise UsageError(f"--out {out}: weights are written as safetensors; let its name end in .safetensors")
    if out.exists():
        raise UsageError(f"--out {out}: is there already; name another file or remove it")
    release = RELEASES[name]
    if patch_file is not None and not release.component.get("heatmaps"):
        raise UsageError(f"--patch-classifier {patch_file}: {name} looks at no heat maps; leave it out")
    component, (weights, left_out, parameters) = release.component, _translated(file, name)
    if patch_file is not None:
        maps, unread, more = _translated(patch_file, _PATCHES)
        weights = _under("network", weights) | _under("classifier", maps)
        component = {"_target_": _WITH_MAPS, "classifier": RELEASES[_PATCHES].component, "network": component}
        left_out, parameters = left_out + unread, parameters + more
    save_file(weights, out, metadata={"format": "pt", "source": release.source, "license": release.license})
    return Imported(out, release, component, parameters, left_out)


def _under(part: str, weights: Weights) -> Weights:
    return {f"{part}.{name}": value for name, value in weights.items()}


def _translated(file: Path, name: str) -> tuple[Weights, tuple[str, ...], int]:
    """Weights under our names, names of what is left out, and our parameters."""
    release = RELEASES[name]
    with torch.device("meta"):  # names and shapes alone
        network = release.build()
    weights, left_out = _converted(_read(file, release.nested), release, network, f"{file} as {name}")
    return weights, left_out, sum(parameter.numel() for parameter in network.parameters())


def _read(file: Path, nested: str) -> Weights:
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UsageError(
            f"{file}: holds no readable PyTorch tensors; give the file as its authors publish it"
        ) from error
    if nested and isinstance(content, Mapping):
        content = content.get(nested, content)
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise UsageError(f"{file}: is no dictionary of tensors by name; give the file as its authors publish it")
    return {densenet_name(name): value for name, value in content.items()}


def _converted(theirs: Weights, release: Release, network: nn.Module, what: str) -> tuple[Weights, tuple[str, ...]]:
    left_out = [*_copies(theirs, release, what), *_unread(theirs, release)]
    remaining = {name: value for name, value in theirs.items() if name not in left_out}
    weights, missing = {}, []
    for name, own in network.state_dict().items():
        their_name = release.translate(name)
        given = remaining.pop(their_name, None)
        if given is None and name.endswith(_BATCHES):
            given = torch.tensor(0)
        if given is None:
            missing.append(their_name)
            continue
        if release.rows is not None and ".fc_layer." in their_name:
            given = given[: release.rows]
        weights[name] = _fitted(given, own, f"{what}: {their_name}")
    if missing:
        raise UsageError(f"{what}: lacks {_listed(missing)}; it belongs to another network, see --as")
    if remaining:
        raise UsageError(f"{what}: has {_listed(list(remaining))} besides; it belongs to another network, see --as")
    return weights, tuple(left_out)


def _copies(theirs: Weights, release: Release, what: str) -> list[str]:
    """Names of tensors that are stored under another name too; a copy that differs is refused."""
    found = []
    for prefix, kept in release.aliases.items():
        for name in (name for name in theirs if name.startswith(prefix)):
            original = theirs.get(kept + name.removeprefix(prefix))
            if original is None or not torch.equal(original, theirs[name]):
                raise UsageError(
                    f"{what}: {name} is no copy of {kept}*, which both sides share; it is not as published"
                )
            found.append(name)
    return found


def _unread(theirs: Weights, release: Release) -> list[str]:
    return [name for name, shape in release.unread.items() if name in theirs and tuple(theirs[name].shape) == shape]


def _fitted(given: torch.Tensor, own: torch.Tensor, what: str) -> torch.Tensor:
    """Their tensor in our type; its shape must be ours."""
    if given.shape != own.shape:
        raise UsageError(
            f"{what} has shape {tuple(given.shape)}, not {tuple(own.shape)}; it belongs to another network"
        )
    return given.to(own.dtype).contiguous().clone()


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
