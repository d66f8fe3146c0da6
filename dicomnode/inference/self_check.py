"""One answer of a bundle on a generated image or exam: does it run, and how fast?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from dicomnode.bundles import Bundle, ExamInput
from dicomnode.dicom.mammography import STANDARD_VIEWS, MammogramView
from dicomnode.dicom.uids import derive_uid
from dicomnode.inference.loaded import load_model
from dicomnode.inference.mammography.exam import Exam, Mammogram
from dicomnode.inference.mammography.predictor import ExamPredictor
from dicomnode.inference.predictor import Prediction, Request
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.inference.source_image import planar
from dicomnode.study import SourceReference

_MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What a bundle did.

    Attributes:
        prediction: Its answer on the generated image or exam, which means nothing.
        load_seconds: For building the network and reading its weights.
        seconds: For one image or exam.
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
    model = load_model(bundle, device, batch_size=1, allow_code=allow_code)
    loaded = time.perf_counter()
    if isinstance(model, ExamPredictor):
        prediction = model.predict(generated_exam(model.exam), "check")
    else:
        prediction = model.predict(Request((_generated(bundle),), "check"))
    return SelfCheck(prediction, loaded - start, time.perf_counter() - loaded)


def _generated(bundle: Bundle) -> SliceGroup:
    reference = SourceReference(_SECONDARY_CAPTURE, derive_uid("check"), derive_uid("check series"))
    return SliceGroup((reference,), (np.stack([_disc(size_of(bundle))] * bundle.channels),))


def generated_exam(exam: ExamInput) -> Exam:
    """Half a disc at the chest wall of each of the four views."""
    views = {}
    for name in STANDARD_VIEWS:
        rows, columns = exam.mlo_size if name.endswith("MLO") else exam.cc_size
        half = _disc((rows, 2 * columns))[:, columns:]
        side: Literal["L", "R"] = "R" if name.startswith("R") else "L"
        upright = half if side == "L" else half[:, ::-1]
        reference = SourceReference(_MAMMOGRAM, derive_uid("check", name), derive_uid("check series"))
        views[name] = (
            Mammogram(MammogramView(side, name[2:]), planar(np.ascontiguousarray(upright)[None], (reference,), None)),
        )
    return Exam(views, ())


def _disc(size: tuple[int, int]) -> npt.NDArray[np.float32]:
    y, x = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    return np.asarray(1000 * np.clip(1 - (x**2 + y**2), 0, 1), dtype=np.float32)


def size_of(bundle: Bundle) -> tuple[int, int]:
    """Rows and columns of an image that the model would be given."""
    tiling, accepts = bundle.node.tiling, bundle.node.accepts
    if tiling is not None:
        return tiling.size, tiling.size
    return max(256, accepts.minimum_rows), max(256, accepts.minimum_columns)
