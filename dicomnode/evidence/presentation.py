"""The overlay as a Grayscale Softcopy Presentation State (PS3.3 A.33.1), for viewers that draw no SR and no SEG.

One state shows several images, each with its own displayed area, window and graphics; what it can say once only, the
modality transformation and the polarity, must be the same in all of them. It changes nothing of how an image looks:
window and polarity are those that the image asks for itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, GrayscaleSoftcopyPresentationStateStorage

from dicomnode.dicom.display import read_window
from dicomnode.evidence.overlay import Overlay, Shape
from dicomnode.evidence.seg_modules import COLOURS, decimal
from dicomnode.evidence.stamp import Draft, stamp
from dicomnode.evidence.views import side_of
from dicomnode.study import SourceReference

CONTENT_LABEL = "AI_UNVERIFIED"
FINDINGS_LAYER, ATTENTION_LAYER = "AI_FINDINGS", "AI_ATTENTION"
_LAYERS = (
    (FINDINGS_LAYER, "Findings of an artificial intelligence, not verified", COLOURS[0]),
    (ATTENTION_LAYER, "What the network looked at closely; no findings", COLOURS[3]),
)
_MODALITY = ("RescaleIntercept", "RescaleSlope", "RescaleType")
_LUT = ("LUTDescriptor", "LUTExplanation", "ModalityLUTType", "LUTData")


def alike(
    overlays: Iterable[Overlay], header_of: Callable[[SourceReference], Dataset]
) -> tuple[tuple[Overlay, ...], ...]:
    """The overlays in groups, each of images that one presentation state can show."""
    groups: dict[tuple[object, ...], list[Overlay]] = {}
    for overlay in overlays:
        header = header_of(overlay.projection.image)
        luts = tuple(str(item) for item in header.get("ModalityLUTSequence") or [])
        key = (presentation_shape(header), luts, *(str(header.get(keyword)) for keyword in _MODALITY))
        groups.setdefault(key, []).append(overlay)
    return tuple(tuple(group) for group in groups.values())


def presentation_document(draft: Draft, overlays: Sequence[Overlay]) -> Dataset:
    """A presentation state with outlines, boxes and words on each image that has any.

    Args:
        draft: What it is made from.
        overlays: One or more, `alike`.
    """
    model = draft.result.model
    document = _empty(draft)
    headers = [draft.sources.of(overlay.projection.image) for overlay in overlays]
    draw_state(document, overlays, headers, f"AI {model.name} {model.version}: not verified")
    stamp(document, draft)
    date_state(document)
    return document


def draw_state(document: Dataset, overlays: Sequence[Overlay], headers: Sequence[Dataset], notice: str) -> None:
    """Write what a presentation state shows, and how.

    Args:
        document: The presentation state.
        overlays: One or more, `alike`.
        headers: Of the image of each.
        notice: Words that stand on every image.
    """
    images = [overlay.projection.image for overlay in overlays]
    document.Laterality = _side(headers)
    document.ReferencedSeriesSequence = _series(images)
    document.DisplayedAreaSelectionSequence = [
        _displayed_area(image, header) for image, header in zip(images, headers, strict=True)
    ]
    document.GraphicAnnotationSequence = [item for overlay in overlays for item in _annotations(overlay, notice)]
    used = {item.GraphicLayer for item in document.GraphicAnnotationSequence}
    document.GraphicLayerSequence = [_layer(*layer) for layer in _LAYERS if layer[0] in used]
    for number, item in enumerate(document.GraphicLayerSequence, 1):
        item.GraphicLayerOrder = number
    _transform_as(document, headers[0])
    windows = [_window(image, header) for image, header in zip(images, headers, strict=True)]
    if any(windows):
        document.SoftcopyVOILUTSequence = [window for window in windows if window is not None]
    document.PresentationLUTShape = presentation_shape(headers[0])


def date_state(document: Dataset) -> None:
    """Date the content by attributes of this IOD's own instead of those of all others."""
    document.PresentationCreationDate, document.PresentationCreationTime = document.ContentDate, document.ContentTime
    del document.ContentDate, document.ContentTime


def _empty(draft: Draft) -> Dataset:
    document = Dataset()
    document.file_meta = FileMetaDataset()
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    document.file_meta.MediaStorageSOPClassUID = GrayscaleSoftcopyPresentationStateStorage
    document.file_meta.MediaStorageSOPInstanceUID = UID(draft.sop_instance_uid)
    document.SOPClassUID = GrayscaleSoftcopyPresentationStateStorage
    document.SOPInstanceUID = UID(draft.sop_instance_uid)
    document.SeriesInstanceUID = draft.series_instance_uid
    document.Modality = "PR"
    document.InstanceNumber = draft.instance_number
    document.ContentLabel = CONTENT_LABEL
    document.ContentDescription = "Result of an artificial intelligence, not verified"
    document.ContentCreatorName = f"{draft.result.model.name[:60]}^AI"
    return document


def _side(headers: Sequence[Dataset]) -> str:
    """The side of all images; empty if they are of both."""
    sides = {side_of(header) for header in headers}
    return sides.pop() if len(sides) == 1 else ""


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _reference(image: SourceReference) -> Dataset:
    return _item(ReferencedSOPClassUID=image.sop_class_uid, ReferencedSOPInstanceUID=image.sop_instance_uid)


