"""The network of an exam model, fed with one view or with four together, its answers checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dicomnode.bundles import Bundle, Way, build_network
from dicomnode.errors import BundleError
from dicomnode.inference.devices import placed
from dicomnode.inference.fitting import FittedNetwork
from dicomnode.inference.pool.lane import Directly, Lane, Runner
from dicomnode.inference.ways import in_way

FloatArray = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.float32]

SIDES = ("L", "R")


@dataclass(frozen=True, slots=True)
class ViewOutput:
    """What a network says of one view.

    Attributes:
        scores: (K,) 0..1, the bundle's classes in their order.
        saliency: (h, w) float32, 0..1, of the class that answers for the study, over the whole input; None if the
            network has no such map.
        patches: (P, 4) xyxy in pixels of the input: where the network looked closely.
        attention: (P,) their weights, which sum to 1.
    """

    scores: FloatArray
    saliency: Pixels | None
    patches: FloatArray
    attention: FloatArray


class ExamNetwork:
    """The network of one bundle on one device.

    Args:
        bundle: An approved bundle of task ``exam``.
        device: Where the network stays.
        way: How it computes.
        allow_code: True lets ``$`` expressions of an approved bundle from elsewhere run.
        runner: Who brings views through it; None runs them in the thread that asks.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: torch.device,
        *,
        way: Way = Way.EAGER,
        allow_code: bool = False,
        runner: Runner | None = None,
    ) -> None:
        self._bundle = bundle
        self._runner: Runner = Directly() if runner is None else runner
        network = in_way(build_network(bundle, device, allow_code=allow_code), way, bundle.node.task, device)
        self._fitted = FittedNetwork(bundle.name, network, device, 1)
        self._one_view, self._one_exam = Lane(self._fitted, self._view), Lane(self._fitted, self._exam)

    def look(self, pixels: Pixels, study_class: int) -> ViewOutput:
        """Look at one view.

        Args:
            pixels: (1, h, w) float32, prepared.
            study_class: Place of the class whose saliency is wanted.

        Raises:
            BundleError: The network answers other than its bundle says.
            DeviceMemoryError: The view does not fit into memory.
        """
        (answer,) = self._runner.outputs(self._one_view, [pixels], lambda _: None)
        classes = len(self._bundle.node.classes)
        scores = self._array(answer, "scores", (1, classes))[0]
        saliency = (
            self._array(answer, "saliency", (1, classes, -1, -1))[0, study_class] if "saliency" in answer else None
        )
        patches, attention = np.empty((0, 4)), np.empty(0)
        if "patches" in answer:
            patches = self._array(answer, "patches", (1, -1, 4), fractions=False)[0]
            attention = self._array(answer, "attention", (1, len(patches)))[0]
        return ViewOutput(scores, None if saliency is None else saliency.astype(np.float32), patches, attention)

    def look_together(self, views: Mapping[str, Pixels]) -> FloatArray:
        """Look at an exam.

        Args:
            views: (1, h, w) float32, prepared, under L-CC, R-CC, L-MLO and R-MLO.

        Returns:
            (2, K) 0..1, left side then right side, the bundle's classes in their order.

        Raises:
            BundleError: The network answers other than its bundle says.
            DeviceMemoryError: The exam does not fit into memory.
        """
        (answer,) = self._runner.outputs(self._one_exam, [views], lambda _: None)
        both: FloatArray = self._array(answer, "scores", (1, len(SIDES), len(self._bundle.node.classes)))[0]
        return both

    def _view(self, views: Sequence[Pixels]) -> Sequence[Mapping[str, object]]:
        (pixels,) = views
        return self._answer(self._placed(pixels))

    def _exam(self, exams: Sequence[Mapping[str, Pixels]]) -> Sequence[Mapping[str, object]]:
        (views,) = exams
        return self._answer({name: self._placed(pixels) for name, pixels in views.items()})

    def _placed(self, pixels: Pixels) -> torch.Tensor:
        return placed(torch.from_numpy(pixels)[None], self._fitted.device)

    def _answer(self, given: object) -> Sequence[Mapping[str, object]]:
        with torch.inference_mode():
            return [self._fitted.network(given)]

    def _array(self, answer: object, key: str, shape: tuple[int, ...], *, fractions: bool = True) -> FloatArray:
        """A tensor of the answer whose shape and values were checked; -1 in ``shape`` allows any length."""
        value = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(value, torch.Tensor):
            raise BundleError(f"bundle {self._bundle.name}: the network gave no {key!r}; an exam network gives a dict")
        wanted = zip(value.shape, shape, strict=True) if value.ndim == len(shape) else [(0, 1)]
        if any(length not in (given, -1) for given, length in wanted):
            expected = " x ".join("n" if length == -1 else str(length) for length in shape)
            raise BundleError(
                f"bundle {self._bundle.name}: the network gave {key!r} of shape {tuple(value.shape)},"
                f" expected {expected}"
            )
        array = value.double().cpu().numpy()
        if not np.isfinite(array).all() or (fractions and ((array < 0) | (array > 1)).any()):
            limits = "that are no numbers of 0 to 1" if fractions else "that are no numbers"
            raise BundleError(f"bundle {self._bundle.name}: the network gave {key!r} with values {limits}")
        return array
