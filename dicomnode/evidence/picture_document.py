"""The overlay burnt into a Secondary Capture (PS3.3 A.8.1), for viewers that draw neither SR nor presentation states.

It is a picture of a picture: reduced, windowed as its source asks for, with outlines, words and a caption below. It
has no pixel spacing, so that nobody measures in it.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from dicomnode.dicom.decoding import DECODE_ERRORS
from dicomnode.dicom.display import display_picture
from dicomnode.dicom.picture import draw_overlay
from dicomnode.dicom.pixels import FramePixels, read_frame
from dicomnode.errors import PixelError
from dicomnode.evidence import concepts
from dicomnode.evidence.content import coded
from dicomnode.evidence.overlay import Overlay
from dicomnode.evidence.projections import orient_as
from dicomnode.evidence.seg_modules import copy_lossy, refer_to
from dicomnode.evidence.stamp import Draft, stamp
from dicomnode.evidence.views import side_of
from dicomnode.study import SourceReference

MAXIMUM_SIDE = 1400  # pixels
_REPEATED = ("BurnedInAnnotation", "RecognizableVisualFeatures")

Picture = npt.NDArray[np.uint8]


def picture_document(draft: Draft, overlay: Overlay) -> Dataset:
    """A Secondary Capture of one projection with its overlay burnt in.

    Raises:
        PixelError: The stored image cannot be decoded.
    """
    source = draft.sources.of(overlay.projection.image)
    pixels = _drawn(draft, overlay)
    document = _empty(draft, pixels)
    document.InstanceNumber = draft.instance_number
    document.SourceImageSequence = [source_of(overlay.projection.image)]
    orient_as(document, source)
    document.Laterality = side_of(source)
    repeat_quality(document, source)
    return stamp(document, draft)


def source_of(image: SourceReference) -> Dataset:
    """An item of the Source Image Sequence of a picture."""
    reference = Dataset()
    refer_to(reference, image)
    reference.PurposeOfReferenceCodeSequence = [coded(concepts.SOURCE_FOR_PROCESSING)]
    reference.SpatialLocationsPreserved = "NO"
    return reference


def repeat_quality(document: Dataset, source: Dataset) -> None:
    """Repeat what is burnt into the source, and what its compression lost; the node burns in nobody's identity."""
    for keyword in _REPEATED:
        if source.get(keyword):
            document[keyword] = copy.deepcopy(source[keyword])
    document.LossyImageCompression = "00"
    copy_lossy(document, source)


def _drawn(draft: Draft, overlay: Overlay) -> Picture:
    """(Rows, Columns, 3): the reduced image, its shapes, and what to think of them."""
    image = overlay.projection.image
    picture, scale = reduced(draft.sources.paths[image.sop_instance_uid], image, MAXIMUM_SIDE)
    model, view = draft.result.model, overlay.projection.view
    caption = f"AI, not verified by a human. {model.name} {model.version}{f', {view}' if view else ''}"
    shapes = overlay.findings or overlay.attention  # not both: nothing here can be switched off
    drawn = draw_overlay(picture, [shape.points * scale for shape in shapes], [s.label for s in shapes], caption)
    return np.asarray(drawn, np.uint8)


def reduced(path: Path, image: SourceReference, maximum_side: int) -> tuple[Picture, float]:
    """An image or frame as a viewer would first show it, and how much smaller it became.

    Args:
        path: Its file.
        image: Which one it is.
        maximum_side: Of the picture, pixels.

    Raises:
        PixelError: It cannot be decoded.
    """
    index = (image.frame_number or 1) - 1
    try:
        dataset = dcmread(path)
        frame = read_frame(dataset, index)
    except DECODE_ERRORS as error:
        raise PixelError(
            f"image {image.sop_instance_uid} cannot be read again for its picture; send it again"
        ) from error
    rows, columns = frame.values.shape[1:]
    scale = min(1.0, maximum_side / max(rows, columns))
    if scale < 1:
        size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
        # Reduced before it is windowed: a twentieth of the work, and means of values, not of shades.
        channels = [Image.fromarray(values).resize(size, Image.Resampling.BOX) for values in frame.values]
        frame = FramePixels(np.stack([np.asarray(channel, np.float32) for channel in channels]), frame.mirror)
    return display_picture(dataset, frame, index), scale


def _empty(draft: Draft, pixels: Picture) -> Dataset:
    document = Dataset()
    document.file_meta = FileMetaDataset()
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    document.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    document.file_meta.MediaStorageSOPInstanceUID = UID(draft.sop_instance_uid)
    document.SOPClassUID, document.SOPInstanceUID = SecondaryCaptureImageStorage, UID(draft.sop_instance_uid)
    document.SeriesInstanceUID = draft.series_instance_uid
    write_picture(document, pixels)
    return document


def write_picture(document: Dataset, pixels: Picture) -> None:
    """Write the pixels of a Secondary Capture, and what they are.

    Args:
        document: The Secondary Capture.
        pixels: (Rows, Columns, 3) RGB.
    """
    # Not the source's: no hanging protocol, reading list or model is to take it for a mammogram.
    document.Modality = "OT"
    document.ConversionType = "WSD"
    document.ImageType = ["DERIVED", "SECONDARY"]
    document.DerivationDescription = "Reduced, windowed, with the outlines of an artificial intelligence; not verified"
    document.SamplesPerPixel, document.PhotometricInterpretation, document.PlanarConfiguration = 3, "RGB", 0
    document.Rows, document.Columns = pixels.shape[:2]
    document.BitsAllocated = document.BitsStored = 8
    document.HighBit, document.PixelRepresentation = 7, 0
    document.PixelData = pixels.tobytes() + bytes(pixels.size % 2)
    document["PixelData"].VR = "OB"
