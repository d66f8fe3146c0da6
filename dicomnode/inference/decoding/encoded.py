"""A compressed frame: where its bytes lie and what a decoder must know to make stored values of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from dicomnode.dicom.decoding import StoredValues, stored_encoded_frame, stored_frame
from dicomnode.dicom.fragments import CutError, Range, fragments
from dicomnode.dicom.jpeg_extended import SYNTAXES as EXTENDED_SYNTAXES
from dicomnode.errors import PixelError

# What a decoder looks at.
CODING_KEYWORDS = (
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
)
# pydicom's names for those of them that its decoders look at.
_OPTIONS = {
    "SamplesPerPixel": "samples_per_pixel",
    "PhotometricInterpretation": "photometric_interpretation",
    "PlanarConfiguration": "planar_configuration",
    "Rows": "rows",
    "Columns": "columns",
    "BitsAllocated": "bits_allocated",
    "BitsStored": "bits_stored",
    "PixelRepresentation": "pixel_representation",
}


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One compressed frame in a file.

    Attributes:
        path: The file.
        sop_instance_uid: Of the instance, for messages.
        transfer_syntax_uid: Of the file.
        coding: Values of those of ``CODING_KEYWORDS`` that the instance has.
        ranges: Offset and length of its fragments; empty for all fragments from ``start`` on.
        start: Where the value of Pixel Data starts in the file.
    """

    path: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    coding: dict[str, int | str]
    ranges: tuple[Range, ...]
    start: int

    @property
    def largest_bytes(self) -> int:
        """What its stored values need at most."""
        rows, columns, samples, bits = (
            int(self.coding.get(name, 1)) for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
        )
        return rows * columns * samples * max(1, (bits + 7) // 8)


def decode_frame(frame: EncodedFrame) -> StoredValues:
    """Stored values (Rows, Columns) or (Rows, Columns, 3), as `dicomnode.dicom.decoding.stored_frames` gives them.

    Raises:
        PixelError: The file is cut, or its pixels are damaged.
        OSError: It cannot be read.
    """
    content = encapsulate([_content(frame)], has_bot=False)
    if frame.transfer_syntax_uid not in EXTENDED_SYNTAXES:
        options = {_OPTIONS[keyword]: value for keyword, value in frame.coding.items() if keyword in _OPTIONS}
        name = f"instance {frame.sop_instance_uid}"
        return stored_encoded_frame(content, frame.transfer_syntax_uid, options, name)
    return stored_frame(_dataset(frame, content), 0)


def _dataset(frame: EncodedFrame, content: bytes) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(frame.transfer_syntax_uid)
    dataset.SOPInstanceUID = frame.sop_instance_uid
    for keyword, value in frame.coding.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = content
    dataset["PixelData"].is_undefined_length = True
    return dataset


def coding_of(head: Dataset) -> dict[str, int | str]:
    """What of an image's head a decoder must know."""
    values = {keyword: head.get(keyword, None) for keyword in CODING_KEYWORDS}
    return {
        keyword: value if isinstance(value, int) else str(value)
        for keyword, value in values.items()
        if value is not None
    }


def _content(frame: EncodedFrame) -> bytes:
    file = os.open(Path(frame.path), os.O_RDONLY)
    try:
        ranges = frame.ranges or fragments(file, frame.start)[1]
        content = b"".join(os.pread(file, length, offset) for offset, length in ranges)
    except CutError as error:
        uid = frame.sop_instance_uid
        raise PixelError(f"instance {uid}: its file is truncated or damaged; send it again") from error
    finally:
        os.close(file)
    return content
