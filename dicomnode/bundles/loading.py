"""Read a bundle from its folder and check it, without running anything of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dicomnode.bundles.bundle import BrokenBundle, Bundle
from dicomnode.bundles.configuration import (
    REQUIRED_KEYS,
    REQUIRED_KEYS_OF_EXAMS,
    Value,
    check_targets,
    code_places,
    read_configuration,
    targets,
    walk,
)
from dicomnode.bundles.digest import bundle_digest, node_file
from dicomnode.bundles.metadata import NodeMetadata, Task, negative_classes
from dicomnode.bundles.template import FILL
from dicomnode.errors import BundleError

_KEY = "dicomnode"


def load_bundle(path: Path) -> Bundle:
    """Read and check the bundle in a folder; nothing of it is imported, evaluated or unpickled.

    Args:
        path: Folder that holds ``configs/metadata.json``.

    Raises:
        BundleError: A file is missing, a key is missing or wrong, a class lies outside the allowed packages,
            or a bundle made for this node holds ``$`` expressions. Names the key and what to do.
    """
    path = path.absolute()
    try:
        return _load(path)
    except BundleError as error:
        raise BundleError(f"bundle {path.name}: {error}") from error


def is_described(path: Path) -> bool:
    """Whether the node metadata of a bundle stands anywhere: in it, or beside it."""
    return node_file(path).is_file() or _KEY in read_configuration(_present(path, "configs/metadata.json"))


def list_bundles(folder: Path) -> list[Bundle | BrokenBundle]:
    """Every bundle in a folder, in the order of their names; those that cannot be used say why."""
    found: list[Bundle | BrokenBundle] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(".") or not (path / "configs").is_dir():
            continue
        try:
            found.append(load_bundle(path))
        except BundleError as error:
            found.append(BrokenBundle(path.absolute(), path.name, str(error)))
    return found


def _load(path: Path) -> Bundle:
    if not path.is_dir():
        raise BundleError(f"{path} is not a folder; name the folder that holds configs/metadata.json")
    metadata = read_configuration(_present(path, "configs/metadata.json"))
    config = _present(path, "configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
    content = read_configuration(config)
    node, from_elsewhere = _node_metadata(path, metadata)
    channels = _channels(metadata)
    _check_unit(node, channels)
    _check_exam(node, channels)
    _check_keys(content, config.name, node.task)
    runs_code = _check_code(content, config.name, from_elsewhere)
    return Bundle(
        path=path,
        name=path.name,
        version=_text(metadata, "version"),
        description=_text(metadata, "description"),
        node=node,
        digest=bundle_digest(path),
        config=config,
        weights=_weights(path, from_elsewhere),
        runs_code=runs_code,
        channels=channels,
        targets=tuple(sorted(set(targets(content).values()))),
    )


def _present(path: Path, *names: str) -> Path:
    for name in names:
        if (path / name).is_file():
            return path / name
    raise BundleError(f"{names[0]} is missing; a MONAI bundle has it")


def _weights(path: Path, from_elsewhere: bool) -> Path:
    names = ("models/model.safetensors", "models/model.pt") if from_elsewhere else ("models/model.safetensors",)
    return _present(path, *names)


def _text(metadata: dict[str, Value], key: str) -> str:
    value = metadata.get(key)
    if not isinstance(value, str) or not value:
        raise BundleError(f"metadata.json: key {key!r} must be a text that is not empty")
    return value


def _channels(metadata: dict[str, Value]) -> int:
    """``network_data_format.inputs.image.num_channels`` of MONAI's metadata, 1 where it says nothing."""
    value: Value = metadata
    for key in ("network_data_format", "inputs", "image", "num_channels"):
        value = value.get(key, 1) if isinstance(value, dict) else value
    if value not in (1, 3):
        raise BundleError(f"metadata.json: network_data_format.inputs.image.num_channels must be 1 or 3, not {value!r}")
    return int(value)


