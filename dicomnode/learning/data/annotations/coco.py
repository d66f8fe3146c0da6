"""COCO's object detection format: one JSON file for all pictures (https://cocodataset.org/#format-data)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dicomnode.errors import InputError
from dicomnode.learning.data.annotations.annotated import AnnotatedImage, AnnotationSet, Region
from dicomnode.learning.data.samples import Box
from dicomnode.learning.data.shapes import MaskFile, Outline, Ring, RunLengths, Shape, encode_runs, shape_mask


def read_coco(table: Path) -> AnnotationSet:
    """Pictures, boxes and shapes: polygons, or run lengths in either of COCO's writings.

    Raises:
        InputError: The file is not in COCO's form.
        OSError: It cannot be read.
    """
    try:
        return _annotations(json.loads(table.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InputError(f"{table}: is not JSON, or a box is not four numbers ({error})") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{table}: is not in COCO's form: {error} is missing or out of place") from error


def write_coco(annotations: AnnotationSet, table: Path) -> None:
    """Write the JSON file; the places of pictures in it are those of ``annotations``.

    Raises:
        InputError: A picture has a mask and no size, or a region has a class that the set does not name.
    """
    numbers = {name: number for number, name in enumerate(annotations.classes, 1)}
    content: dict[str, list[dict[str, Any]]] = {
        "images": [_image(number, image) for number, image in enumerate(annotations.images, 1)],
        "annotations": [],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    for image_id, image in enumerate(annotations.images, 1):
        for region in image.regions:
            if region.label not in numbers:
                raise InputError(f"{image.path}: class {region.label!r} is not among the set's classes")
            entry = {"id": len(content["annotations"]) + 1, "image_id": image_id, "iscrowd": 0}
            entry |= {"category_id": numbers[region.label]} | _region(region, image)
            content["annotations"].append(entry)
    table.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _annotations(content: dict[str, Any]) -> AnnotationSet:
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    found: dict[int, list[Region]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        shape = _shape(annotation.get("segmentation"))
        region = Region(names[annotation["category_id"]], _xyxy(annotation["bbox"]), shape)
        found[annotation["image_id"]].append(region)
    images = (
        AnnotatedImage(image["file_name"], _size(image), tuple(found[image["id"]]), str(image.get("patient") or ""))
        for image in content["images"]
    )
    return AnnotationSet(tuple(names.values()), tuple(images))


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    return (int(image["width"]), int(image["height"])) if "width" in image and "height" in image else None


def _xyxy(box: list[float]) -> Box:
    x, y, width, height = box
    return (x, y, x + width, y + height)


def _shape(segmentation: Any) -> Shape | None:
    if not segmentation:
        return None
    if isinstance(segmentation, list):
        rings = tuple(_ring(values) for values in segmentation if len(values) >= 6)
        return Outline(rings) if rings else None
    height, width = segmentation["size"]
    counts = segmentation["counts"]
    return RunLengths(height, width, tuple(counts if isinstance(counts, list) else _unpacked(counts)))


def _unpacked(text: str) -> list[int]:
    """COCO's compressed run lengths.

    Each number is written from its lowest 5 bits up, a character (from ``0`` on) for each 5, of which bit 6 says that
    more follow and bit 5 of the last is the sign. From the fourth on, numbers are differences from the last but one.
    """
    counts: list[int] = []
    number = shift = 0
    for character in text:
        bits = ord(character) - ord("0")
        number |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = shift = 0
    return counts


def _ring(values: list[float]) -> Ring:
    return tuple(zip(map(float, values[::2]), map(float, values[1::2]), strict=True))


def _image(number: int, image: AnnotatedImage) -> dict[str, Any]:
    size = {} if image.size is None else {"width": image.size[0], "height": image.size[1]}
    patient = {"patient": image.patient} if image.patient else {}
    return {"id": number, "file_name": image.path, **size, **patient}


def _region(region: Region, image: AnnotatedImage) -> dict[str, Any]:
    left, top, right, bottom = region.box
    box = [left, top, right - left, bottom - top]
    return {"bbox": box, "area": box[2] * box[3], "segmentation": []} | dict(_segmentation(region.shape, image))


def _segmentation(shape: Shape | None, image: AnnotatedImage) -> Iterator[tuple[str, Any]]:
    if isinstance(shape, Outline):
        yield "segmentation", [[value for point in ring for value in point] for ring in shape.rings]
        yield "area", float(sum(map(_area, shape.rings)))
    elif isinstance(shape, RunLengths | MaskFile):
        runs = shape if isinstance(shape, RunLengths) else _runs(shape, image)
        yield "segmentation", {"size": [runs.height, runs.width], "counts": list(runs.counts)}
        yield "area", float(sum(runs.counts[1::2]))


def _runs(shape: MaskFile, image: AnnotatedImage) -> RunLengths:
    if image.size is None:
        raise InputError(f"{image.path}: its size is not known, so that its mask cannot be written; give it")
    return encode_runs(shape_mask(shape, image.size[1], image.size[0]))


def _area(ring: Ring) -> float:
    x, y = np.array(ring).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
