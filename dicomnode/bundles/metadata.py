"""What a node must know of a model and MONAI's metadata does not say: typed, frozen, checked when read.

The same fields stand under the key ``dicomnode`` of ``configs/metadata.json`` or, for a bundle from
elsewhere, in ``<name>.node.toml`` beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from dicomnode.findings import Code

Text = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
_CLOSED = ConfigDict(extra="forbid")


class Task(StrEnum):
    """What kind of answer the network gives."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"
    EXAM = "exam"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """Algorithm identification (TID 4019)."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    name: Text
    version: Text
    manufacturer: Text
    family: Code


@dataclass(frozen=True, slots=True)
class Priors:
    """Earlier studies of the same patient that a model looks at beside the new one.

    Attributes:
        count: How many, the newest first.
        same_modality: Only studies that share a modality with the new one.
        same_body_part: Only studies that share a Body Part Examined (0018,0015), where both name some.
        within_days: Not older than this, by Study Date; None for any age.
        required: Without all of them the study is refused; else the model makes do with what there is.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    count: Annotated[int, Field(ge=1, le=16)] = 1
    same_modality: bool = True
    same_body_part: bool = True
    within_days: Annotated[int, Field(ge=1)] | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Accepts:
    """The input that a model is made for; an empty list accepts everything.

    Attributes:
        modality: (0008,0060) values.
        sop_class_uid: (0008,0016) values.
        body_part_examined: (0018,0015) values, upper case; a series that names none is accepted.
        minimum_images: Fewest images (frames counted) in a series.
        minimum_rows: Fewest rows of an image, in pixels: Rows (0028,0010), or of a tiled image Total Pixel Matrix Rows
            (0048,0007) at the resolution that is read.
        minimum_columns: Fewest columns, likewise.
        photometric: Photometric Interpretations (0028,0004).
        priors: Earlier studies that the network looks at too; only for a classifier of whole images.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    modality: tuple[Text, ...] = ()
    sop_class_uid: tuple[Text, ...] = ()
    body_part_examined: tuple[Text, ...] = ()
    minimum_images: Annotated[int, Field(ge=1)] = 1
    minimum_rows: Annotated[int, Field(ge=1)] = 1
    minimum_columns: Annotated[int, Field(ge=1)] = 1
    photometric: tuple[Text, ...] = ()
    priors: Priors | None = None


@dataclass(frozen=True, slots=True)
class OutputClass:
    """One output of the network as a coded concept.

    Attributes:
        name: Short name, as in training.
        code: The concept.
        is_finding: False for a class that says "nothing found"; a classifier's score is 1 minus the sum of these.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    name: Text
    code: Code
    is_finding: bool = True


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How slices, tiles or cells answer for a series, or breasts for an exam.

    Attributes:
        unit: What the network sees at once: a whole image (``slice``), a piece of an image at the training's pixel
            spacing (``tile``), or a whole image that shows a single cell (``cell``). Tiles and cells are counted. Of
            an exam the unit is the ``breast``: each gets an answer, and the higher one is the exam's.
        method: ``mean_of_top_k``: mean over the ``k`` units with the highest score; ``maximum``: the highest.
        k: Units that carry the answer.
        level: What the operating point was fitted on.
        statement: One sentence for the report.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    statement: Text
    unit: Literal["slice", "tile", "cell", "breast"] = "slice"
    method: Literal["mean_of_top_k", "maximum"] = "mean_of_top_k"
    k: Annotated[int, Field(ge=1)] = 1
    level: Text = "slice"


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image is cut into the tiles that the network was trained on.

    Attributes:
        spacing: Distance between pixels of a training image, mm, both ways.
        size: Rows and columns of a tile at that spacing.
        minimum_tissue: Share of a tile's pixels, 0..1, that must be tissue; a tile with less is not examined.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    spacing: Annotated[float, Field(gt=0.0)]
    size: Annotated[int, Field(ge=1)]
    minimum_tissue: Fraction = 0.1


@dataclass(frozen=True, slots=True)
class ExamInput:
    """What a network for mammography exams is shown.

    Attributes:
        unit: What the network sees at once: one ``image``, whose scores are averaged over the views of a breast, or the
            whole ``exam``, its four views together.
        cc_size: Rows and columns of a craniocaudal view as the network takes it, pixels.
        mlo_size: Likewise of a mediolateral oblique view.
        study_class: Name of the class whose score is compared with the operating point and reported as the study's.
        lesion_threshold: Saliency of that class at or above which a region of an image is a lesion, in a breast that
            reaches the operating point; None reports no lesions.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    unit: Literal["image", "exam"]
    cc_size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    mlo_size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    study_class: Text = "malignant"
    lesion_threshold: Annotated[float, Field(gt=0.0, le=1.0)] | None = None


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The threshold a score is compared with: on 1 - p(no finding), a detector's box score, or a breast's score.

    Attributes:
        threshold: 0..1; a score at or above it says present.
        target: What it was chosen for, such as ``sensitivity 0.99``.
        chosen_on: Which part of the data.
        level: ``slice``, ``tile``, ``cell``, ``series`` or ``breast``.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    threshold: Fraction
    target: str = ""
    chosen_on: str = ""
    level: str = "slice"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Temperature scaling (Guo et al., ICML 2017): logits are divided by ``temperature``.

    Of an exam model, which gives scores, the log odds of a breast's score are divided.

    Attributes:
        temperature: Above 0.
        ece: Expected calibration error after it, 0..1.
        fitted_on: Which part of the data.
        method: The only one there is.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    temperature: Annotated[float, Field(gt=0.0)]
    ece: Fraction | None = None
    fitted_on: str = ""
    method: Literal["temperature"] = "temperature"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a faster way of computing may be from plain float32, in any score of any reference image.

    Whatever the scores, no class and no finding at the operating point may change.

    Attributes:
        float32: Of ways that compute in float32, in another order.
        bfloat16: Of ways that compute with eight bits of precision.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    float32: Fraction = 1e-3
    bfloat16: Fraction = 5e-3


@dataclass(frozen=True, slots=True)
class NodeMetadata:
    """Everything under the key ``dicomnode``.

    Attributes:
        task: Kind of answer.
        algorithm: Who made it, which version.
        accepts: Input it is made for.
        classes: In the order of the network's outputs; a detector's labels 1..n.
        finding_site: Anatomic site of every finding.
        study_concept: What the study answer says is present or absent.
        aggregation: How slices, tiles or cells answer for a series.
        operating_point: Threshold.
        calibration: None if scores are not calibrated.
        not_for: What the model must not be used for.
        reference_set: Where the figures of the model card were measured, or empty.
        tiling: How images are cut; given exactly if the unit of ``aggregation`` is a tile.
        exam: What is made of an exam's views; given exactly if the task is ``exam``.
        agreement: How far faster ways of computing may be from plain float32.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    task: Task
    algorithm: Algorithm
    accepts: Accepts
    classes: Annotated[tuple[OutputClass, ...], Field(min_length=1)]
    finding_site: Code
    study_concept: Code
    aggregation: Aggregation
    operating_point: OperatingPoint
    calibration: Calibration | None = None
    not_for: str = ""
    reference_set: str = ""
    tiling: Tiling | None = None
    exam: ExamInput | None = None
    agreement: Agreement = Agreement()


def negative_classes(node: NodeMetadata) -> tuple[int, ...]:
    """Indices of the classes that mean no finding, in the order of the network's outputs."""
    return tuple(index for index, item in enumerate(node.classes) if not item.is_finding)