def _node_metadata(path: Path, metadata: dict[str, Value]) -> tuple[NodeMetadata, bool]:
    if _KEY in metadata:
        return _parse(metadata[_KEY], f"metadata.json: {_KEY}"), False
    beside = node_file(path)
    if not beside.is_file():
        raise BundleError(
            f"metadata.json has no key {_KEY!r}, and there is no {beside.name} beside the bundle; add one"
        )
    try:
        content = tomllib.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{beside.name} is not valid TOML: {error}") from error
    return _parse(content, beside.name), True


def _parse(content: Value, where: str) -> NodeMetadata:
    try:
        node = TypeAdapter(NodeMetadata).validate_python(content)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']}" for item in error.errors())
        raise BundleError(f"{where}: {'; '.join(problems)}") from error
    _check_classes(node, where)
    left = [place or where for place, value in walk(content) if isinstance(value, str) and FILL in value]
    if left:
        raise BundleError(f"{where}: {left[0]} still says {FILL!r}; put the value there")
    return node


def _check_classes(node: NodeMetadata, where: str) -> None:
    names = [item.name for item in node.classes]
    if len(set(names)) != len(names):
        raise BundleError(f"{where}: classes: two have the same name; give each its own")
    negatives = len(negative_classes(node))
    if node.task is Task.CLASSIFICATION and not 0 < negatives < len(names):
        raise BundleError(
            f"{where}: classes: a classifier needs one or more with is_finding = true and one or more with false"
        )
    if node.task is Task.DETECTION and negatives:
        raise BundleError(f"{where}: classes: a detector's classes are all findings; leave the background out")


def _check_unit(node: NodeMetadata, channels: int) -> None:
    unit = node.aggregation.unit
    if unit != "slice" and node.task is Task.DETECTION:
        raise BundleError(f"aggregation.unit: a detector looks at slices, not at {unit}s")
    if (unit == "breast") != (node.task is Task.EXAM):
        raise BundleError("aggregation.unit: must be breast exactly if task is exam")
    if (unit == "tile") != (node.tiling is not None):
        raise BundleError("tiling: must be given exactly if aggregation.unit is tile")
    if node.accepts.priors is not None and (unit != "slice" or node.task is not Task.CLASSIFICATION):
        raise BundleError("accepts.priors: only a classifier of whole images (aggregation.unit slice) looks at priors")
    if unit == "tile" and channels != 3:
        raise BundleError(
            "network_data_format.inputs.image.num_channels: a model of tiles takes 3, as tissue is told by its colour"
        )


def _check_exam(node: NodeMetadata, channels: int) -> None:
    if (node.task is Task.EXAM) != (node.exam is not None):
        raise BundleError("exam: must be given exactly if task is exam")
    if node.exam is None:
        return
    names = [item.name for item in node.classes]
    if node.exam.study_class not in names:
        raise BundleError(f"exam.study_class: {node.exam.study_class!r} is none of the classes {', '.join(names)}")
    if channels != 1:
        raise BundleError("network_data_format.inputs.image.num_channels: mammograms are grey, so it must be 1")


def _check_keys(content: dict[str, Value], name: str, task: Task) -> None:
    for key in REQUIRED_KEYS_OF_EXAMS if task is Task.EXAM else REQUIRED_KEYS:
        if key not in content:
            raise BundleError(f"{name}: key {key!r} is missing")
    preprocessing = content.get("preprocessing")
    given = preprocessing.get("transforms", True) if isinstance(preprocessing, dict) else preprocessing
    if task is Task.EXAM and given:
        raise BundleError(f"{name}: preprocessing: mammograms are prepared as exam says; leave it out")


def _check_code(content: dict[str, Value], name: str, from_elsewhere: bool) -> bool:
    places = code_places(content)
    if places and not from_elsewhere:
        raise BundleError(f"{name}: {places[0]} holds code ($, % or _mode_); use only _target_ and @ references")
    if not places:
        check_targets(content)
    return bool(places)
