"""Files and folders on a command line as pictures and as studies, without an archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.errors import DicomNodeError, IdentityError
from dicomnode.study import Instance, Series, Study

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
_DICOM_SUFFIXES = frozenset({"", ".dcm", ".dicom", ".ima"})


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the paths of a command line lead to.

    Attributes:
        pictures: PNG, JPEG and TIFF files.
        dicom: Files that should be DICOM instances.
        missing: Paths that do not exist.
    """

    pictures: tuple[Path, ...]
    dicom: tuple[Path, ...]
    missing: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A file, or a study's folder of files, that cannot be used, and why."""

    path: Path
    text: str


def find_inputs(paths: Iterable[Path]) -> Inputs:
    """Look through files and folders, in the order given, folders sorted by name.

    A file that is named counts whatever its name; in a folder, files that are neither pictures nor look like DICOM
    by suffix or by their first bytes are passed over, and so are hidden ones and DICOMDIR.
    """
    pictures: list[Path] = []
    dicom: list[Path] = []
    missing: list[Path] = []
    for path in paths:
        if not path.exists():
            missing.append(path)
        for file in sorted(filter(_wanted, path.rglob("*"))) if path.is_dir() else [path] if path.exists() else []:
            (pictures if file.suffix.lower() in PICTURE_SUFFIXES else dicom).append(file)
    return Inputs(tuple(dict.fromkeys(pictures)), tuple(dict.fromkeys(dicom)), tuple(missing))


def read_studies(files: Sequence[Path]) -> tuple[tuple[Study, ...], tuple[Problem, ...]]:
    """Group DICOM files into studies and series; a file that cannot be read is a problem, and the others go on."""
    read: list[tuple[InstanceHeader, Instance]] = []
    problems: list[Problem] = []
    for path in files:
        try:
            header = read_header(path)
            read.append((header, _instance(header, path.absolute())))
        except (DicomNodeError, OSError) as error:
            problems.append(Problem(path, str(error)))
    studies: list[Study] = []
    for uid in dict.fromkeys(header.study_instance_uid for header, _ in read):
        members = [item for item in read if item[0].study_instance_uid == uid]
        try:
            studies.append(_study(uid, members))
        except IdentityError as error:
            problems.append(Problem(members[0][1].path, str(error)))
    return tuple(studies), tuple(problems)


def _wanted(file: Path) -> bool:
    if not file.is_file() or file.name.startswith(".") or file.name.upper() == "DICOMDIR":
        return False
    suffix = file.suffix.lower()
    return suffix in PICTURE_SUFFIXES or suffix in _DICOM_SUFFIXES or _has_preamble(file)


def _has_preamble(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _instance(header: InstanceHeader, path: Path) -> Instance:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Instance(
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        transfer_syntax_uid=header.transfer_syntax_uid,
        path=path,
        sha256=sha256,
        modality=header.modality,
        instance_number=header.instance_number,
        number_of_frames=header.number_of_frames,
    )


def _study(uid: str, members: Sequence[tuple[InstanceHeader, Instance]]) -> Study:
    if len({header.patient_id for header, _ in members}) > 1:
        raise IdentityError(f"study {uid} holds instances of more than one Patient ID; give the files of one patient")
    names = dict.fromkeys(header.series_instance_uid for header, _ in members)
    series = [_series(name, [item for item in members if item[0].series_instance_uid == name]) for name in names]
    return Study(
        study_instance_uid=uid,
        description=members[0][0].study_description,
        generation=1,
        called_ae_titles=(),
        calling_ae_titles=(),
        series=tuple(sorted(series, key=lambda item: (item.series_number or 0, item.series_instance_uid))),
    )


def _series(uid: str, members: Sequence[tuple[InstanceHeader, Instance]]) -> Series:
    first = members[0][0]
    unique = {instance.sop_instance_uid: instance for _, instance in reversed(members)}
    ordered = sorted(unique.values(), key=lambda item: (item.instance_number or 0, item.sop_instance_uid))
    return Series(
        series_instance_uid=uid,
        study_instance_uid=first.study_instance_uid,
        modality=first.modality,
        description=first.series_description,
        body_part_examined=first.body_part_examined.upper(),
        series_number=first.series_number,
        instances=tuple(ordered),
    )
