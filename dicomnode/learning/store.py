"""A split held in memory as the network will see it, so that no epoch decodes a picture twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from dicomnode.learning.pictures import Transform, read_picture
from dicomnode.learning.sources import Sample


@dataclass(frozen=True, slots=True)
class ImageStore:
    """Preprocessed images of one split.

    Attributes:
        samples: In order.
        images: (N, C, h, w) of the type they were loaded as.
        affines: (N, 4, 4) float64 from processed to source pixel indices.
    """

    samples: tuple[Sample, ...]
    images: torch.Tensor
    affines: torch.Tensor

    def batches(self, size: int) -> Iterator[torch.Tensor]:
        """The images in order as (B, C, h, w) float32."""
        for start in range(0, len(self.samples), size):
            yield self.images[start : start + size].float()


def load_images(samples: tuple[Sample, ...], transform: Transform, dtype: torch.dtype = torch.float16) -> ImageStore:
    """Read and preprocess every sample; half precision halves what a training split takes in memory."""
    images, affines = [], []
    for sample in samples:
        processed = transform(read_picture(sample.path))
        images.append(processed.as_tensor().to(dtype))
        affines.append(torch.as_tensor(processed.affine, dtype=torch.float64))
    if not samples:
        return ImageStore((), torch.zeros(0, 1, 1, 1, dtype=dtype), torch.zeros(0, 4, 4))
    return ImageStore(samples, torch.stack(images), torch.stack(affines))


def shuffled(count: int, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Index batches over a random order; the incomplete last batch is left out, for batch norm's sake."""
    order = torch.randperm(count, generator=generator)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]
