"""The magnifications of a whole slide, which are instances of one series (PS3.3 C.8.12.14)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import dcmread

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import QidoQuery
from dicomnode.dicom.tiling import WHOLE_SLIDE_MICROSCOPY, total_size
from dicomnode.errors import GeometryError, NotDicomError, PixelError
from dicomnode.study import Instance

_TAGS = ["ImageType", "TotalPixelMatrixRows", "TotalPixelMatrixColumns", "SOPInstanceUID"]
_OF_THE_WHOLE = ("VOLUME", "THUMBNAIL")  # not the label, nor the overview of the glass
_ENOUGH = 800  # columns, for a picture on a page


@dataclass(frozen=True, slots=True)
class _Level:
    instance: Instance
    columns: int


def lowest_level(archive: Archive, instance: Instance) -> Instance:
    """The level of an instance's slide with the fewest pixels that are enough for a page; the largest if none has.

    Raises:
        PixelError: Another image than of a slide.
    """
    keys = (("StudyInstanceUID", instance.study_instance_uid), ("SeriesInstanceUID", instance.series_instance_uid))
    found = archive.studies.search_instances(QidoQuery(match=keys))
    levels = [_level(record.instance) for record in found if record.instance.sop_class_uid == WHOLE_SLIDE_MICROSCOPY]
    known = sorted((level for level in levels if level is not None), key=lambda level: level.columns)
    if not known:
        raise PixelError(f"instance {instance.sop_instance_uid} is no image of a whole slide")
    return next((level.instance for level in known if level.columns >= _ENOUGH), known[-1].instance)


def slide_size(instance: Instance) -> tuple[int, int]:
    """Rows and columns of the whole slide at the magnification of an instance; zeros where it does not say."""
    try:
        return total_size(dcmread(instance.path, stop_before_pixels=True, specific_tags=_TAGS))
    except (GeometryError, NotDicomError, OSError, ValueError):
        return 0, 0


def _level(instance: Instance) -> _Level | None:
    head = dcmread(instance.path, stop_before_pixels=True, specific_tags=_TAGS)
    kind = list(head.get("ImageType") or ())
    if len(kind) > 2 and kind[2] not in _OF_THE_WHOLE:
        return None
    return _Level(instance, int(head.get("TotalPixelMatrixColumns") or 0))
