"""One forward pass of a bundle on a generated image: does it run, and how fast?"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dicomnode.bundles import Bundle
from dicomnode.dicom.uids import derive_uid
from dicomnode.inference.predictor import Prediction, Predictor, Request
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.study import SourceReference

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What a bundle did.

    Attributes:
        prediction: Its answer on the generated image, which means nothing.
        load_seconds: For building the network and reading its weights.
        seconds: For one image.
    """

    prediction: Prediction
    load_seconds: float
    seconds: float


def check_bundle(bundle: Bundle, device: torch.device, *, allow_code: bool = False) -> SelfCheck:
    """Build the network and run it once.

    Raises:
        BundleError: It cannot be built or answers other than its metadata says.
    """
    start = time.perf_counter()
    predictor = Predictor(bundle, device, batch_size=1, allow_code=allow_code)
    loaded = time.perf_counter()
    prediction = predictor.predict(Request((_generated(bundle),), "check"))
    return SelfCheck(prediction, loaded - start, time.perf_counter() - loaded)


def _generated(bundle: Bundle) -> SliceGroup:
    rows, columns = _size(bundle)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    disc: npt.NDArray[np.float32] = (1000 * np.clip(1 - (x**2 + y**2), 0, 1)).astype(np.float32)
    reference = SourceReference(_SECONDARY_CAPTURE, derive_uid("check"), derive_uid("check series"))
    return SliceGroup((reference,), (np.stack([disc] * bundle.channels),))


def _size(bundle: Bundle) -> tuple[int, int]:
    """Rows and columns of an image that the model would be given."""
    tiling, accepts = bundle.node.tiling, bundle.node.accepts
    if tiling is not None:
        return tiling.size, tiling.size
    return max(256, accepts.minimum_rows), max(256, accepts.minimum_columns)
