"""The images of a split as the network will see them, held in memory or read when needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from monai.data import MetaTensor

from dicomnode.errors import RecipeError
from dicomnode.learning.data.pictures import Colour, Transform, read_sample
from dicomnode.learning.data.samples import Sample
from dicomnode.learning.recipes.recipe import DataSection


@dataclass(frozen=True, slots=True)
class StreamedImages:
    """Images that are read anew whenever they are asked for, for sets that no memory holds.

    Attributes:
        samples: In order.
        transform: The preprocessing.
        colour: What the pictures are read as.
    """

    samples: tuple[Sample, ...]
    transform: Transform
    colour: Colour

    def __getitem__(self, chosen: torch.Tensor | slice) -> torch.Tensor:
        """(B, C, h, w) float32 for a slice or (B,) indices."""
        samples = self.samples[chosen] if isinstance(chosen, slice) else [self.samples[int(i)] for i in chosen]
        return torch.stack(self._images(samples))

    def listed(self, chosen: torch.Tensor) -> list[torch.Tensor]:
        """(C, h, w) float32 each for (B,) indices; they may be of different sizes."""
        return self._images([self.samples[int(index)] for index in chosen])

    def places(self) -> tuple[torch.Tensor, tuple[tuple[int, int], ...]]:
        """Affines and picture sizes as in a store; every picture is read once for it."""
        with ThreadPoolExecutor() as threads:
            found = list(threads.map(self._place, self.samples))
        return torch.stack([affine for affine, _ in found]), tuple(size for _, size in found)

    def _images(self, samples: Sequence[Sample]) -> list[torch.Tensor]:
        with ThreadPoolExecutor() as threads:
            return list(threads.map(self._read, samples))

    def _read(self, sample: Sample) -> torch.Tensor:
        tensor: torch.Tensor = self.transform(read_sample(sample, self.colour)).as_tensor()
        return tensor.float()

    def _place(self, sample: Sample) -> tuple[torch.Tensor, tuple[int, int]]:
        picture = read_sample(sample, self.colour)
        return torch.as_tensor(self.transform(picture).affine, dtype=torch.float64), _size(picture)


@dataclass(frozen=True, slots=True)
class ImageStore:
    """Preprocessed images of one split.

    Attributes:
        samples: In order.
        images: (N, C, h, w) of the type they were loaded as, or what gives them when indexed.
        affines: (N, 4, 4) float64 from processed to source pixel indices; none for streamed images without boxes.
        sizes: Rows and columns of each picture, for those that have affines.
    """

    samples: tuple[Sample, ...]
    images: torch.Tensor | StreamedImages
    affines: torch.Tensor
    sizes: tuple[tuple[int, int], ...] = ()

    def listed(self, chosen: torch.Tensor) -> list[torch.Tensor]:
        """(C, h, w) float32 each for (B,) indices."""
        images = self.images
        return list(images[chosen].float()) if isinstance(images, torch.Tensor) else images.listed(chosen)

    def batches(self, size: int) -> Iterator[torch.Tensor]:
        """The images in order as (B, C, h, w) float32."""
        for start in range(0, len(self.samples), size):
            yield self.images[start : start + size].float()


def open_images(
    section: DataSection, samples: tuple[Sample, ...], transform: Transform, dtype: torch.dtype = torch.float16
) -> ImageStore:
    """The images of ``samples``, in memory or streamed as the recipe says."""
    if section.in_memory:
        return load_images(samples, transform, dtype, section.colour)
    images = StreamedImages(samples, transform, section.colour)
    if any(sample.boxes for sample in samples):
        return ImageStore(samples, images, *images.places())
    return ImageStore(samples, images, torch.zeros(0, 4, 4))


def load_images(
    samples: tuple[Sample, ...],
    transform: Transform,
    dtype: torch.dtype = torch.float16,
    colour: Colour = "grey",
) -> ImageStore:
    """Read and preprocess every sample; half precision halves what a training split takes in memory."""
    images, affines, sizes = [], [], []
    with _single_thread():
        for sample in samples:
            picture = read_sample(sample, colour)
            sizes.append(_size(picture))
            processed = transform(picture)
            images.append(processed.as_tensor().to(dtype))
            affines.append(torch.as_tensor(processed.affine, dtype=torch.float64))
    if not samples:
        return ImageStore((), torch.zeros(0, 1, 1, 1, dtype=dtype), torch.zeros(0, 4, 4))
    if len({image.shape for image in images}) > 1:
        raise RecipeError(
            "preprocessing: gives images of different sizes; end it with a resize or a padding to one size, or train a "
            "detector on tiles with data.in_memory=false"
        )
    return ImageStore(samples, torch.stack(images), torch.stack(affines), tuple(sizes))


def _size(picture: MetaTensor) -> tuple[int, int]:
    return picture.shape[-2], picture.shape[-1]


@contextmanager
def _single_thread() -> Iterator[None]:
    """Pictures are too small to be worth several threads, which wait for each other wherever a core is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def shuffled(count: int, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Index batches over a random order; the incomplete last batch is left out, for batch norm's sake."""
    order = torch.randperm(count, generator=generator)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


def repeated(count: int, size: int, steps: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """``steps`` index batches, over one random order after the other; a set smaller than a batch gives none."""
    made = 0
    while made < steps and count >= size:
        for chosen in shuffled(count, size, generator):
            if made == steps:
                return
            made += 1
            yield chosen


def balanced(labels: torch.Tensor, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Index batches of an epoch of the same length in which every class is equally probable; pictures may repeat."""
    weights = 1 / labels.bincount().double()[labels]
    order = torch.multinomial(weights, len(labels), replacement=True, generator=generator)
    for start in range(0, len(labels) - size + 1, size):
        yield order[start : start + size]


def parts(batches: Iterable[torch.Tensor], count: int) -> Iterator[torch.Tensor]:
    """Each index batch in ``count`` equal parts, of which it must be a multiple."""
    for batch in batches:
        yield from batch.chunk(count)
