"""Checks of a presentation state: what it shows, how, and that it says what it is (PS3.3 A.33.1)."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from dicomnode.dicom.display import read_window
from dicomnode.evidence.gate.study import exists
from dicomnode.evidence.gate.subject import Subject
from dicomnode.evidence.presentation import presentation_shape


def presentation(subject: Subject) -> Iterator[str]:
    """Images exist, each has its area, its window and its graphics, and graphics lie on the image."""
    if subject.role != "presentation":
        return
    dataset = subject.dataset
    listed = {
        _uid(item): str(series.get("SeriesInstanceUID"))
        for series in dataset.get("ReferencedSeriesSequence") or []
        for item in series.get("ReferencedImageSequence") or []
    }
    for uid, series in listed.items():
        yield from _image(subject, uid, series)
    layers = {item.get("GraphicLayer") for item in dataset.get("GraphicLayerSequence") or []}
    for number, annotation in enumerate(dataset.get("GraphicAnnotationSequence") or [], 1):
        if annotation.get("GraphicLayer") not in layers:
            yield f"annotation {number} lies on a layer that is not described"
        if not set(_cited(annotation)) <= set(listed):
            yield f"annotation {number} is on an image that ReferencedSeriesSequence does not list"
        yield from _graphics(subject, f"annotation {number}", annotation)


def _image(subject: Subject, uid: str, series: str) -> Iterator[str]:
    if not exists(subject, uid):
        yield f"referenced image {uid} does not exist in the study"
    dataset = subject.dataset
    areas = [i for i in dataset.get("DisplayedAreaSelectionSequence") or [] if uid in _cited(i)]
    if len(areas) != 1:
        yield f"image {uid} does not have one displayed area"
    annotations = [i for i in dataset.get("GraphicAnnotationSequence") or [] if uid in _cited(i)]
    words = [str(t.get("UnformattedTextValue")) for i in annotations for t in i.get("TextObjectSequence") or []]
    if not any("not verified" in word for word in words):
        yield f"image {uid} is shown without the words 'not verified'"
    source = subject.sources.get(uid)
    if source is not None:
        yield from _as_its_source(dataset, uid, series, source, areas)


def _as_its_source(dataset: Dataset, uid: str, series: str, source: Dataset, areas: list[Dataset]) -> Iterator[str]:
    if source.get("SeriesInstanceUID") != series:
        yield f"reference to image {uid} has a series that is not the image's"
    whole = [1, 1, source.get("Columns"), source.get("Rows")]
    for area in areas:
        corners = ("DisplayedAreaTopLeftHandCorner", "DisplayedAreaBottomRightHandCorner")
        if [int(value) for corner in corners for value in area.get(corner) or []] != whole:
            yield f"the displayed area of image {uid} is not the whole image"
    windows = [i for i in dataset.get("SoftcopyVOILUTSequence") or [] if uid in _cited(i)]
    if len(windows) != int(bool(source.get("VOILUTSequence")) or read_window(source) is not None):
        yield f"the window of image {uid} is not that of the image; it would look different"
    if dataset.get("PresentationLUTShape") != presentation_shape(source):
        yield f"image {uid} would be shown with its greys reversed"


def _graphics(subject: Subject, where: str, annotation: Dataset) -> Iterator[str]:
    graphics = annotation.get("GraphicObjectSequence") or []
    if not graphics:
        yield f"{where} draws nothing"
    for graphic in graphics:
        data = [float(value) for value in graphic.get("GraphicData") or []]
        points = list(zip(data[::2], data[1::2], strict=False))
        if graphic.get("NumberOfGraphicPoints") != len(points) or len(points) < 4 or points[0] != points[-1]:
            yield f"{where}: the outline is not closed, or has another number of points than it says"
        for source in (subject.sources.get(uid) for uid in _cited(annotation)):
            if source is not None and not _inside(points, source):
                yield f"{where}: the outline leaves the image"


def _inside(points: list[tuple[float, float]], source: Dataset) -> bool:
    columns, rows = float(source.get("Columns") or 0), float(source.get("Rows") or 0)
    return all(0 <= column <= columns and 0 <= row <= rows for column, row in points)


def _cited(item: Dataset) -> list[str]:
    return [_uid(reference) for reference in item.get("ReferencedImageSequence") or []]


def _uid(reference: Dataset) -> str:
    return str(reference.get("ReferencedSOPInstanceUID"))
