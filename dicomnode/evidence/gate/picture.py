"""Checks of a picture: it names its source, repeats what is burnt into it, and cannot be measured in (PS3.3 A.8.1)."""

from __future__ import annotations

from collections.abc import Iterator

from dicomnode.evidence.gate.study import exists
from dicomnode.evidence.gate.subject import Subject

_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def picture(subject: Subject) -> Iterator[str]:
    """One source image that exists, all of the pixels, no spacing, and no claim about burnt-in identity of its own."""
    if subject.role != "picture":
        return
    dataset = subject.dataset
    size = int(dataset.get("Rows") or 0) * int(dataset.get("Columns") or 0) * 3
    if len(dataset.get("PixelData") or b"") != size + size % 2:
        yield "PixelData does not have three bytes for each pixel"
    for keyword in _SPACINGS:
        if keyword in dataset:
            yield f"{keyword} is present, but the picture was reduced; sizes measured in it would be wrong"
    if "not verified" not in str(dataset.get("DerivationDescription")):
        yield "DerivationDescription does not say that the result is not verified"
    references = [str(i.get("ReferencedSOPInstanceUID")) for i in dataset.get("SourceImageSequence") or []]
    # A substitute shows the images of a segmentation side by side.
    if not references or (len(references) > 1 and subject.form is None):
        yield f"the picture names {len(references)} source images; it is of one"
    for uid in references:
        if not exists(subject, uid):
            yield f"source image {uid} does not exist in the study"
        source = subject.sources.get(uid)
        if source is not None and source.get("BurnedInAnnotation") != dataset.get("BurnedInAnnotation"):
            yield "BurnedInAnnotation is not that of the source image"
