"""JPEG with 12 bits a sample (processes 4, 10 and 12), which no plug-in of pydicom's decodes.

GDCM's library does; pydicom's plug-in for it refuses since old GDCM releases did not.
"""

from __future__ import annotations

import gdcm
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import JPEGExtended12Bit

# Full Progression, Non-Hierarchical (processes 10 and 12), retired in 2001; PS3.6 Annex A.
JPEG_FULL_PROGRESSION = "1.2.840.10008.1.2.4.55"
SYNTAXES = frozenset({str(JPEGExtended12Bit), JPEG_FULL_PROGRESSION})


def decode_extended(dataset: Dataset, index: int) -> npt.NDArray[np.uint16]:
    """Decode one 12-bit frame.

    Args:
        dataset: Holds encapsulated Pixel Data of one sample a pixel, 9 to 12 bits stored, unsigned.
        index: Frame, counted from 0.

    Returns:
        (Rows, Columns) stored values.

    Raises:
        ValueError: The bytes are no such JPEG picture, or the attributes say something else.
    """
    if dataset.SamplesPerPixel != 1 or dataset.PixelRepresentation != 0 or not 8 < dataset.BitsStored <= 12:
        raise ValueError("JPEG Extended beyond 8 bits is read as 9 to 12 unsigned bits of one sample only")
    frame = get_frame(dataset.PixelData, index, number_of_frames=int(dataset.get("NumberOfFrames", None) or 1))
    # GDCM counts no references of Python's: the fragments must live until the buffer is made.
    fragments = _fragments(frame)
    image = _image(fragments, int(dataset.Rows), int(dataset.Columns), int(dataset.BitsStored))
    content = image.GetBuffer().encode("utf-8", "surrogateescape")
    del fragments
    if len(content) != 2 * dataset.Rows * dataset.Columns:
        raise ValueError("GDCM could not decode the JPEG picture")
    return np.frombuffer(content, "<u2").reshape(dataset.Rows, dataset.Columns).astype(np.uint16)


def _image(fragments: gdcm.SequenceOfFragments, rows: int, columns: int, bits_stored: int) -> gdcm.Image:
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    monochrome = gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    image.SetPhotometricInterpretation(monochrome)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, bits_stored, bits_stored - 1, 0))
    return image


def _fragments(frame: bytes) -> gdcm.SequenceOfFragments:
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    return fragments
