"""One model on one device: source images in, the study's answer and its findings out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from dicomnode.bundles import Bundle, Task, Way
from dicomnode.errors import ImageError
from dicomnode.findings import Attention, Code, Finding, HeatMap, StudyAnswer
from dicomnode.inference.classification import answer_of_classes
from dicomnode.inference.detection import answer_of_detections, findings_of
from dicomnode.inference.devices import prepare_torch
from dicomnode.inference.early.outputs import OutputKey, OutputMemory, SliceOutput, output_keys
from dicomnode.inference.network import Batching, Detection, SliceNetwork
from dicomnode.inference.pool.lane import Runner
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.inference.slice_pixels import pixels_of
from dicomnode.study import SourceReference

_Output = TypeVar("_Output")
_Pixels = npt.NDArray[np.float32]
_NO_IMAGE = "there is no image to predict on; give a series that holds images"


@dataclass(frozen=True, slots=True)
class Request:
    """What one answer is asked for.

    Attributes:
        groups: Volumes or loose images of one study; lesions are followed from slice to slice within a volume only.
        seed: What tracking UIDs are derived from: same seed, same UIDs.
        priors: The same of earlier studies, newest first, for a network that looks at them.
        digests: SHA-256 of the file behind each image, so that what the network said of it may be remembered; an empty
            one where it must not be, none at all where nothing is.
    """

    groups: tuple[SliceGroup, ...]
    seed: str
    priors: tuple[SliceGroup, ...] = ()
    digests: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[SourceReference, ...]:
        """Every slice, in order."""
        return tuple(image for group in self.groups for image in group.images)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says.

    Attributes:
        answer: The one answer for the study.
        findings: Regions, strongest first; empty for a classifier.
        boxes: Everything that a detector gave, per image, before linking and threshold; empty for a classifier.
        heat_maps: Scores over whole images; empty unless tiles were looked at, or the network of an exam has them.
        attention: What the network of an exam looked at closely, the highest weight of each image first.
    """

    answer: StudyAnswer
    findings: tuple[Finding, ...]
    boxes: tuple[tuple[Detection, ...], ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    attention: tuple[Attention, ...] = ()


class Predictor:
    """A loaded bundle that answers one request after the other.

    Args:
        bundle: An approved bundle.
        device: Where the network stays.
        batch_size: SliceGroup in one forward pass.
        deterministic: True keeps batches at one slice and this process's torch at one thread, so that scores repeat bit
            for bit.
        way: How the network computes, as `dicomnode models tune` found best; plain float32 if deterministic.
        allow_code: True lets ``$`` expressions of an approved bundle from elsewhere run.
        memory: What it said of single images; None remembers nothing.
        runner: Who brings slices through the network; None runs them in the thread that asks.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: torch.device,
        batch_size: int = 8,
        deterministic: bool = False,
        *,
        way: Way = Way.EAGER,
        allow_code: bool = False,
        memory: OutputMemory | None = None,
        runner: Runner | None = None,
    ) -> None:
        if deterministic:
            prepare_torch(deterministic=True)
        self.bundle = bundle
        self.way = Way.EAGER if deterministic else way
        batching = Batching(batch_size, fixed=deterministic, way=self.way)
        self._network = SliceNetwork(bundle, device, batching, allow_code=allow_code, runner=runner)
        self._memory = memory

    def predict(self, request: Request) -> Prediction:
        """Answer one request.

        Raises:
            ImageError: It holds no image.
            BundleError: The network answers other than its bundle says.
        """
        if not request.images:
            raise ImageError(_NO_IMAGE)
        if self.remembers and request.digests:
            return self._answered(request, self._through_memory(request))
        if self.bundle.node.accepts.priors is None:
            return next(self.predict_each([request]))
        priors = (pixels for group in request.priors for pixels in group.pixels)
        scores = list(self._network.classify(_pixels([request], deque()), priors))
        return Prediction(answer_of_classes(self.bundle.node, request.images, scores), ())

    def predict_each(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answer requests in their order; batches reach across them.

        Args:
            requests: Read no further ahead than the next batches need.
        """
        for request, outputs in _per_request(self.outputs, requests):
            yield self._answered(request, outputs)

    @property
    def remembers(self) -> bool:
        """Whether it remembers what the network said of an image; not where earlier studies are looked at too."""
        return self._memory is not None and self.bundle.node.accepts.priors is None

    def look_ahead(self, request: Request) -> None:
        """Ask the network about images of a study that is not complete yet, and remember what it says.

        Raises:
            BundleError: The network answers other than its bundle says.
        """
        if self.remembers and request.digests:
            self._through_memory(request)

    def classify(self, pixels: Iterable[_Pixels]) -> Iterator[npt.NDArray[np.float64]]:
        """Class scores (K,) of each image (C, Rows, Columns), in order; read no further ahead than a batch needs.

        Raises:
            BundleError: The network answers other than its bundle says.
        """
        return self._network.classify(pixels)

    def outputs(self, pixels: Iterable[_Pixels]) -> Iterator[SliceOutput]:
        """What the network says of each image (C, Rows, Columns): class scores (K,), or boxes in its source pixels."""
        classifies = self.bundle.node.task is Task.CLASSIFICATION
        return self._network.classify(pixels) if classifies else self._network.detect(pixels)

    def pass_of(self, pixels: Sequence[_Pixels]) -> Callable[[], int]:
        """Prepare images once; what is returned brings them through the network, for measuring how fast that is."""
        return self._network.pass_of(pixels)

    def class_map(self, pixels: _Pixels, concept: Code, shape: tuple[int, int]) -> npt.NDArray[np.float64] | None:
        """Which parts of an image (C, Rows, Columns) speak for a class: Grad-CAM, 0 and above.

        Args:
            pixels: As in a `SliceGroup`.
            concept: Of the class.
            shape: Rows and columns of the raster over the image that the map is given on.

        Returns:
            None of a detector, and of a network that has no feature map.
        """
        concepts = [item.code for item in self.bundle.node.classes]
        if self.bundle.node.task is not Task.CLASSIFICATION or concept not in concepts:
            return None
        return self._network.class_map(pixels, concepts.index(concept), shape)

    def _keys(self, images: Sequence[SourceReference], digests: Sequence[str]) -> tuple[OutputKey | None, ...]:
        return output_keys(self.bundle.digest, self._network.manner, images, digests)

    def _through_memory(self, request: Request) -> list[SliceOutput]:
        """An output for each image; the network is asked about those that are not remembered."""
        if self._memory is None:
            return list(self.outputs(item for group in request.groups for item in group.pixels))
        keys = self._keys(request.images, request.digests)
        known = [self._memory.get(key) for key in keys]
        fresh = self.outputs(pixels_of(request.groups, [output is None for output in known]))
        outputs = [next(fresh) if output is None else output for output in known]
        if keys == self._keys(request.images, request.digests):  # else memory ran short, and other batches were used
            for key, output in zip(keys, outputs, strict=True):
                self._memory.put(key, output)
        return outputs

    def _answered(self, request: Request, outputs: Sequence[SliceOutput]) -> Prediction:
        scores = [item for item in outputs if isinstance(item, np.ndarray)]
        if self.bundle.node.task is Task.CLASSIFICATION:
            return Prediction(answer_of_classes(self.bundle.node, request.images, scores), ())
        return self._detected(request, [item for item in outputs if not isinstance(item, np.ndarray)])

    def _detected(self, request: Request, detections: Sequence[tuple[Detection, ...]]) -> Prediction:
        node = self.bundle.node
        answer = answer_of_detections(node, request.images, detections)
        return Prediction(answer, findings_of(node, request.groups, detections, request.seed), tuple(detections))


def _per_request(
    run: Callable[[Iterable[_Pixels]], Iterator[_Output]], requests: Iterable[Request]
) -> Iterator[tuple[Request, list[_Output]]]:
    begun: deque[Request] = deque()
    outputs = run(_pixels(requests, begun))
    for first in outputs:
        request = begun.popleft()  # put there before its first slice was handed out
        yield request, [first, *islice(outputs, len(request.images) - 1)]


def _pixels(requests: Iterable[Request], begun: deque[Request]) -> Iterator[_Pixels]:
    for request in requests:
        if not request.images:
            raise ImageError(_NO_IMAGE)
        begun.append(request)
        for group in request.groups:
            yield from group.pixels
