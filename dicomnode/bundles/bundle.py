"""A MONAI bundle as a value: where it lies, what it says of itself, and its digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicomnode.bundles.metadata import NodeMetadata, Task
from dicomnode.findings import ModelIdentity


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and found complete; none of its code has run.

    Attributes:
        path: Its folder, absolute.
        name: Name of the folder.
        version: Of the bundle, from its metadata.
        description: One line, from its metadata.
        node: What the node needs to know.
        digest: Hex SHA-256 over its files (`bundle_digest`).
        config: ``configs/inference.json`` or ``.yaml``.
        weights: ``models/model.safetensors``, or ``models/model.pt`` of a bundle from elsewhere.
        runs_code: True if its configuration holds ``$`` expressions, which MONAI evaluates as Python.
        channels: Of the image that preprocessing takes: 1 grey, 3 red, green, blue.
        targets: Every ``_target_`` that building it would import, sorted.
    """

    path: Path
    name: str
    version: str
    description: str
    node: NodeMetadata
    digest: str
    config: Path
    weights: Path
    runs_code: bool
    channels: int
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BrokenBundle:
    """A folder that looks like a bundle and cannot be used.

    Attributes:
        path: Its folder.
        name: Name of the folder.
        problem: Why it cannot be used, and what to do.
    """

    path: Path
    name: str
    problem: str


def model_identity(bundle: Bundle) -> ModelIdentity:
    """Who answers when this bundle answers; the operating point goes into the parameters (TID 4019)."""
    algorithm = bundle.node.algorithm
    return ModelIdentity(
        name=bundle.name,
        version=algorithm.version,
        manufacturer=algorithm.manufacturer,
        digest=bundle.digest,
        parameters=_parameters(bundle.node),
        not_for=bundle.node.not_for,
    )


def _parameters(node: NodeMetadata) -> str:
    point = node.operating_point
    chosen = f" chosen for {point.target}" if point.target else ""
    chosen += f" on {point.chosen_on}" if point.chosen_on else ""
    parts = [f"threshold {point.threshold:g} per {point.level}{chosen}"]
    if node.task is Task.CLASSIFICATION:
        unit, k = node.aggregation.unit, node.aggregation.k
        parts.append("maximum" if node.aggregation.method == "maximum" else f"mean of top {k} {unit}s")
    if node.exam is not None:
        parts.append("views one by one, averaged" if node.exam.unit == "image" else "four views together")
    if node.tiling is not None:
        parts.append(f"tiles of {node.tiling.size} pixels at {node.tiling.spacing:g} mm")
    if node.calibration is not None:
        parts.append(f"temperature {node.calibration.temperature:g}")
    return "; ".join(parts)
