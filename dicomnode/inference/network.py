"""A network that stays loaded, fed with batches of slices."""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaTensor

from dicomnode.bundles import Bundle, Task, Way, build_network, build_preprocessing
from dicomnode.bundles.building import Preprocessing
from dicomnode.errors import BundleError
from dicomnode.inference.devices import placed
from dicomnode.inference.fitting import FittedNetwork
from dicomnode.inference.grad_cam import grad_cam
from dicomnode.inference.pixelmap import PixelMap, Region, pixel_map
from dicomnode.inference.pool.lane import Directly, Lane, Runner
from dicomnode.inference.ways import in_way


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
        fixed: True makes every batch one slice, so that its score depends on nothing else, bit for bit: not on how
            many slices there are, nor on what other studies wait at the same time. Batches that are filled up to
            ``size`` would not do: a detector pads the images of a batch to the largest, and sums run in another
            order where the proposals of several images go through one matrix product.
        way: How the network computes; every one but the first changes scores, within the bundle's limits.
    """

    size: int = 8
    fixed: bool = False
    way: Way = Way.EAGER


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A slice (C, rows, columns) as the network takes it, and those of earlier studies that go with it."""

    image: torch.Tensor
    priors: tuple[torch.Tensor, ...] = ()

    @property
    def key(self) -> Hashable:
        """Slices go through the network together only if they have one shape and the same priors."""
        return self.image.shape, id(self.priors) if self.priors else None


class SliceNetwork:
    """Preprocessing and network of one bundle on one device; may be asked by several threads at once.

    Args:
        bundle: An approved bundle.
        device: Where the network stays.
        batching: How slices go through it.
        allow_code: True lets ``$`` expressions of an approved bundle from elsewhere run.
        runner: Who brings them through; None runs them in the thread that asks.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: torch.device,
        batching: Batching,
        *,
        allow_code: bool = False,
        runner: Runner | None = None,
    ) -> None:
        self._bundle = bundle
        self._batching = batching
        self._allow_code = allow_code
        self._runner: Runner = Directly() if runner is None else runner
        network = in_way(build_network(bundle, device, allow_code=allow_code), batching.way, bundle.node.task, device)
        self._fitted = FittedNetwork(bundle.name, network, device, 1 if batching.fixed else batching.size)
        self._for_scores = Lane(self._fitted, self._scores)
        self._for_boxes = Lane(self._fitted, self._outputs)
        self._of_thread = threading.local()
        self._preprocessing()  # a chain that cannot be built is told now

    @property
    def manner(self) -> str:
        """What outputs depend on besides the bundle and the slice: the device, and how it computes."""
        size = "one by one" if self._batching.fixed else "any batch"
        return f"{self._fitted.device} {self._batching.way} {size}"

    def classify(
        self, slices: Iterable[npt.NDArray[np.float32]], priors: Iterable[npt.NDArray[np.float32]] = ()
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
        earlier = tuple(self._prepare(pixels)[0] for pixels in priors)
        prepared = (_Prepared(self._prepare(pixels)[0], earlier) for pixels in slices)
        return self._runner.outputs(self._for_scores, self._of_one_size(prepared), lambda item: item.key)

    def detect(self, slices: Iterable[npt.NDArray[np.float32]]) -> Iterator[tuple[Detection, ...]]:
        """Boxes on each slice (C, Rows, Columns), in order, strongest first, mapped back to its source pixels.

        Raises:
            BundleError: The network did not give boxes, labels and scores as torchvision's detectors do.
            DeviceMemoryError: Not even one slice fits into memory.
        """
        maps: deque[PixelMap] = deque()
        prepared = self._mapped(slices, maps)
        for output in self._runner.outputs(self._for_boxes, prepared, lambda item: item.key):
            yield self._detections(output, maps.popleft())

    def pass_of(self, slices: Sequence[npt.NDArray[np.float32]]) -> Callable[[], int]:
        """Prepare slices of a classifier or detector once; what is returned brings them through the network."""
        prepared = [_Prepared(self._prepare(pixels)[0]) for pixels in slices]
        lane: Lane[_Prepared, Any] = self._for_scores
        if self._bundle.node.task is Task.DETECTION:
            lane = self._for_boxes

        def once() -> int:
            return sum(1 for _ in self._runner.outputs(lane, prepared, lambda item: item.key))

        return once

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
        network = self._fitted.network
        if self._batching.way is not Way.EAGER:  # gradients want the network as it was made
            network = build_network(self._bundle, self._fitted.device, allow_code=self._allow_code)
        found = grad_cam(network, image[None].to(self._fitted.device), label)
        return None if found is None else back.map_to_source(found[0].cpu(), shape)

    def _mapped(self, slices: Iterable[npt.NDArray[np.float32]], maps: deque[PixelMap]) -> Iterator[_Prepared]:
        for pixels in slices:
            image, back = self._prepare(pixels)
            maps.append(back)
            yield _Prepared(image)

    def _of_one_size(self, items: Iterable[_Prepared]) -> Iterator[_Prepared]:
        first: tuple[int, ...] | None = None
        for item in items:
            shape = tuple(item.image.shape)
            if first is not None and shape != first and self._batching.size > 1:
                raise BundleError(
                    f"bundle {self._bundle.name}: preprocessing gives images of different sizes, such as "
                    f"{' and '.join(map(str, sorted((first, shape))))}; end it with a resize or a padding to one size"
                )
            first = shape
            yield item

    def _scores(self, items: Sequence[_Prepared]) -> Sequence[npt.NDArray[np.float64]]:
        calibration = self._bundle.node.calibration
        temperature = calibration.temperature if calibration is not None else 1.0
        batch = placed(torch.stack([item.image for item in items]), self._fitted.device)
        logits = self._checked(self._forward(batch, items[0].priors))
        return list(torch.softmax(logits.double() / temperature, dim=1).cpu().numpy())

    def _outputs(self, items: Sequence[_Prepared]) -> Sequence[object]:
        outputs = self._forward([placed(item.image, self._fitted.device) for item in items])
        if not isinstance(outputs, list) or len(outputs) != len(items):
            raise BundleError(f"bundle {self._bundle.name}: the network must give one dict per image")
        return outputs

    def _preprocessing(self) -> Preprocessing:
        """The chain of this thread: nobody promises that a transform may be used by several at once."""
        if not hasattr(self._of_thread, "chain"):
            self._of_thread.chain = build_preprocessing(self._bundle, allow_code=self._allow_code)
        return cast(Preprocessing, self._of_thread.chain)

    def _prepare(self, pixels: npt.NDArray[np.float32]) -> tuple[torch.Tensor, PixelMap]:
        image = MetaTensor(torch.from_numpy(np.ascontiguousarray(pixels)), affine=torch.eye(4, dtype=torch.float64))
        try:
            with warnings.catch_warnings():
                # MONAI warns of every blank image; the slices around a head often are.
                warnings.simplefilter("ignore")
                processed = self._preprocessing()(image)
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

    def _forward(self, batch: torch.Tensor | list[torch.Tensor], priors: Sequence[torch.Tensor] = ()) -> object:
        given: tuple[object, ...] = (batch,)
        if self._bundle.node.accepts.priors is not None:
            given += ([placed(prior, self._fitted.device) for prior in priors],)
        with torch.inference_mode():
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
