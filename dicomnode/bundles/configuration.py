"""The configuration of a bundle, read as data: which classes it names, and whether it holds code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import yaml

from dicomnode.errors import BundleError

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"

# Where classes that only compute live. torch as a whole is not here: torch.hub.load fetches code, torch.load unpickles.
ALLOWED_TARGETS = (
    "monai.transforms.",
    "monai.networks.",
    "monai.inferers.",
    "monai.apps.detection.",
    "torch.nn.",
    "torchvision.models.",
    "torchvision.ops.",
    "torchvision.transforms.",
    "dicomnode.networks.",
)
REQUIRED_KEYS = ("network_def", "preprocessing")
# Mammograms are prepared by the node itself, from what `exam` of the metadata says.
REQUIRED_KEYS_OF_EXAMS = ("network_def",)


def read_configuration(path: Path) -> dict[str, Value]:
    """The mapping in a JSON or YAML file.

    Raises:
        BundleError: No such file, no valid JSON or YAML, or no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path} must hold a mapping of keys to values, not {type(content).__name__}")
    return content


def walk(value: Value, where: str = "") -> Iterator[tuple[str, Value]]:
    """Every value below ``value``, itself included, each with its place such as ``preprocessing.transforms.0``."""
    yield where, value
    items: list[tuple[str, Value]] = []
    if isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(str(index), item) for index, item in enumerate(value)]
    for key, item in items:
        yield from walk(item, f"{where}.{key}" if where else key)


def code_places(content: dict[str, Value]) -> tuple[str, ...]:
    """Places whose value MONAI would run or fetch.

    These are ``$`` expressions, ``%`` macros (they read other files) and a ``_mode_`` (it can start a debugger).
    """
    return tuple(where for where, value in walk(content) if _is_code(where, value))


def _is_code(where: str, value: Value) -> bool:
    if where.rpartition(".")[2] == "_mode_":
        return True
    return isinstance(value, str) and (value.startswith("$") or "%" in value)


def targets(content: dict[str, Value]) -> dict[str, str]:
    """Place and value of every ``_target_``.

    Raises:
        BundleError: A ``_target_`` is not a text.
    """
    found = {}
    for where, value in walk(content):
        if where.rpartition(".")[2] != "_target_":
            continue
        if not isinstance(value, str):
            raise BundleError(f"{where} must be the full name of a class, not {value!r}")
        found[where] = value
    return found


def check_targets(content: dict[str, Value]) -> None:
    """Raise `BundleError` for a ``_target_`` outside `ALLOWED_TARGETS`."""
    for where, target in targets(content).items():
        if not target.startswith(ALLOWED_TARGETS):
            allowed = ", ".join(f"{prefix}*" for prefix in ALLOWED_TARGETS)
            raise BundleError(f"{where} names {target!r}; use a class from {allowed}")
