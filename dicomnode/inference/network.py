"""A network that stays loaded, fed with batches of slices."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaTensor

from dicomnode.bundles import Bundle, build_network, build_preprocessing
from dicomnode.errors import BundleError
from dicomnode.inference.fitting import FittedNetwork
from dicomnode.inference.grad_cam import grad_cam
from dicomnode.inference.pixelmap import PixelMap, Region, pixel_map

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Detection:
    """One box on one slice, in source pixels.

    Attributes:
        box: (4,) xyxy, counted from the corner of the image.
        label: 1..n, the bundle's classes in their order.
        score: 0..1.
        region: Its pixels; None without a mask, with an empty one, and for a score below the operating point.
    """

    box: npt.NDArray[np.float64]
    label: int
    score: float
    region: Region | None


@dataclass(frozen=True, slots=True)
class Batching:
    """How slices go through the network.

    Attributes:
        size: Slices in one forward pass.
        fixed: True fills the last batch up to ``size``, so that a slice's score does not depend on how many there are.
        bfloat16: True computes in bfloat16; scores then differ by up to 5e-3.
    """

    size: int = 8
    fixed: bool = False
    bfloat16: bool = False


class SliceNetwork:
    """Preprocessing and network of one bundle on one device.

    Args:
        bundle: An approved bundle.
        device: Where the network stays.
        batching: How slices go through it.
        allow_code: True lets ``$`` expressions of an approved bundle from elsewhere run.
    """

    def __init__(self, bundle: Bundle, device: torch.device, batching: Batching, *, allow_code: bool = False) -> None:
        self._bundle = bundle
        self._batching = batching
        network = build_network(bundle, device, allow_code=allow_code)
        self._fitted = FittedNetwork(bundle.name, network, device, batching.size)
        self._preprocessing = build_preprocessing(bundle, allow_code=allow_code)
        self._priors: list[torch.Tensor] = []

    @property
    def manner(self) -> str:
        """What outputs depend on besides the bundle and the slice: the device, and how it computes."""
        precision = "bfloat16" if self._batching.bfloat16 else "float32"
        size = f"batches of {self._fitted.size}" if self._batching.fixed else "any batch"
        return f"{self._fitted.device} {precision} {size}"

    def classify(
        self, slices: Iterable[npt.NDArray[np.float32]], priors: Sequence[npt.NDArray[np.float32]] = ()
    ) -> Iterator[npt.NDArray[np.float64]]:
        """Class scores (K,) of each slice (C, Rows, Columns), in order: softmax of logits over the temperature.

        Args:
            slices: Of the study.
            priors: Slices of earlier studies, newest first. The network of a bundle that accepts priors is given them
                with each batch, preprocessed alike, as a second argument: a list of tensors (C, rows, columns), empty
                where there are none.

        Raises:
            BundleError: The network did not give one finite logit per class.
            DeviceMemoryError: Not even one slice fits into memory.
        """
        self._priors = [self._prepare(pixels)[0] for pixels in priors]
        for batch in batches((self._prepare(pixels)[0] for pixels in slices), self._batching.size):
            yield from self._fitted.outputs(batch, self._scores)

    def detect(self, slices: Iterable[npt.NDArray[np.float32]]) -> Iterator[tuple[Detection, ...]]:
        """Boxes on each slice (C, Rows, Columns), in order, strongest first, mapped back to its source pixels.

        Raises:
            BundleError: The network did not give boxes, labels and scores as torchvision's detectors do.
            DeviceMemoryError: Not even one slice fits into memory.
        """
        for batch in batches((self._prepare(pixels) for pixels in slices), self._batching.size):
            outputs = self._fitted.outputs([image for image, _ in batch], self._outputs)
            for output, (_, back) in zip(outputs, batch, strict=True):
                yield self._detections(output, back)

    def class_map(
        self, pixels: npt.NDArray[np.float32], label: int, shape: tuple[int, int]
    ) -> npt.NDArray[np.float64] | None:
        """Grad-CAM of a class on a slice (C, Rows, Columns), on a raster of ``shape`` that covers its source pixels.

        Args:
            pixels: Of a study that `classify` answers for.
            label: The class, counted from 0.
            shape: Rows and columns of the raster.

        Returns:
            0 and above; None if the network has no feature map, or looks at priors too.
        """
        if self._bundle.node.accepts.priors is not None:
            return None
        image, back = self._prepare(pixels)
        found = grad_cam(self._fitted.network, image[None].to(self._fitted.device), label)
        return None if found is None else back.map_to_source(found[0].cpu(), shape)

    def _scores(self, images: Sequence[torch.Tensor]) -> Sequence[npt.NDArray[np.float64]]:
        calibration = self._bundle.node.calibration
        temperature = calibration.temperature if calibration is not None else 1.0
        logits = self._checked(self._forward(self._stacked(images).to(self._fitted.device)))[: len(images)]
        return list(torch.softmax(logits.double() / temperature, dim=1).cpu().numpy())

    def _outputs(self, images: Sequence[torch.Tensor]) -> Sequence[object]:
        """One dict per image; detectors pad the images of a pass to the largest, so fixed ones hold one size only."""
        if not self._batching.fixed:
            return self._one_pass(images)
        outputs: list[object] = [None] * len(images)
        for shape in dict.fromkeys(image.shape for image in images):
            alike = [index for index, image in enumerate(images) if image.shape == shape]
            for index, output in zip(alike, self._one_pass([images[index] for index in alike]), strict=True):
                outputs[index] = output
        return outputs

    def _one_pass(self, images: Sequence[torch.Tensor]) -> Sequence[object]:
        filled = self._filled(images)
        outputs = self._forward([image.to(self._fitted.device) for image in filled])
        if not isinstance(outputs, list) or len(outputs) != len(filled):
            raise BundleError(f"bundle {self._bundle.name}: the network must give one dict per image")
        return outputs[: len(images)]

    def _prepare(self, pixels: npt.NDArray[np.float32]) -> tuple[torch.Tensor, PixelMap]:
        image = MetaTensor(torch.from_numpy(np.ascontiguousarray(pixels)), affine=torch.eye(4, dtype=torch.float64))
        try:
            with warnings.catch_warnings():
                # MONAI warns of every blank image; the slices around a head often are.
                warnings.simplefilter("ignore")
                processed = self._preprocessing(image)
        except Exception as error:
            raise BundleError(
                f"bundle {self._bundle.name}: preprocessing failed on an image of {tuple(image.shape)} "
                f"(channels, rows, columns): {error.__cause__ or error}; it must take one image, not a dictionary"
            ) from error
        if not isinstance(processed, MetaTensor) or processed.ndim != 3:
            raise BundleError(
                f"bundle {self._bundle.name}: preprocessing must give a MetaTensor (channels, rows, columns)"
            )
        return processed.as_tensor().float(), pixel_map(processed, (pixels.shape[1], pixels.shape[2]))

    def _stacked(self, batch: Sequence[torch.Tensor]) -> torch.Tensor:
        shapes = {tuple(image.shape) for image in batch}
        if len(shapes) > 1:
            raise BundleError(
                f"bundle {self._bundle.name}: preprocessing gives images of different sizes, such as "
                f"{' and '.join(map(str, sorted(shapes)[:2]))}; end it with a resize or a padding to one size"
            )
        return torch.stack(self._filled(batch))

    def _filled(self, batch: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        missing = self._fitted.size - len(batch) if self._batching.fixed else 0
        return [*batch, *[torch.zeros_like(batch[0])] * missing]

    def _forward(self, batch: torch.Tensor | list[torch.Tensor]) -> object:
        device = self._fitted.device.type
        precision = torch.autocast(device, torch.bfloat16) if self._batching.bfloat16 else nullcontext()
        given: tuple[object, ...] = (batch,)
        if self._bundle.node.accepts.priors is not None:
            given += ([prior.to(self._fitted.device) for prior in self._priors],)
        with torch.inference_mode(), precision:
            output: object = self._fitted.network(*given)
        return output

    def _checked(self, logits: object) -> torch.Tensor:
        classes = len(self._bundle.node.classes)
        if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[1] != classes:
            given = f"shape {tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise BundleError(
                f"bundle {self._bundle.name}: the network gave {given}, expected {classes} logits per image"
            )
        if not bool(torch.isfinite(logits).all()):
            raise BundleError(f"bundle {self._bundle.name}: the network gave a score that is no number")
        return logits

    def _detections(self, output: object, back: PixelMap) -> tuple[Detection, ...]:
        if not isinstance(output, dict) or not {"boxes", "labels", "scores"} <= output.keys():
            raise BundleError(f"bundle {self._bundle.name}: the network gave no 'boxes', 'labels' and 'scores'")
        boxes, labels, scores = (output[key].cpu() for key in ("boxes", "labels", "scores"))
        masks = output["masks"].cpu() if "masks" in output else None
        found = []
        for index in torch.argsort(scores, descending=True, stable=True).tolist():
            self._check_box(boxes[index], int(labels[index]), float(scores[index]))
            box = back.box_to_source(boxes[index].double().numpy())
            if (box[2:] <= box[:2]).any():
                continue  # lies on the padding around the image
            strong = float(scores[index]) >= self._bundle.node.operating_point.threshold
            region = back.region_to_source(masks[index, 0], box) if masks is not None and strong else None
            found.append(Detection(box, int(labels[index]), float(scores[index]), region))
        return tuple(found)

    def _check_box(self, box: torch.Tensor, label: int, score: float) -> None:
        classes = len(self._bundle.node.classes)
        if not 1 <= label <= classes:
            raise BundleError(
                f"bundle {self._bundle.name}: the network gave label {label}, its classes are 1 to {classes}"
            )
        if not (0.0 <= score <= 1.0 and bool(torch.isfinite(box).all())):
            raise BundleError(f"bundle {self._bundle.name}: the network gave a box or score that is no number")


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of ``size`` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
