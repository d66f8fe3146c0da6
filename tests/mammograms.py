"""Drawn mammograms: breasts that no patient ever had, with lesions whose boxes and masks are known, as DICOM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset

from dicomnode.dicom.mammography import STANDARD_VIEWS
from dicomnode.dicom.turn import UPRIGHT, Turn
from dicomnode.study import Series
from tests.factories import as_series, make_instance, write_instance

FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
_CODES = {
    "CC": ("399162004", "cranio-caudal"),
    "MLO": ("399368009", "medio-lateral oblique"),
    "ML": ("399260004", "medial-lateral"),
}
_MODIFIERS = {
    "magnification": ("399163009", "Magnification"),
    "spot compression": ("399055006", "Spot Compression"),
    "implant displaced": ("399209000", "Implant Displaced"),
}
_OPPOSITE: Mapping[str, str] = dict(zip("APLRHF", "PARLFH", strict=True))
# The detector of a full-field system: 4096 rows of 0.07 mm.
_DETECTOR_MM = 4096 * 0.07


@dataclass(frozen=True, slots=True)
class PlantedLesion:
    """A lesion drawn into a mammogram, in the pixels as they are stored.

    Attributes:
        label: ``malignant`` (brighter) or ``benign``.
        box: Left, top, right, bottom; pixel (0, 0) covers 0..1.
        mask: (Rows, Columns) bool.
    """

    label: str
    box: tuple[float, float, float, float]
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Drawing:
    """An upright breast (chest wall of a left breast at the left edge) and its lesions.

    Attributes:
        pixels: (Rows, Columns) uint16, 12 bits, background 0.
        masks: One (Rows, Columns) bool per lesion.
        labels: One per lesion.
    """

    pixels: npt.NDArray[np.uint16]
    masks: tuple[npt.NDArray[np.bool_], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mammogram:
    """A DICOM mammogram and what was planted in it."""

    name: str
    dataset: FileDataset
    lesions: tuple[PlantedLesion, ...]


@dataclass(frozen=True, slots=True)
class DrawnExam:
    """A written exam: its series, its files, and the mammograms by view name (the first of each view)."""

    series: tuple[Series, ...]
    paths: tuple[Path, ...]
    views: Mapping[str, Mammogram]


def draw(
    side: str,
    position: str,
    *,
    size: tuple[int, int] = (512, 416),
    lesions: Sequence[str] = ("malignant",),
    marker: bool = True,
    seed: int = 0,
) -> Drawing:
    """Draw an upright breast.

    Args:
        side: ``L`` or ``R``.
        position: ``CC``, ``MLO`` or ``ML``.
        size: Rows, columns; 4096 x 3328 takes about two seconds.
        lesions: ``malignant`` or ``benign``, one word a lesion.
        marker: Draw a lead marker beside the breast.
        seed: Same seed, same picture.
    """
    random = np.random.default_rng([seed, side == "R", position == "MLO"])
    rows, columns = size
    # Both axes in shares of the height, so that lesions are round: y 0..1, x 0..columns / rows.
    y = (np.arange(0.5, rows)[:, None] / rows).astype(np.float32)
    x = (np.arange(0.5, columns)[None] / rows).astype(np.float32)
    middle = np.float32(0.5 if position == "CC" else 0.55)
    width = np.float32(0.62 * columns / rows)
    depth = np.clip(1 - ((y - middle) / np.float32(0.4)) ** 2 - (x / width) ** 2, 0, None)
    values = np.sqrt(depth)
    values *= 900
    values += _texture(random, rows, columns)
    values += 700
    values *= depth > 0
    if position != "CC":
        pectoral = x / (0.5 * width) + y / np.float32(0.45) < 1
        values[pectoral] = values[pectoral] * np.float32(0.2) + 1700
    masks = []
    for label in lesions:
        window, share = _plant(random, x, y, middle, float(width))
        values[window] += share * np.float32(1300 if label == "malignant" else 700)
        masks.append(np.zeros(size, bool))
        masks[-1][window] = share > 0
    if marker:
        values[int(0.03 * rows) : int(0.07 * rows) + 1, int(0.85 * columns) : int(0.93 * columns) + 1] = 3600
    pixels = np.clip(np.rint(values), 0, 4000).astype(np.uint16)
    if side == "R":
        pixels, masks = pixels[:, ::-1], [mask[:, ::-1] for mask in masks]
    return Drawing(np.ascontiguousarray(pixels), tuple(map(np.ascontiguousarray, masks)), tuple(lesions))


def make_mammogram(
    side: str = "L",
    position: str = "CC",
    *,
    size: tuple[int, int] = (512, 416),
    lesions: Sequence[str] = ("malignant",),
    seed: int = 0,
    turn: Turn = UPRIGHT,
    monochrome1: bool = False,
    for_processing: bool = False,
    inverted: bool = False,
    over_range: bool = False,
    tagged_side: str | None = None,
    orientation: str | None = "true",
    modifier: str = "",
    bits_stored: int = 12,
    marker: bool = True,
    **attributes: Any,
) -> Mammogram:
    """One mammogram as a modality would send it, or wrong in one of several ways.

    Args:
        side: ``L`` or ``R``, as drawn.
        position: ``CC``, ``MLO`` or ``ML``.
        size: Rows and columns of the upright picture.
        lesions: As for ``draw``.
        seed: As for ``draw``.
        turn: Stored so that this turn makes it upright; Patient Orientation says so.
        monochrome1: Store it with low values bright, and say so.
        for_processing: Raw values: much radiation is a high value, MONOCHROME1.
        inverted: Store low values bright and say MONOCHROME2, which is wrong.
        over_range: One pixel needs a bit more than Bits Stored.
        tagged_side: What the laterality says, if not ``side``.
        orientation: Patient Orientation of the ``true`` side, of the ``tagged`` side, or None for none.
        modifier: ``magnification``, ``spot compression`` or ``implant displaced``.
        bits_stored: 12 to 16; values keep their 12 bits.
        marker: As for ``draw``.
        attributes: As for ``make_instance``.
    """
    drawing = draw(side, position, size=size, lesions=lesions, seed=seed, marker=marker)
    stored = _stored(drawing.pixels, turn)
    top = (1 << bits_stored) - 1
    if for_processing:
        stored = np.rint(100 + 3900 * np.exp(stored / -1500)).astype(np.uint16)
    elif monochrome1 or inverted:
        stored = (top - stored).astype(np.uint16)
    if over_range:
        stored[stored.shape[0] // 2, stored.shape[1] // 2] |= np.uint16(1 << bits_stored)
    tagged = tagged_side or side
    letters = None if orientation is None else _orientation(side if orientation == "true" else tagged, position, turn)
    given: dict[str, Any] = _description(tagged, position, modifier, for_processing, size[0]) | {
        "name": f"{tagged}-{position}-{seed}-{modifier}-{for_processing}",
        "PatientOrientation": letters,
        "BitsStored": bits_stored,
        "HighBit": bits_stored - 1,
        "PhotometricInterpretation": "MONOCHROME1" if monochrome1 or for_processing else "MONOCHROME2",
        "PresentationLUTShape": "INVERSE" if monochrome1 or for_processing else "IDENTITY",
    }
    place: dict[str, Any] = {"modality": "MG", "position": None, "orientation": None, "pixel_spacing": None}
    dataset = make_instance(pixels=stored, **(place | given | attributes))
    masks = [_stored(mask, turn) for mask in drawing.masks]
    planted = tuple(PlantedLesion(label, _box(mask), mask) for label, mask in zip(drawing.labels, masks, strict=True))
    return Mammogram(f"{tagged}-{position}", dataset, planted)


def write_exam(folder: Path, mammograms: Sequence[Mammogram], *, one_series: bool = True) -> DrawnExam:
    """Write mammograms as one series, or each as a series of its own, in the order given.

    Args:
        folder: Where to; made if missing.
        mammograms: Of one study.
        one_series: All in the series that they were made with, else one series each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, item in enumerate(mammograms, 1):
        item.dataset.InstanceNumber = number
        if not one_series:
            item.dataset.SeriesInstanceUID = f"{item.dataset.SeriesInstanceUID[:60]}.{number}"
            item.dataset.SeriesNumber = number
        paths.append(write_instance(item.dataset, folder / f"{number:02d}_{item.name}.dcm"))
    groups = [paths] if one_series else [[path] for path in paths]
    views: dict[str, Mammogram] = {}
    for item in mammograms:
        views.setdefault(item.name, item)
    return DrawnExam(tuple(as_series(group) for group in groups), tuple(paths), views)


