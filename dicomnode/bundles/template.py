"""A first draft of ``<name>.node.toml`` for a bundle from elsewhere, from what its own metadata says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from dicomnode.bundles.configuration import Value, read_configuration
from dicomnode.bundles.digest import node_file
from dicomnode.bundles.metadata import Task

FILL = "FILL IN"


def write_template(path: Path) -> Path:
    """Write the draft beside the bundle; what only a person can know says ``FILL IN``, which loading refuses.

    Args:
        path: Folder of the bundle.

    Returns:
        The file.

    Raises:
        BundleError: The bundle has no readable ``configs/metadata.json``.
    """
    metadata = read_configuration(path / "configs" / "metadata.json")
    target = node_file(path)
    target.write_text("\n".join(_lines(path.name, metadata)) + "\n", encoding="utf-8")
    return target


def _lines(name: str, metadata: dict[str, Value]) -> Iterator[str]:
    task = _task(metadata)
    version, maker = metadata.get("version"), metadata.get("authors")
    yield f"# What a node must know of the bundle {name}. Replace every {FILL}; delete conditions that do not hold."
    yield f"task = {_text(task.value)}  # classification, detection or exam (of mammograms)"
    yield f"study_concept = {_code()}  # what the study answer says is present or absent"
    yield f"finding_site = {_code()}  # anatomic site"
    yield 'not_for = ""  # what it must not be used for'
    yield "classes = [  # in the order of the network's outputs; a classifier has one or more with is_finding = false"
    for label in _classes(metadata):
        yield f"  {{ name = {_text(label)}, code = {_code()}, is_finding = true }},"
    yield "]"
    yield "\n[algorithm]"
    yield f"name = {_text(name)}"
    yield f"version = {_text(version if isinstance(version, str) and version else FILL)}"
    yield f"manufacturer = {_text(maker if isinstance(maker, str) and maker else FILL)}"
    yield 'family = { value = "123110", scheme = "DCM", meaning = "Artificial Intelligence" }'
    yield "\n[accepts]"
    yield f"modality = [{_text(_modality(metadata))}]"
    yield "body_part_examined = []  # upper case; empty accepts every body part"
    yield "minimum_images = 1"
    yield from _exam_lines() if task is Task.EXAM else _slice_lines()
    yield "\n[operating_point]"
    yield 'threshold = "FILL IN"  # 0..1'
    yield 'target = ""  # such as "sensitivity 0.99"'
    yield 'chosen_on = ""  # such as "validation"'


def _slice_lines() -> Iterator[str]:
    yield "\n[aggregation]"
    yield 'unit = "slice"  # or "cell"; or "tile", with [tiling]: spacing (mm), size (pixels), minimum_tissue (0..1)'
    yield 'method = "mean_of_top_k"  # or "maximum"'
    yield "k = 3"
    yield f"statement = {_text(FILL)}  # one sentence for the report: how slices answer for a series"


def _exam_lines() -> Iterator[str]:
    yield "\n[aggregation]"
    yield 'unit = "breast"'
    yield 'method = "maximum"  # the higher breast answers for the exam'
    yield f"statement = {_text(FILL)}  # one sentence for the report: how views answer for a breast and for the exam"
    yield "\n[exam]"
    yield 'unit = "image"  # or "exam": the network takes the four views together'
    yield "cc_size = [2944, 1920]  # rows and columns of a craniocaudal view as the network takes it"
    yield "mlo_size = [2944, 1920]  # likewise of a mediolateral oblique view"
    yield 'study_class = "malignant"  # the class whose score answers for the study'
    yield "# lesion_threshold = 0.5  # saliency at or above which a region is reported as a lesion; without it none is"


def _task(metadata: dict[str, Value]) -> Task:
    words = f"{metadata.get('task', '')} {metadata.get('description', '')}".lower()
    if "detect" in words:
        return Task.DETECTION
    return Task.EXAM if "mammogra" in words and "exam" in words else Task.CLASSIFICATION


def _code() -> str:
    return f'{{ value = {_text(FILL)}, scheme = "SCT", meaning = {_text(FILL)} }}'


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _below(metadata: dict[str, Value], *keys: str) -> Value:
    value: Value = metadata
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _modality(metadata: dict[str, Value]) -> str:
    value = _below(metadata, "network_data_format", "inputs", "image", "modality")
    known = {"MRI": "MR", "MR": "MR", "CT": "CT", "X-RAY": "DX", "PET": "PT", "MAMMOGRAPHY": "MG", "MG": "MG"}
    return known.get(str(value).upper(), FILL)


def _classes(metadata: dict[str, Value]) -> list[str]:
    outputs = _below(metadata, "network_data_format", "outputs", "pred", "channel_def")
    return [str(label) for label in outputs.values()] if isinstance(outputs, dict) and outputs else [FILL]
