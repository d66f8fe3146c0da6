"""One frame of a DICOM file as a slice-wise network of the node is given it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import dcmread

from dicomnode.dicom.decoding import DECODE_ERRORS
from dicomnode.dicom.header import read_header
from dicomnode.dicom.pixels import PIXEL_KEYWORDS, read_frame
from dicomnode.errors import NotDicomError
from dicomnode.inference.slice_group import with_channels


def read_file_frame(path: Path, index: int, channels: int) -> npt.NDArray[np.float32]:
    """A frame of a file; the pixels are those that ``read_series`` and ``slice_group`` give for it.

    Args:
        path: A DICOM file; neither a place in the patient nor a spacing is needed.
        index: Frame, counted from 0.
        channels: 1 makes grey of colour, 3 repeats grey.

    Returns:
        (channels, Rows, Columns) float32: modality values with high = bright, or RGB 0..255.

    Raises:
        NotDicomError: The file is no DICOM instance, or it cannot be read.
        PixelError: Its pixels cannot be decoded or interpreted, or it has no such frame.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(132)[128:] != b"DICM":
                read_header(path)  # old files begin without a preamble; what is no DICOM at all is refused
        dataset = dcmread(path, force=True, specific_tags=list(PIXEL_KEYWORDS))
    except NotDicomError as error:
        raise NotDicomError(f"{path.name}: is not a readable DICOM file: {error}") from error
    except DECODE_ERRORS as error:
        raise NotDicomError(f"{path.name}: is not a readable DICOM file") from error
    return with_channels(read_frame(dataset, index).values, channels)
