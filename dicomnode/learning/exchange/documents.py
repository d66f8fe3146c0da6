"""Annotations of exported pictures as DICOM SR and SEG of the studies that the pictures came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom import dcmread

from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.errors import GateError, InputError, UsageError
from dicomnode.evidence import EvidenceObject, NodeIdentity, build_annotations, examine, to_bytes
from dicomnode.findings import Code, Maker, ModelIdentity, Result
from dicomnode.learning.data.annotations import AnnotationSet, read_class_masks, read_coco, read_kitti
from dicomnode.learning.exchange.drawn import results_of
from dicomnode.learning.exchange.geometry import Geometry, read_geometries


@dataclass(frozen=True, slots=True)
class Observer:
    """Who drew.

    Attributes:
        name: Of a person in DICOM's form, ``Family^Given``; or of a tool.
        organisation: Of the person, or who makes the tool; may be empty.
        version: Of the tool; empty for a person.
        is_person: False for a tool.
    """

    name: str
    organisation: str
    version: str
    is_person: bool


@dataclass(frozen=True, slots=True)
class Written:
    """The objects of a study.

    Attributes:
        files: One for each object.
        remarks: Why an object is missing.
    """

    files: tuple[Path, ...]
    remarks: tuple[str, ...]


def write_documents(
    annotations: Path,
    geometry: Path,
    sources: Sequence[Path],
    out: Path,
    observer: Observer,
    created: datetime,
    node: NodeIdentity,
    class_codes: Mapping[str, Code],
) -> tuple[Written, ...]:
    """Write ``OUT/<Study Instance UID>/lesions.dcm`` and segmentations, for each study that something is drawn on.

    Of mammograms and radiographs each has a report of its own: ``lesions-2.dcm``.

    Args:
        annotations: A COCO table, or a folder with KITTI's labels or with class masks.
        geometry: The folder of sidecars.
        sources: The images that were exported; patient and study are taken from them.
        out: Made if it does not exist.
        observer: Who drew.
        created: With time zone.
        node: Who writes.
        class_codes: Codes of classes.

    Raises:
        InputError: Annotations, geometry and sources do not belong together.
        GateError: An object is not sound.
    """
    drawn, known = read_annotations(annotations), read_geometries(geometry)
    drawer = _drawer(observer, drawn)
    files = _by_uid(sources)
    written = []
    for result in results_of(drawn, known, drawer, created, class_codes):
        paths = _sources_of(result, files, known)
        objects, remarks = build_annotations(result, paths, node)
        folder = out / result.study_instance_uid
        folder.mkdir(parents=True, exist_ok=True)
        written.append(Written(tuple(_write(objects, paths, folder)), remarks))
    return tuple(written)


def read_annotations(place: Path) -> AnnotationSet:
    """Annotations in whichever of the three formats lies there.

    Raises:
        UsageError: It is none of them.
        InputError: It is damaged.
    """
    if place.is_file() and place.suffix.lower() == ".json":
        return read_coco(place)
    if (place / "masks").is_dir():
        return read_class_masks(place)
    if (place / "labels").is_dir() or (place / "label_2").is_dir():
        return read_kitti(place)
    raise UsageError(f"{place}: is no COCO table (*.json) and no folder with labels (KITTI) or masks in it")


def _drawer(observer: Observer, drawn: AnnotationSet) -> ModelIdentity:
    digest = hashlib.sha256(repr((observer, drawn)).encode()).hexdigest()
    maker = Maker.PERSON if observer.is_person else Maker.TOOL
    return ModelIdentity(observer.name, observer.version, observer.organisation, digest, maker=maker)


def _by_uid(sources: Sequence[Path]) -> dict[str, tuple[Path, InstanceHeader]]:
    headers = [(path, read_header(path)) for path in sources]
    return {header.sop_instance_uid: (path, header) for path, header in headers}


def _sources_of(
    result: Result, files: Mapping[str, tuple[Path, InstanceHeader]], known: Mapping[str, Geometry]
) -> list[Path]:
    sizes = {geometry.sop_instance_uid: (geometry.rows, geometry.columns) for geometry in known.values()}
    paths = []
    for image in result.images:
        if image.sop_instance_uid not in files:
            raise InputError(f"image {image.sop_instance_uid} is not among the sources; give its DICOM file too")
        path, header = files[image.sop_instance_uid]
        if (header.rows, header.columns) != sizes[image.sop_instance_uid]:
            raise InputError(f"image {image.sop_instance_uid} has another size than when it was exported; export anew")
        if header.study_instance_uid != result.study_instance_uid:
            raise InputError(f"image {image.sop_instance_uid} was in another study when it was exported; export anew")
        paths.append(path)
    return list(dict.fromkeys(paths))


def _write(objects: Sequence[EvidenceObject], sources: Sequence[Path], folder: Path) -> Iterator[Path]:
    headers = [dcmread(path, stop_before_pixels=True, force=True) for path in sources]
    for item in objects:
        companions = [other.dataset for other in objects if other is not item]
        if problems := examine(item.dataset, headers, companions).problems:
            raise GateError(tuple(f"{item.kind}: {problem}" for problem in problems))
        path = folder / f"{item.kind}.dcm"
        path.write_bytes(to_bytes(item.dataset))
        yield path
