"""Readers of DICOM series that come with MONAI, to be measured beside the node's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monai.transforms import LoadImage


def monai_reader(folder: Path) -> Callable[[], object]:
    """MONAI's own way from a folder with one series to a tensor (Columns, Rows, Slices)."""
    load = LoadImage(reader="PydicomReader", image_only=True)
    return lambda: load(folder)
