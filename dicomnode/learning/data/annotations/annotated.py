"""What every format of annotations says: pictures, and the labelled regions on them."""

from __future__ import annotations

from dataclasses import dataclass

from dicomnode.learning.data.samples import Box
from dicomnode.learning.data.shapes import Shape


@dataclass(frozen=True, slots=True)
class Region:
    """One thing that somebody marked on a picture.

    Attributes:
        label: Name of its class.
        box: xyxy in pixels of the picture, corners at pixel edges.
        shape: Its outline or mask; None if only the box is known.
    """

    label: str
    box: Box
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """A picture and what is marked on it.

    Attributes:
        path: Place of the picture in its data folder, with forward slashes.
        size: Width and height in pixels; None where the format does not tell.
        regions: May be none: the picture was looked at, and nothing is there.
        patient: Groups the pictures of one patient; empty where the format does not tell.
    """

    path: str
    size: tuple[int, int] | None
    regions: tuple[Region, ...]
    patient: str = ""


@dataclass(frozen=True, slots=True)
class AnnotationSet:
    """All pictures of one set, or of one split of it.

    Attributes:
        classes: Names of the classes, in the format's order.
        images: The pictures, in the format's order.
    """

    classes: tuple[str, ...]
    images: tuple[AnnotatedImage, ...]
