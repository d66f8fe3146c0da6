"""The mammograms of a split, read and prepared whenever they are asked for: no memory holds them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydicom import dcmread

from dicomnode.dicom.mammography import MammogramView
from dicomnode.dicom.turn import UPRIGHT, Turn, upright_turn
from dicomnode.errors import GeometryError, RecipeError
from dicomnode.inference.files import PICTURE_SUFFIXES
from dicomnode.inference.mammography.preparation import Prepared, prepare
from dicomnode.learning.data.exams import BreastImage, Exam, Unit, breast_images, whole_exams
from dicomnode.learning.data.pictures import read_sample
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.recipes.exam import ExamSection
from dicomnode.learning.recipes.recipe import DataSection

_MAPS = ("benign", "malignant")


@dataclass(frozen=True, slots=True)
class ExamStore:
    """The mammograms of one split.

    Attributes:
        images: Those that the network is shown, in order; with unit exam, only those of whole exams.
        exams: The whole exams; none with unit image.
        section: What is seen at once, and how large.
        maps: Folder of heat maps that become two further channels; None for none.
    """

    images: tuple[BreastImage, ...]
    exams: tuple[Exam, ...]
    section: ExamSection
    maps: Path | None = None

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Of the images."""
        return tuple(image.sample for image in self.images)

    @property
    def units(self) -> Sequence[Unit]:
        """What the network sees at once."""
        return self.exams if self.section.unit == "exam" else self.images

    def read(self, images: Iterable[BreastImage]) -> torch.Tensor:
        """(B, C, h, w) float32 of images of the same position, prepared."""
        with ThreadPoolExecutor() as threads:
            return torch.stack(list(threads.map(self._read, images)))

    def _read(self, image: BreastImage) -> torch.Tensor:
        size = self.section.size_of(image.position)
        pixels = torch.from_numpy(prepared(image, size).pixels)
        return pixels if self.maps is None else torch.cat([pixels, read_maps(self.maps, image, size)])


def open_exams(data: DataSection, section: ExamSection, samples: Sequence[Sample], folder: Path) -> ExamStore:
    """The mammograms of ``samples``.

    Args:
        data: Names the classes.
        section: What is seen at once, and how large.
        samples: Of one split.
        folder: The data set.
    """
    images = breast_images(data, samples)
    maps = None if section.heat_maps is None else folder / section.heat_maps.folder
    if section.unit == "image":
        return ExamStore(images, (), section, maps)
    exams = whole_exams(images)
    return ExamStore(tuple(view for exam in exams for view in exam.views.values()), exams, section, maps)


def prepared(image: BreastImage, size: tuple[int, int]) -> Prepared:
    """A mammogram as the node would give it to a network of this input size."""
    view = MammogramView(image.laterality, image.position, turn=_turn(image))
    pixels = read_sample(image.sample).as_tensor()[0].numpy()
    return prepare(pixels, view, size)


def map_path(folder: Path, image: BreastImage) -> Path:
    """Where the heat maps of an image are kept."""
    return folder / f"{image.sample.name}.npz"


def read_maps(folder: Path, image: BreastImage, size: tuple[int, int]) -> torch.Tensor:
    """(2, h, w) float32 0..1: benign, malignant.

    Raises:
        RecipeError: If they are missing, or of another size.
    """
    path = map_path(folder, image)
    if not path.is_file():
        raise RecipeError(f"{path}: heat maps are missing; dicomnode train draws them when a run begins")
    with np.load(path) as content:
        maps = torch.from_numpy(np.stack([content[name] for name in _MAPS]))
    found = tuple(maps.shape[1:])
    if found != size:
        raise RecipeError(f"{path}: is of {found} pixels, the recipe wants {size}; delete the folder of heat maps")
    return maps.float() / 255


def write_maps(folder: Path, image: BreastImage, maps: torch.Tensor) -> None:
    """Keep (2, h, w) heat maps 0..1 with eight bits a pixel."""
    path = map_path(folder, image)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = (maps * 255).round().to(torch.uint8).cpu().numpy()
    np.savez_compressed(path, **dict(zip(_MAPS, stored, strict=True)))


def _turn(image: BreastImage) -> Turn:
    """What makes the stored pixels upright; research sets often hold no orientation, or none that can be meant."""
    if image.sample.path.suffix.lower() in PICTURE_SUFFIXES:
        return UPRIGHT
    header = dcmread(image.sample.path, specific_tags=["PatientOrientation"], stop_before_pixels=True)
    try:
        return upright_turn(header.get("PatientOrientation", None) or (), image.laterality, image.position)
    except GeometryError:
        return UPRIGHT
