"""The images that carry an answer, with everything that is drawn on them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from dicomnode.findings import Code, HeatMap, Result
from dicomnode.inference.class_maps import MOST_CLASS_MAPS
from dicomnode.inference.loaded import LoadedModel
from dicomnode.inference.network import Detection
from dicomnode.inference.on_request.drawing import map_shape, map_uri, mask_uri, picture_uri
from dicomnode.inference.on_request.question import Question
from dicomnode.inference.overlay import carrying_images
from dicomnode.inference.predict_files import Predicted
from dicomnode.inference.predictor import Predictor
from dicomnode.inference.result_json import Value
from dicomnode.inference.slice_group import PixelsByImage
from dicomnode.study import SourceReference

Values = dict[str, Value]


def shown_images(predicted: Predicted, model: LoadedModel, question: Question) -> Iterator[Values]:
    """The images that are worth looking at, the most important first; of a result without answer the first one."""
    result, groups = predicted.analysis.result, predicted.analysis.groups
    images = PixelsByImage(groups)
    spacings = {image: group.pixel_spacing for group in groups for image in group.images}
    chosen = carrying_images(result, result.answer) if result.answer is not None else tuple(islice(images, 1))
    drawing = _Drawing(predicted, model, question)
    for number, image in enumerate(image for image in chosen if image in images):
        pixels, spacing = images[image], spacings[image]
        yield {
            **_reference(image, predicted),
            "position": list(images).index(image) + 1,
            "rows": pixels.shape[1],
            "columns": pixels.shape[2],
            "pixel_spacing": None if spacing is None else list(spacing),
            "picture": picture_uri(pixels) if question.pictures else None,
            **drawing.marks(image),
            "map": drawing.map(image, pixels, number),
        }
    yield from (_heat_map_alone(item, predicted) for item in result.heat_maps if item.image not in images)


def _heat_map_alone(heat_map: HeatMap, predicted: Predicted) -> Values:
    """The heat map of an image that was read in pieces and is not held as a whole."""
    values = _heat_map(heat_map, "tile_scores")
    columns, rows = (round(origin + step * count) for origin, step, count in _axes(heat_map))
    return {
        **_reference(heat_map.image, predicted),
        "position": 1,
        "rows": rows,
        "columns": columns,
        "pixel_spacing": None,
        "picture": None,
        **{name: [] for name in ("boxes", "outlines", "masks", "attention")},
        "map": values,
    }


class _Drawing:
    """What is drawn on the images of one result."""

    def __init__(self, predicted: Predicted, model: LoadedModel, question: Question) -> None:
        self._result: Result = predicted.analysis.result
        self._boxes = dict(zip(self._result.images, predicted.analysis.boxes, strict=False))
        self._model = model
        self._node = model.bundle.node
        self._question = question

    def marks(self, image: SourceReference) -> Values:
        """Boxes, outlines, masks, and the pieces that the network looked at closely."""
        outlines: list[Value] = [
            {"label": finding.label, "is_box": contour.is_box, "points": _points(contour.points)}
            for finding in self._result.findings
            for contour in finding.contours
            if contour.image == image
        ]
        masks: list[Value] = [
            {"label": finding.label, "png": mask_uri(finding.mask.pixels[finding.mask.images.index(image)])}
            for finding in self._result.findings
            if self._question.masks and finding.mask is not None and image in finding.mask.images
        ]
        attention: list[Value] = [
            {"weight": item.weight, "points": _points(item.box.points)}
            for item in self._result.attention
            if item.box.image == image
        ]
        boxes: list[Value] = [self._box(item) for item in self._boxes.get(image, ())]
        return {"boxes": boxes, "outlines": outlines, "masks": masks, "attention": attention}

    def map(self, image: SourceReference, pixels: npt.NDArray[np.float32], number: int) -> Value:
        """Where the answer comes from: the model's own map of the image, or Grad-CAM of the first few."""
        own = next((item for item in self._result.heat_maps if item.image == image), None)
        if own is not None:
            return _heat_map(own, "saliency" if self._node.exam is not None else "tile_scores")
        if number < MOST_CLASS_MAPS and self._question.grad_cam and self._result.answer is not None:
            return self._grad_cam(pixels)
        return None

    def _grad_cam(self, pixels: npt.NDArray[np.float32]) -> Value:
        concept = self._concept()
        if concept is None or not isinstance(self._model, Predictor) or self._node.tiling is not None:
            return None
        rows, columns = pixels.shape[1:]
        found = self._model.class_map(pixels, concept, map_shape(rows, columns))
        if found is None:
            return None
        highest = float(found.max())
        return {
            "kind": "grad_cam",
            "of": {"value": concept.value, "scheme": concept.scheme, "meaning": concept.meaning},
            "png": map_uri(found, highest),
            "box": [0.0, 0.0, float(columns), float(rows)],
            "highest": highest,
        }

    def _concept(self) -> Code | None:
        """The class that was asked for, or the one with the highest score."""
        if self._question.of_class is not None:
            return next((item.code for item in self._node.classes if item.name == self._question.of_class), None)
        classes = self._result.answer.classes if self._result.answer is not None else ()
        return classes[0].concept if classes else None

    def _box(self, item: Detection) -> Values:
        named = self._node.classes[item.label - 1]
        return {
            "box": [round(float(value), 2) for value in item.box],
            "name": named.name,
            "concept": {"value": named.code.value, "scheme": named.code.scheme, "meaning": named.code.meaning},
            "score": item.score,
            "reaches_threshold": item.score >= self._node.operating_point.threshold,
        }


def _reference(image: SourceReference, predicted: Predicted) -> Values:
    """Which image it is; of a picture the UIDs that stand for it in findings."""
    return {
        "series_instance_uid": image.series_instance_uid,
        "sop_instance_uid": image.sop_instance_uid,
        "frame_number": image.frame_number,
        "is_dicom": bool(predicted.instances),
    }


def _heat_map(heat_map: HeatMap, kind: str) -> Values:
    known = heat_map.scores[np.isfinite(heat_map.scores)]
    (left, _, _), (top, _, _) = _axes(heat_map)
    right, bottom = (origin + step * count for origin, step, count in _axes(heat_map))
    return {
        "kind": kind,
        "of": None,
        "png": map_uri(heat_map.scores, 1.0),
        "box": [left, top, right, bottom],
        "highest": float(known.max()) if len(known) else 0.0,
    }


def _axes(heat_map: HeatMap) -> tuple[tuple[float, float, int], tuple[float, float, int]]:
    """Origin, step and number of elements, along and down."""
    rows, columns = heat_map.scores.shape
    return (heat_map.origin[0], heat_map.step[0], columns), (heat_map.origin[1], heat_map.step[1], rows)


def _points(points: npt.NDArray[np.float64]) -> list[Value]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in points]
