"""Pixels as models want them: modality values, high is bright, colour is RGB.

Grey images go through the modality LUT or rescale (PS3.3 C.11.1). MONOCHROME1 is then mirrored within
the range of values that the attributes allow, ``low + high - value``, so that bright means much in
every image; the range does not depend on the picture, so slices stay comparable. Colour images become
RGB between 0 and 255, whatever they were stored as (PS3.3 C.7.6.3.1.2). An ICC profile is not applied: none
was applied to the pictures that models are trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import JPEG2000TransferSyntaxes

from dicomnode.dicom.decoding import (
    DECODE_ERRORS,
    StoredValues,
    name_of,
    stored_frame,
    stored_frame_of_file,
    stored_frames,
    stored_frames_of_file,
)
from dicomnode.dicom.frames import frame_attribute
from dicomnode.dicom.luts import LookUpTable, read_lut
from dicomnode.dicom.parsing import transfer_syntax_of
from dicomnode.errors import PixelError

MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

# What read_frames looks at; a reader in a hurry may leave the rest of the file out.
PIXEL_KEYWORDS = (
    *("SOPInstanceUID", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *("PixelPresentation", "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData"),
)


@dataclass(frozen=True, slots=True)
class FramePixels:
    """One frame's values.

    Attributes:
        values: (1, Rows, Columns) modality values or (3, Rows, Columns) RGB 0..255, float32, high is bright.
        mirror: ``low + high`` that MONOCHROME1 was mirrored with; None if it was not.
    """

    values: npt.NDArray[np.float32]
    mirror: float | None = None


def read_frames(dataset: Dataset) -> Iterator[FramePixels]:
    """Every frame of an image, in order.

    Raises:
        PixelError: The pixels cannot be decoded, or their photometric interpretation or modality
            transformation is unknown or contradicts itself.
    """
    yield from _interpreted(dataset, stored_frames(dataset))


def read_file_frames(path: Path, head: Dataset) -> Iterator[FramePixels]:
    """As `read_frames`, from a file whose Pixel Data may be larger than memory: one frame is held at a time.

    Args:
        path: A DICOM file.
        head: What stands in it before Pixel Data.
    """
    yield from _interpreted(head, stored_frames_of_file(path, head))


def read_frame(dataset: Dataset, index: int) -> FramePixels:
    """One frame of an image, counted from 0, without decoding the others; errors as `read_frames`."""
    photometric = check_photometric(dataset)
    return frame_pixels(dataset, stored_frame(dataset, index), index, photometric)


def read_file_frame(path: Path, head: Dataset, index: int) -> FramePixels:
    """As `read_frame`, reading no other frame from the file; ``head`` as for `read_file_frames`."""
    photometric = check_photometric(head)
    return frame_pixels(head, stored_frame_of_file(path, head, index), index, photometric)


def _interpreted(dataset: Dataset, frames: Iterator[StoredValues]) -> Iterator[FramePixels]:
    photometric = check_photometric(dataset)
    for index, stored in enumerate(frames):
        yield frame_pixels(dataset, stored, index, photometric)


def frame_pixels(dataset: Dataset, stored: StoredValues, index: int, photometric: str) -> FramePixels:
    """What the stored values of one frame mean.

    Args:
        dataset: The image.
        stored: As `dicomnode.dicom.decoding.stored_frame` gives them.
        index: Frame, counted from 0.
        photometric: From `check_photometric`.

    Raises:
        PixelError: Their modality transformation is unknown or contradicts itself.
    """
    if photometric in COLOUR:
        return FramePixels(_colour(dataset, stored, photometric))
    values, low, high = modality_values(dataset, stored, index)
    if photometric == "MONOCHROME1":
        return FramePixels((low + high - values)[np.newaxis], low + high)
    return FramePixels(values[np.newaxis])


def check_photometric(dataset: Dataset) -> str:
    """Photometric Interpretation (0028,0004), if the node knows how to read it.

    Raises:
        PixelError: It is missing, unknown, or does not fit the samples or the transfer syntax.
    """
    photometric = str(dataset.get("PhotometricInterpretation", None) or "").strip()
    samples = dataset.get("SamplesPerPixel", None)
    if photometric not in MONOCHROME + COLOUR:
        found = repr(photometric) if photometric else "is missing and"
        raise PixelError(f"{name_of(dataset)}: Photometric Interpretation {found} cannot be interpreted")
    if samples != (1 if photometric in (*MONOCHROME, "PALETTE COLOR") else 3):
        raise PixelError(f"{name_of(dataset)}: {photometric} with {samples} samples per pixel contradicts itself")
    if photometric in ("YBR_ICT", "YBR_RCT") and transfer_syntax_of(dataset) not in JPEG2000TransferSyntaxes:
        raise PixelError(f"{name_of(dataset)}: {photometric} belongs to JPEG 2000 only, and this is another syntax")
    bits_stored, high_bit = dataset.get("BitsStored", None), dataset.get("HighBit", None)
    if bits_stored is not None and high_bit is not None and high_bit != bits_stored - 1:
        raise PixelError(
            f"{name_of(dataset)}: High Bit {high_bit} does not fit {bits_stored} bits stored (PS3.5 8.1.1)"
        )
    return photometric


def modality_values(dataset: Dataset, stored: StoredValues, index: int) -> tuple[npt.NDArray[np.float32], float, float]:
    """Stored values through the modality LUT or rescale.

    Args:
        dataset: The image.
        stored: (Rows, Columns) of frame ``index``.
        index: Frame, counted from 0.

    Returns:
        (Rows, Columns) float32, and the lowest and highest value that the attributes allow.

    Raises:
        PixelError: The slope is zero or the LUT is damaged.
    """
    lut = _modality_lut(dataset)
    if lut is not None:
        return lut.apply(stored), float(lut.values.min()), float(lut.values.max())
    slope = _number(dataset, index, "RescaleSlope", 1.0)
    intercept = _number(dataset, index, "RescaleIntercept", 0.0)
    if slope == 0:
        raise PixelError(f"{name_of(dataset)}: Rescale Slope is 0, so that every pixel would be the same")
    ends = [slope * end + intercept for end in stored_range(dataset)]
    values = stored.astype(np.float32)
    if (slope, intercept) != (1.0, 0.0):
        values *= np.float32(slope)
        values += np.float32(intercept)
    return values, min(ends), max(ends)


def stored_range(dataset: Dataset) -> tuple[int, int]:
    """Lowest and highest stored value that Bits Stored and Pixel Representation allow."""
    bits = int(dataset.BitsStored)
    if dataset.get("PixelRepresentation", 0) == 1:
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def _number(dataset: Dataset, index: int, keyword: str, default: float) -> float:
    value = frame_attribute(dataset, index, "PixelValueTransformationSequence", keyword)
    try:
        number = default if value is None else float(str(value))
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise PixelError(f"{name_of(dataset)}: {keyword} is no finite number")
    return number


def _modality_lut(dataset: Dataset) -> LookUpTable | None:
    items = dataset.get("ModalityLUTSequence", None)
    if not items:
        return None
    try:
        return read_lut(items[0], signed=dataset.get("PixelRepresentation", 0) == 1)
    except DECODE_ERRORS as error:
        raise PixelError(f"{name_of(dataset)}: its Modality LUT cannot be read") from error


def _colour(dataset: Dataset, stored: StoredValues, photometric: str) -> npt.NDArray[np.float32]:
    bits = int(dataset.BitsStored)
    if photometric == "PALETTE COLOR":
        try:
            stored = apply_color_lut(stored, dataset)[..., :3]
        except DECODE_ERRORS as error:
            raise PixelError(f"{name_of(dataset)}: its colour palette cannot be read") from error
        bits = stored.dtype.itemsize * 8
    values = np.moveaxis(stored, -1, 0).astype(np.float32)
    return values if bits == 8 else values * np.float32(255 / ((1 << bits) - 1))
