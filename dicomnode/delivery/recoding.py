"""An object in another transfer syntax, without loss (PS3.5 chapter 10)."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID


def recoded(path: Path, transfer_syntax_uid: str) -> Dataset:
    """The data set of a file, ready to be encoded in an uncompressed transfer syntax.

    Pixels that are compressed are decompressed; what was lost when they were compressed stays lost, and no more is.

    Args:
        path: A file (PS3.10).
        transfer_syntax_uid: Implicit or Explicit VR Little Endian, deflated or not.
    """
    dataset = dcmread(path)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        dataset.decompress(as_rgb=False, generate_instance_uid=False)
    wanted = UID(transfer_syntax_uid)
    if not wanted.is_implicit_VR:  # pynetdicom turns explicit into implicit itself, and wants to be told what was read
        dataset.file_meta.TransferSyntaxUID = wanted
    return dataset
