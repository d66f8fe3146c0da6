"""The keys of a recipe that trains on mammography exams, and on parts of other runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from dicomnode.learning.recipes.hyperparameters import Section

Size: TypeAlias = tuple[Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]]


class HeatMapSection(Section):
    """Heat maps of benign and malignant findings, which a patch classifier draws before the first epoch.

    Attributes:
        classifier: Component of ``dicomnode.networks``: the patch classifier.
        weights: The ``best.pt`` of its run; null leaves it as it was drawn at random, to try things out.
        folder: Where they are kept between runs, relative to the data folder; those that are there are not drawn anew.
        patch: Side of a patch, pixels.
        stride: Largest distance between two patches, pixels.
    """

    classifier: dict[str, Any]
    weights: Path | None = None
    folder: Path = Path("heat_maps")
    patch: int = Field(256, ge=16)
    stride: int = Field(70, ge=1)

    @field_validator("classifier")
    @classmethod
    def _ours(cls, classifier: dict[str, Any]) -> dict[str, Any]:
        if not str(classifier.get("_target_", "")).startswith("dicomnode.networks.") or "$" in repr(classifier):
            raise ValueError("classifier must have a _target_ in dicomnode.networks and no '$' expression")
        return classifier


class ExamSection(Section):
    """What the network is shown of an exam, and what its loss has besides cross entropy.

    Attributes:
        unit: What is seen at once: one ``image``, whose scores are averaged over the views of a breast, or the whole
            ``exam``, its four standard views together; exams without all of them are left out.
        cc_size: Rows and columns of a craniocaudal view, pixels.
        mlo_size: Rows and columns of a mediolateral oblique view, pixels.
        study_class: The class that answers for a breast and for the study.
        lesion_threshold: Saliency from which on the node reports a region as a lesion; null for networks without.
        saliency_l1: Weight of the sum of the saliency maps in the loss, mean over images.
        balanced: An epoch holds what has a finding and, drawn anew for each epoch, as many of the others.
        heat_maps: Two further channels of each image; null for none.
    """

    unit: Literal["image", "exam"]
    cc_size: Size
    mlo_size: Size
    study_class: str = "malignant"
    lesion_threshold: float | None = Field(None, gt=0, le=1)
    saliency_l1: float = Field(0.0, ge=0)
    balanced: bool = False
    heat_maps: HeatMapSection | None = None

    @model_validator(mode="after")
    def _images_are_alike(self) -> ExamSection:
        if self.unit == "image" and self.cc_size != self.mlo_size:
            raise ValueError("unit image needs the same cc_size and mlo_size")
        return self

    def size_of(self, position: str) -> tuple[int, int]:
        """Rows and columns of a view, ``CC`` or ``MLO``."""
        return self.cc_size if position == "CC" else self.mlo_size


class PartSection(Section):
    """A part of the network that begins with another run's weights.

    Attributes:
        weights: The other run's ``best.pt``.
        source: The beginning of the names there, such as ``columns.``; empty for all.
        target: What stands instead of it here.
    """

    weights: Path
    source: str = ""
    target: str = ""
