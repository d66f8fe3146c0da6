"""What is drawn over a projection: outlines of findings, and boxes of what the network attended to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.evidence.measurements import outlines, percent
from dicomnode.evidence.projections import Projection, same_image
from dicomnode.findings import Result


@dataclass(frozen=True, slots=True)
class Shape:
    """A closed outline and the words beside it.

    Attributes:
        points: (N, 2) column, row in source pixels; the first point is not repeated.
        label: Such as ``Lesion 1: 87 %``.
    """

    points: npt.NDArray[np.float64]
    label: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """All shapes on one projection.

    Attributes:
        projection: The image.
        findings: Outlines of findings, strongest first.
        attention: Boxes that the network attended to.
    """

    projection: Projection
    findings: tuple[Shape, ...]
    attention: tuple[Shape, ...]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Findings, then attention."""
        return self.findings + self.attention


def overlays_of(result: Result, projections: tuple[Projection, ...]) -> tuple[Overlay, ...]:
    """The overlays of those projections that have anything to draw."""
    every = (
        Overlay(projection, _findings(result, projection), _attention(result, projection)) for projection in projections
    )
    return tuple(overlay for overlay in every if overlay.shapes)


def _findings(result: Result, projection: Projection) -> tuple[Shape, ...]:
    return tuple(
        Shape(polygon.points, f"{finding.label}: {percent(finding.score):.0f} %")
        for finding in result.findings
        for polygon in outlines(finding)
        if same_image(polygon.image, projection.image)
    )


def _attention(result: Result, projection: Projection) -> tuple[Shape, ...]:
    return tuple(
        Shape(attention.box.points, f"Attention: {percent(attention.weight):.0f} %")
        for attention in result.attention
        if same_image(attention.box.image, projection.image)
    )