def _series(images: Sequence[SourceReference]) -> list[Dataset]:
    series: dict[str, list[Dataset]] = {}
    for image in images:
        series.setdefault(image.series_instance_uid, []).append(_reference(image))
    return [_item(SeriesInstanceUID=uid, ReferencedImageSequence=items) for uid, items in series.items()]


def _displayed_area(image: SourceReference, header: Dataset) -> Dataset:
    item = _item(
        ReferencedImageSequence=[_reference(image)],
        DisplayedAreaTopLeftHandCorner=[1, 1],
        DisplayedAreaBottomRightHandCorner=[int(header.Columns), int(header.Rows)],
        PresentationSizeMode="SCALE TO FIT",
    )
    spacing = header.get("PixelSpacing") or header.get("ImagerPixelSpacing")
    if spacing and len(spacing) == 2 and all(float(value) > 0 for value in spacing):
        item.PresentationPixelSpacing = [decimal(float(value)) for value in spacing]
    else:
        item.PresentationPixelAspectRatio = list(header.get("PixelAspectRatio") or (1, 1))
    return item


def _annotations(overlay: Overlay, notice: str) -> list[Dataset]:
    """An item for each layer that is drawn on; the first also says that nobody verified it."""
    layers = ((FINDINGS_LAYER, overlay.findings), (ATTENTION_LAYER, overlay.attention))
    items = [
        _item(
            ReferencedImageSequence=[_reference(overlay.projection.image)],
            GraphicLayer=layer,
            TextObjectSequence=[_words(shape) for shape in shapes],
            GraphicObjectSequence=[_outline(shape) for shape in shapes],
        )
        for layer, shapes in layers
        if shapes
    ]
    items[0].TextObjectSequence.insert(0, _notice(notice))
    return items


def _notice(words: str) -> Dataset:
    return _item(
        BoundingBoxAnnotationUnits="DISPLAY",
        UnformattedTextValue=words,
        BoundingBoxTopLeftHandCorner=[0.02, 0.95],
        BoundingBoxBottomRightHandCorner=[0.98, 0.99],
        BoundingBoxTextHorizontalJustification="LEFT",
    )


def _words(shape: Shape) -> Dataset:
    right, top = float(shape.points[:, 0].max()), float(shape.points[:, 1].min())
    return _item(
        AnchorPointAnnotationUnits="PIXEL",
        UnformattedTextValue=shape.label,
        AnchorPoint=[right, top],
        AnchorPointVisibility="N",
    )


def _outline(shape: Shape) -> Dataset:
    closed = np.concatenate([shape.points, shape.points[:1]]).astype(np.float32)
    return _item(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(closed),
        GraphicData=[float(value) for value in closed.ravel()],
        GraphicType="POLYLINE",
        GraphicFilled="N",
    )


def _layer(name: str, description: str, colour: tuple[int, int, int]) -> Dataset:
    return _item(
        GraphicLayer=name,
        GraphicLayerRecommendedDisplayCIELabValue=_cielab(colour),
        GraphicLayerDescription=description,
    )


def _cielab(colour: tuple[int, int, int]) -> list[int]:
    """L*, a*, b* as stored: 0..100 and -128..127 become 0..65535 (PS3.3 C.10.7.1.1)."""
    lightness, red_green, yellow_blue = colour
    return [round(lightness * 65535 / 100), *(round((value + 128) * 65535 / 255) for value in (red_green, yellow_blue))]


def presentation_shape(header: Dataset) -> str:
    """Presentation LUT Shape (2050,0020): the polarity that the image has by itself."""
    stated = header.get("PresentationLUTShape")
    if stated in ("IDENTITY", "INVERSE"):
        return str(stated)
    return "INVERSE" if header.get("PhotometricInterpretation") == "MONOCHROME1" else "IDENTITY"


def _transform_as(document: Dataset, header: Dataset) -> None:
    """Repeat the modality LUT or rescale of the images (PS3.3 C.11.1)."""
    if header.get("ModalityLUTSequence"):
        document.ModalityLUTSequence = [_lut(header.ModalityLUTSequence[0])]
    elif all(header.get(keyword) is not None for keyword in _MODALITY[:2]):
        document.RescaleIntercept, document.RescaleSlope = header.RescaleIntercept, header.RescaleSlope
        document.RescaleType = header.get("RescaleType") or "US"


def _window(image: SourceReference, header: Dataset) -> Dataset | None:
    """The first VOI LUT or window of an image (PS3.3 C.11.8); None if it has neither."""
    item = _item(ReferencedImageSequence=[_reference(image)])
    if header.get("VOILUTSequence"):
        item.VOILUTSequence = [_lut(header.VOILUTSequence[0])]
        return item
    window = read_window(header)
    if window is None:
        return None
    item.WindowCenter, item.WindowWidth = decimal(window.center), decimal(window.width)
    item.VOILUTFunction = window.function
    return item


def _lut(source: Dataset) -> Dataset:
    item = Dataset()
    for keyword in _LUT:
        if keyword in source:
            item[keyword] = copy.deepcopy(source[keyword])
    return item
