"""The worst errors as pictures: beside each the places that spoke for the answer, or the boxes drawn on it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from dicomnode.learning.data.samples import Sample
from dicomnode.learning.data.store import ImageStore
from dicomnode.learning.metrics.classification_metrics import Predictions
from dicomnode.learning.metrics.detection_metrics import Boxes
from dicomnode.learning.report.errors import LesionError, worst_answers, worst_lesions
from dicomnode.learning.report.saliency import Saliency

_COUNT = 12
_SIDE, _SIDE_ALONE = 224, 352
"""Pixels of the longer side of a picture that stands beside its saliency, and of one that stands alone."""
_HEAT = 0.55
_TRUTH, _FOUND = (70, 200, 120), (255, 150, 60)


@dataclass(frozen=True, slots=True)
class ErrorPicture:
    """One wrong answer.

    Attributes:
        title: What was answered, and how surely.
        truth: What is there.
        note: What else to know.
        name: The picture's name in the data folder.
        address: Data URI of a JPEG.
    """

    title: str
    truth: str
    note: str
    name: str
    address: str


def answer_pictures(
    network: nn.Module, store: ImageStore, predictions: Predictions, names: Sequence[str]
) -> tuple[ErrorPicture, ...]:
    """The surest wrong answers, each beside the places that spoke for it."""
    worst = worst_answers(predictions, _COUNT)
    if not worst:
        return ()
    saliency = Saliency(network, _image(store, worst[0]))
    return tuple(_answer_picture(saliency, store, predictions, names, index) for index in worst)


def lesion_pictures(store: ImageStore, boxes: Boxes, names: Sequence[str]) -> tuple[ErrorPicture, ...]:
    """The largest lesions missed and the surest false boxes, drawn."""
    return tuple(_lesion_picture(store, boxes, names, error) for error in worst_lesions(boxes, _COUNT))


def _answer_picture(
    saliency: Saliency, store: ImageStore, predictions: Predictions, names: Sequence[str], index: int
) -> ErrorPicture:
    image, answer, truth = _image(store, index), int(predictions.predicted[index]), int(predictions.labels[index])
    plain = _picture(image, _SIDE)
    heat = Image.fromarray((255 * saliency.of(image, answer).numpy()).astype(np.uint8)).resize(plain.size)
    side_by_side = Image.new("RGB", (2 * plain.width, plain.height))
    side_by_side.paste(plain, (0, 0))
    side_by_side.paste(_overlaid(plain, np.asarray(heat) / 255), (plain.width, 0))
    return ErrorPicture(
        title=f"{names[answer]} {predictions.probabilities[index, answer]:.3f}",
        truth=f"{names[truth]} {predictions.probabilities[index, truth]:.3f}",
        note=_note(predictions, index, store.samples[index]),
        name=store.samples[index].name,
        address=_address(side_by_side),
    )


def _note(predictions: Predictions, index: int, sample: Sample) -> str:
    called = predictions.scores[index] >= predictions.threshold
    positive = bool(predictions.positive[index])
    notes = {(True, False): "missed at the operating point", (False, True): "false alarm at the operating point"}
    parts = [notes.get((positive, bool(called)), ""), "" if sample.clean else "near duplicate in training"]
    return "; ".join(filter(None, parts))


def _lesion_picture(store: ImageStore, boxes: Boxes, names: Sequence[str], error: LesionError) -> ErrorPicture:
    image = _image(store, error.image)
    picture = _picture(image, _SIDE_ALONE)
    scale, draw = picture.width / image.shape[-1], ImageDraw.Draw(picture)
    found, truth = boxes.found[error.image], boxes.truths[error.image]
    for box in truth.boxes.tolist():
        _draw_box(draw, [scale * edge for edge in box], _TRUTH, "truth", at_foot=True)
    for box, score in zip(found["boxes"].tolist(), found["scores"].tolist(), strict=True):
        if score >= boxes.threshold:
            _draw_box(draw, [scale * edge for edge in box], _FOUND, f"{score:.2f}")
    what = "missed lesion" if error.score is None else f"false box {error.score:.3f}"
    count = len(truth.boxes)
    return ErrorPicture(
        title=f"{what}: {names[error.label]}",
        truth=f"{count} lesion{'' if count == 1 else 's'} annotated",
        note="",
        name=store.samples[error.image].name,
        address=_address(picture),
    )


def _draw_box(
    draw: ImageDraw.ImageDraw, box: list[float], colour: tuple[int, int, int], text: str, *, at_foot: bool = False
) -> None:
    draw.rectangle(box, outline=colour, width=2)
    draw.text((box[0] + 3, box[3] - 17 if at_foot else box[1] + 2), text, fill=colour, font=ImageFont.load_default(12))


def _image(store: ImageStore, index: int) -> torch.Tensor:
    return store.images[index : index + 1].float()[0]


def _picture(image: torch.Tensor, side: int) -> Image.Image:
    """What the network sees, brought to 0..255 and to the page's size."""
    values = image.cpu().numpy()
    low, high = float(values.min()), float(values.max())
    levels = ((values - low) / (high - low or 1.0) * 255).astype(np.uint8)
    rgb = np.moveaxis(levels if len(levels) == 3 else np.repeat(levels[:1], 3, axis=0), 0, -1)
    scale = side / max(rgb.shape[:2])
    size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    return Image.fromarray(np.ascontiguousarray(rgb)).resize(size, Image.Resampling.BICUBIC)


def _overlaid(picture: Image.Image, heat: npt.NDArray[np.float64]) -> Image.Image:
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    opacity = _HEAT * heat[..., None]
    return Image.fromarray((np.asarray(picture) * (1 - opacity) + colours * opacity).astype(np.uint8))


def _address(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
