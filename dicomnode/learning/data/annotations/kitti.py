"""KITTI's text labels: one file a picture, one line a box, 15 columns (Geiger et al., CVPR 2012, development kit).

The columns are class, truncation, occlusion, observation angle, the box (left, top, right, bottom in pixels), and seven
of the object in space. A flat picture has but class and box: the others are 0, as detectors trained on it expect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from dicomnode.errors import InputError
from dicomnode.inference.files import PICTURE_SUFFIXES
from dicomnode.learning.data.annotations.annotated import AnnotatedImage, AnnotationSet, Region

COLUMNS = 15
IGNORED = "DontCare"
IMAGES, LABELS = ("images", "image_2"), ("labels", "label_2")
"""Names of the two folders: those of training tools, then those of KITTI itself."""

_DICOM = ".dcm"


def read_kitti(folder: Path, classes: Sequence[str] = ()) -> AnnotationSet:
    """Pictures with a label file of the same stem; one with an empty file has no region.

    Args:
        folder: Holds ``images`` and ``labels`` (or ``image_2`` and ``label_2``).
        classes: Their order; classes of the files that are not among them come behind, by name.

    Raises:
        InputError: A folder, or the picture of a label file, is missing, or a line is wrong.
    """
    labels, pictures = _folder(folder, LABELS), _folder(folder, IMAGES)
    by_stem = {path.stem: path for path in sorted(pictures.iterdir()) if _is_picture(path)}
    images = []
    for file in sorted(labels.glob("*.txt")):
        if file.stem not in by_stem:
            raise InputError(f"{file}: has no picture {pictures.name}/{file.stem}; add it, or remove the labels")
        path = by_stem[file.stem]
        images.append(AnnotatedImage(path.relative_to(folder).as_posix(), _size(path), tuple(_regions(file))))
    others = {region.label for image in images for region in image.regions} - set(classes)
    return AnnotationSet((*classes, *sorted(others)), tuple(images))


def write_kitti(annotations: AnnotationSet, folder: Path) -> None:
    """Write a label file for each picture into ``folder/labels``; shapes are lost, for the format has boxes only.

    Raises:
        InputError: The name of a class has a blank in it, or two pictures have one stem.
    """
    target = folder / LABELS[0]
    target.mkdir(parents=True, exist_ok=True)
    stems = [Path(image.path).stem for image in annotations.images]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise InputError(f"{twice}: several pictures have this name; KITTI's labels know no folders, rename them")
    for stem, image in zip(stems, annotations.images, strict=True):
        lines = "".join(f"{_line(region)}\n" for region in image.regions)
        (target / f"{stem}.txt").write_text(lines, encoding="utf-8")


def _folder(folder: Path, names: Sequence[str]) -> Path:
    found = next((folder / name for name in names if (folder / name).is_dir()), None)
    if found is None:
        raise InputError(f"{folder}: folder {' or '.join(names)} is missing; KITTI's layout has it")
    return found


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in (*PICTURE_SUFFIXES, _DICOM)


def _size(path: Path) -> tuple[int, int] | None:
    if path.suffix.lower() == _DICOM:
        return None
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, UnidentifiedImageError):
        return None  # told when the picture is read


def _regions(file: Path) -> Iterator[Region]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if not words or words[0] == IGNORED:
            continue
        if len(words) not in (COLUMNS, COLUMNS + 1):  # a detector's own files end with a score
            raise InputError(f"{file}: line {number} has {len(words)} columns, not {COLUMNS}; export the labels anew")
        try:
            left, top, right, bottom = (float(word) for word in words[4:8])
        except ValueError as error:
            raise InputError(f"{file}: line {number}: columns 5 to 8 are no numbers; export the labels anew") from error
        yield Region(words[0], (left, top, right, bottom))


def _line(region: Region) -> str:
    if len(region.label.split()) != 1:
        raise InputError(f"class {region.label!r}: KITTI's labels separate columns by blanks; rename the class")
    box = " ".join(f"{value:.2f}" for value in region.box)
    return f"{region.label} 0.00 0 0.00 {box} {' '.join(['0.00'] * 7)}"
