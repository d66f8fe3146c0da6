"""The answer for people: sentences as text, outlines and masks as pictures, all from what came back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, EnhancedSRStorage, SegmentationStorage

from dicomnode.demo.collecting import Fetched
from dicomnode.demo.objects import Outline, masks, outlines, sections
from dicomnode.demo.pictures import SYNTHETIC, draw_pictures, make_slices

_FINDINGS = "Findings"


def text_reports(fetched: Sequence[Fetched]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Model, heading and sentences of every section of the text reports."""
    return [
        (item.model, heading, sentences)
        for item in fetched
        if item.dataset.SOPClassUID == EnhancedSRStorage
        for heading, sentences in sections(item.dataset)
    ]


def findings(fetched: Sequence[Fetched]) -> list[tuple[str, tuple[str, ...]]]:
    """Each model with the sentences of its Findings section; the conclusions are in the report file."""
    return [(model, sentences) for model, heading, sentences in text_reports(fetched) if heading == _FINDINGS]


def write_report(fetched: Sequence[Fetched], path: Path) -> None:
    """Write the sentences of the text reports to a file."""
    lines = [SYNTHETIC]
    model_before = ""
    for model, heading, sentences in text_reports(fetched):
        if model != model_before:
            lines += ["", model, "=" * len(model)]
            model_before = model
        lines += ["", heading, *(f"  {sentence}" for sentence in sentences)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_pictures(images: Sequence[Dataset], fetched: Sequence[Fetched], folder: Path) -> tuple[Path, ...]:
    """Draw what SR and SEG say on the source images.

    Args:
        images: The source series, caudal slice first.
        fetched: From the second PACS.
        folder: Where the PNG files go.

    Returns:
        The files, the overview first.
    """
    drawn: dict[str, list[Outline]] = {}
    filled: dict[str, npt.NDArray[np.bool_]] = {}
    title = ""
    for item in fetched:
        if item.dataset.SOPClassUID == Comprehensive3DSRStorage:
            found = outlines(item.dataset)
            title = item.model if found else title
            drawn |= found
        elif item.dataset.SOPClassUID == SegmentationStorage:
            filled |= masks(item.dataset)
    sentences = _findings_of(title, fetched)
    return draw_pictures(make_slices(images, drawn, filled), title or "Answer", sentences, folder)


def _findings_of(title: str, fetched: Sequence[Fetched]) -> tuple[str, ...]:
    """Findings of the model that drew something, else of the first one."""
    found = findings(fetched)
    return next((sentences for model, sentences in found if model == title), found[0][1] if found else ())