def make_exam(
    folder: Path,
    *,
    views: Sequence[str] = STANDARD_VIEWS,
    one_series: bool = True,
    lesions: Mapping[str, Sequence[str]] | None = None,
    changed: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Any,
) -> DrawnExam:
    """Draw and write an exam.

    Args:
        folder: Where to; made if missing.
        views: Names such as ``L-CC``; leave one out for a missing view.
        one_series: As for ``write_exam``.
        lesions: Lesions by view name; a malignant one in each view if None, none in a view that is not named.
        changed: Options of ``make_mammogram`` for single views, by name, such as ``{"L-CC": {"inverted": True}}``.
        options: Options of ``make_mammogram`` for all views.
    """
    mammograms = []
    for name in views:
        side, position = name.split("-")
        own = {"lesions": ("malignant",) if lesions is None else tuple(lesions.get(name, ()))}
        mammograms.append(make_mammogram(side, position, **(options | own | dict((changed or {}).get(name, {})))))
    return write_exam(folder, mammograms, one_series=one_series)


def _texture(random: np.random.Generator, rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Fibroglandular structure: coarse blots, each a few percent of the image."""
    coarse = random.normal(0, 110, (24, 20)).astype(np.float32)
    return _stretched(_stretched(coarse, rows).T, columns).T


def _stretched(coarse: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """(count, K) from (n, K), linearly between the rows."""
    place = np.linspace(0, len(coarse) - 1, count)
    low = np.minimum(place.astype(int), len(coarse) - 2)
    part = (place - low).astype(np.float32)[:, None]
    return np.asarray(coarse[low] * (1 - part) + coarse[low + 1] * part)


def _plant(
    random: np.random.Generator,
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
    middle: np.float32,
    width: float,
) -> tuple[tuple[slice, slice], npt.NDArray[np.float32]]:
    """Where a lesion, an ellipse within the breast, lies, and its brightness there, 0..1; 0 outside the ellipse."""
    angle, distance = random.uniform(-1.0, 1.0), random.uniform(0.3, 0.7)
    at_x, at_y = width * distance * np.cos(angle), float(middle) + 0.4 * distance * np.sin(angle)
    radius_x, radius_y = random.uniform(0.025, 0.05, 2)
    rows = slice(*np.searchsorted(y[:, 0], (at_y - radius_y, at_y + radius_y)))
    columns = slice(*np.searchsorted(x[0], (at_x - radius_x, at_x + radius_x)))
    squared = ((x[:, columns] - at_x) / radius_x) ** 2 + ((y[rows] - at_y) / radius_y) ** 2
    return (rows, columns), np.where(squared < 1, 1 - 0.4 * squared, 0.0).astype(np.float32)


def _stored(upright: npt.NDArray[Any], turn: Turn) -> npt.NDArray[Any]:
    """The picture that ``turn`` makes upright."""
    rows = slice(None, None, -1 if turn.rows_reversed else 1)
    columns = slice(None, None, -1 if turn.columns_reversed else 1)
    turned = upright[rows, columns]
    return np.ascontiguousarray(turned.T if turn.transposed else turned)


def _orientation(side: str, position: str, turn: Turn) -> list[str]:
    across = "A" if side == "L" else "P"
    medial = "R" if side == "L" else "L"
    down = medial if position == "CC" else "F" if position == "ML" else "F" + medial
    if turn.columns_reversed:
        across = _OPPOSITE[across]
    if turn.rows_reversed:
        down = "".join(_OPPOSITE[letter] for letter in down)
    return [down, across] if turn.transposed else [across, down]


def _box(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _description(side: str, position: str, modifier: str, raw: bool, rows: int) -> dict[str, Any]:
    """The attributes of the Mammography Image and DX modules that say what the image is (PS3.3 C.8.11)."""
    view = _code(*_CODES[position])
    view.ViewModifierCodeSequence = [_code(*_MODIFIERS[modifier])] if modifier else []
    spacing = _DETECTOR_MM / rows
    given = {
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "SeriesDescription": "Generated mammography",
        "BodyPartExamined": "BREAST",
        "ImageLaterality": side,
        "ViewPosition": position,
        "ViewCodeSequence": [view],
        "AnatomicRegionSequence": [_code("76752008", "Breast")],
        "PresentationIntentType": "FOR PROCESSING" if raw else "FOR PRESENTATION",
        "PixelIntensityRelationship": "LIN" if raw else "LOG",
        "PixelIntensityRelationshipSign": 1 if raw else -1,
        "BreastImplantPresent": "YES" if modifier == "implant displaced" else "NO",
        "ImagerPixelSpacing": [spacing, spacing],
        "PositionerType": "MAMMOGRAPHIC",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "AcquisitionDate": "20260102",
        "AcquisitionTime": "101500",
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
        "RescaleType": "US",
        "WindowCenter": 2000,
        "WindowWidth": 4000,
    }
    return given | ({"SOPClassUID": FOR_PROCESSING} if raw else {})


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
