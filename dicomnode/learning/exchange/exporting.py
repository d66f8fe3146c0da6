"""DICOM files to a folder of pictures with geometry and, if asked for, annotations to go on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydicom.uid import SegmentationStorage

from dicomnode.dicom.header import read_header
from dicomnode.dicom.kinds import is_image
from dicomnode.errors import DicomNodeError
from dicomnode.learning.data.annotations import (
    AnnotatedImage,
    AnnotationSet,
    Region,
    write_class_masks,
    write_coco,
    write_kitti,
)
from dicomnode.learning.exchange.geometry import Geometry
from dicomnode.learning.exchange.pictures import export_image
from dicomnode.learning.exchange.segments import Place, read_segments

Format = Literal["coco", "kitti", "masks"]
FORMATS: tuple[Format, ...] = ("coco", "kitti", "masks")
COCO_TABLE = "annotations.json"


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of the files.

    Attributes:
        pictures: Written, in the order of the files.
        regions: How many regions of segmentations are in the annotations.
        problems: File and reason of each file that was passed over or could not be used.
    """

    pictures: tuple[Geometry, ...]
    regions: int
    problems: tuple[tuple[Path, str], ...]


def export_files(files: Sequence[Path], out: Path, kind: Format | None, classes: Sequence[str] = ()) -> Exported:
    """Write pictures, geometry and annotations; a file that cannot be used is told, and the others go on.

    Args:
        files: DICOM images and binary segmentations of them.
        out: Made if it does not exist.
        kind: Format of the annotations; those of pictures without a segmentation are empty. None for no annotations.
        classes: Come first among the classes; those of segmentations follow.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures: list[Geometry] = []
    found: dict[Place, list[Region]] = {}
    problems: list[tuple[Path, str]] = []
    seen: set[str] = set()
    for file in files:
        try:
            header = read_header(file)
            if header.sop_instance_uid in seen:
                problems.append((file, f"is instance {header.sop_instance_uid} again, which was exported already"))
            elif is_image(header.sop_class_uid):
                pictures += export_image(file, out)
                seen.add(header.sop_instance_uid)
            elif kind is not None and header.sop_class_uid == SegmentationStorage:
                for place, region in read_segments(file):
                    found.setdefault(place, []).append(region)
            else:
                problems.append((file, "is no image and no segmentation to take annotations from"))
        except (DicomNodeError, OSError) as error:
            problems.append((file, str(error)))
    regions = 0
    if kind is not None:
        annotations = _annotations(pictures, found, classes)
        _WRITERS[kind](annotations, out)
        regions = sum(len(image.regions) for image in annotations.images)
    return Exported(tuple(pictures), regions, tuple(problems))


def _annotations(
    pictures: Sequence[Geometry], found: Mapping[Place, Sequence[Region]], classes: Sequence[str]
) -> AnnotationSet:
    images = tuple(_annotated(geometry, found) for geometry in pictures)
    used = {region.label: None for image in images for region in image.regions}
    return AnnotationSet(tuple(dict.fromkeys((*classes, *used))), images)


def _annotated(geometry: Geometry, found: Mapping[Place, Sequence[Region]]) -> AnnotatedImage:
    regions = found.get((geometry.sop_instance_uid, geometry.frame_number), ())
    return AnnotatedImage(geometry.picture, (geometry.columns, geometry.rows), tuple(regions))


def _write_kitti(annotations: AnnotationSet, out: Path) -> None:
    """Names of segments may have blanks, which KITTI's labels have no room for."""
    images = tuple(
        replace(image, regions=tuple(replace(r, label="_".join(r.label.split())) for r in image.regions))
        for image in annotations.images
    )
    write_kitti(replace(annotations, images=images), out)


def _write_coco(annotations: AnnotationSet, out: Path) -> None:
    write_coco(annotations, out / COCO_TABLE)


_WRITERS: Mapping[Format, Callable[[AnnotationSet, Path], None]] = MappingProxyType(
    {"coco": _write_coco, "kitti": _write_kitti, "masks": write_class_masks}
)
