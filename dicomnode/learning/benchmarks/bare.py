"""A bundle's model without a node around it: pixels that are in memory already, in; outputs, out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from monai.data import MetaTensor

from dicomnode.bundles import Task, build_network, build_preprocessing
from dicomnode.bundles.loading import load_bundle

Pixels = npt.NDArray[np.int16]


class BareModel:
    """Preprocessing and network of a bundle, called in a loop as a script would.

    Args:
        path: The bundle's folder.
        batch_size: Images in one forward pass.
    """

    def __init__(self, path: Path, batch_size: int) -> None:
        bundle = load_bundle(path)
        self._network = build_network(bundle, torch.device("cpu"))
        self._preprocessing = build_preprocessing(bundle)
        self._is_detector = bundle.node.task is Task.DETECTION
        self._batch_size = batch_size

    def scores(self, images: Sequence[Pixels], slope: float = 1.0, intercept: float = 0.0) -> list[float]:
        """The highest score of each image (rows, columns).

        Args:
            images: Stored values.
            slope: Rescale Slope.
            intercept: Rescale Intercept.
        """
        with torch.inference_mode():
            return [score for batch in self._batches(images, slope, intercept) for score in self._forward(batch)]

    def _batches(self, images: Sequence[Pixels], slope: float, intercept: float) -> Iterator[list[torch.Tensor]]:
        for start in range(0, len(images), self._batch_size):
            values = (
                image.astype(np.float32) * slope + intercept for image in images[start : start + self._batch_size]
            )
            yield [self._preprocessing(MetaTensor(value[np.newaxis])).as_tensor() for value in values]

    def _forward(self, batch: list[torch.Tensor]) -> list[float]:
        if self._is_detector:
            return [float(max(output["scores"].tolist(), default=0.0)) for output in self._network(batch)]
        values: list[float] = self._network(torch.stack(batch)).softmax(1)[:, 0].tolist()
        return values
