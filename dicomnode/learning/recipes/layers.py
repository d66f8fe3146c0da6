"""What a recipe's keys are once its parent recipe, its variants and the command line have had their say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from dicomnode.errors import RecipeError

_DEEPEST = 4


def read_layers(path: Path, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The keys of a recipe file after everything that changes them, in this order.

    1. ``extends: OTHER.yaml``: the keys of another recipe in the same folder, for those that this one lacks.
    2. ``variant``: the changes that ``variants`` holds under each name; ``smoke=true`` adds the variant ``smoke``.
    3. ``overrides``: ``key=value``, for example ``training.epochs=2``.

    Raises:
        RecipeError: If a file cannot be read, or a variant or an override is wrong.
    """
    content = _read(path, _DEEPEST)
    pairs = [_split(override) for override in overrides]
    for key, value in pairs:
        if key == "variant":
            content["variant"] = value
        elif key == "smoke" and value is not True:
            raise RecipeError(f"--set smoke={value}: write smoke=true, or leave it out")
    chosen = _names(path, content.get("variant", []))
    if ("smoke", True) in pairs:
        chosen.append("smoke")
    content["variant"] = chosen
    for name in chosen:
        _apply(content, _variant(path, content, name), f"variant {name}")
    _apply(content, [pair for pair in pairs if pair[0] not in ("variant", "smoke")], "--set")
    return content


def _read(path: Path, depth: int) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"recipe {path}: cannot be read ({error.strerror}); name an existing YAML file") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"recipe {path}: is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"recipe {path}: holds no keys; see training/ for examples")
    parent = content.pop("extends", None)
    if parent is None:
        return content
    if not isinstance(parent, str) or Path(parent).name != parent or depth == 0:
        raise RecipeError(f"recipe {path}: extends: name one recipe of the same folder, at most {_DEEPEST} deep")
    inherited = _read(path.parent / parent, depth - 1)
    inherited.pop("published", None)  # a published result belongs to one recipe
    return _merged(inherited, content)


def _merged(parent: Mapping[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """Sections are merged; a component (with ``_target_``), a variant, a list or a value replaces the parent's."""
    merged = dict(parent)
    for key, value in child.items():
        old = merged.get(key)
        if not isinstance(old, dict) or not isinstance(value, dict) or "_target_" in value:
            merged[key] = value
        elif key == "variants":
            merged[key] = old | value
        else:
            merged[key] = _merged(old, value)
    return merged


def _names(path: Path, value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RecipeError(f"recipe {path}: variant: give a name or a list of names")
    return list(names)


def _variant(path: Path, content: Mapping[str, Any], name: str) -> Iterable[tuple[str, Any]]:
    variants = content.get("variants", {})
    if not isinstance(variants, dict) or not isinstance(variants.get(name), dict):
        known = ", ".join(variants) if isinstance(variants, dict) and variants else "none"
        raise RecipeError(f"recipe {path}: has no variant {name!r}; it has: {known}")
    return [(str(key), value) for key, value in variants[name].items()]


def _split(override: str) -> tuple[str, Any]:
    key, separator, value = override.partition("=")
    if not separator or not key.rpartition(".")[2]:
        raise RecipeError(f"--set {override}: write it as key=value, for example training.epochs=2")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override}: the value is not YAML: {error}") from error


def _apply(content: dict[str, Any], changes: Iterable[tuple[str, Any]], origin: str) -> None:
    for key, value in changes:
        *parents, last = key.split(".")
        section: Any = content
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise RecipeError(f"{origin} {key}: {parent} is not a section of the recipe")
        section[last] = value
