"""The values that a model answers with: codes, regions, measurements, findings, results.

Coordinates are those of the source image's pixel grid as SCOORD counts them (PS3.3 C.18.6.1.2) and
torchvision's boxes do: column then row, the top-left corner of the top-left pixel is (0, 0), its
centre (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from dicomnode.study import SourceReference


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: Code Value, Coding Scheme Designator, Code Meaning (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


class Outcome(StrEnum):
    """How a model's run on a study ended; each is a coded answer of its own."""

    FINDINGS = "findings"
    NO_FINDINGS = "no_findings"
    OUT_OF_SCOPE = "out_of_scope"
    REFUSED = "refused"
    FAILED = "failed"


class Presence(StrEnum):
    """Whether the concept asked for is in the study."""

    PRESENT = "present"
    ABSENT = "absent"
    UNDETERMINED = "undetermined"


class Maker(StrEnum):
    """What kind of thing made a result."""

    MODEL = "model"
    TOOL = "tool"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model answered (TID 4019, PS3.3 10.8 Contributing Equipment), or who drew what a result shows.

    Attributes:
        name: Bundle name, such as ``brain_mri_tumor_classifier``.
        version: Version of the bundle.
        manufacturer: Who made the model.
        digest: Hex SHA-256 over the bundle's files; changes at every retraining.
        parameters: Operating threshold and the like, one line of text (TID 4019 row 3).
        not_for: What the model must not be used for, one sentence; empty if its bundle does not say.
        maker: A model, or for annotations the tool or the person that drew them; a person's name is a DICOM one
            (``Family^Given``), and ``manufacturer`` the organisation.
    """

    name: str
    version: str
    manufacturer: str
    digest: str
    parameters: str = ""
    not_for: str = ""
    maker: Maker = Maker.MODEL


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with its unit.

    Attributes:
        concept: What was measured.
        value: In ``unit``.
        unit: UCUM code, such as ``mm``.
    """

    concept: Code
    value: float
    unit: Code


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline on one source image.

    Attributes:
        image: Where it lies.
        points: (N, 2) column, row in source pixels, N >= 3; the first point is not repeated.
        is_box: True if it is the four corners of a bounding box, not an outline.
    """

    image: SourceReference
    points: npt.NDArray[np.float64]
    is_box: bool = False


@dataclass(frozen=True, slots=True)
class Mask:
    """A segmented region over one or more source images.

    Attributes:
        images: One per plane of ``pixels``.
        pixels: (len(images), Rows, Columns) bool, on the source pixel grid.
    """

    images: tuple[SourceReference, ...]
    pixels: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Finding:
    """One lesion or other region that a model points at.

    Attributes:
        concept: What it is, such as (4147007, SCT, Mass).
        label: Short human name, such as ``Lesion 1``; also the tracking identifier.
        tracking_uid: Same in SR group and SEG segment.
        score: 0..1.
        contours: One closed outline per image it shows on; the first is the key image.
        site: Anatomic location.
        mask: Its pixels, or None.
        measurements: Sizes; empty where spacing cannot be trusted.
        laterality: Side of the site, (7771000, SCT, Left) or (24028007, SCT, Right); None if it is no paired organ.
    """

    concept: Code
    label: str
    tracking_uid: str
    score: float
    contours: tuple[Polygon, ...]
    site: Code | None = None
    mask: Mask | None = None
    measurements: tuple[Measurement, ...] = ()
    laterality: Code | None = None


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Score of one output class for the whole study, 0..1."""

    concept: Code
    score: float


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of the things that a model looked at one by one are positive.

    Attributes:
        unit: What was counted, one singular English word: ``tile`` or ``cell``.
        examined: How many were looked at; what was left out (glass without tissue) does not count.
        positive: How many reached the operating point.
    """

    unit: str
    examined: int
    positive: int

    @property
    def percentage(self) -> float:
        """Positive among the examined, 0..100; 0 if none was examined."""
        return 100.0 * self.positive / self.examined if self.examined else 0.0


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Scores over one image or, for a tiled image, over its total pixel matrix.

    Attributes:
        image: The image; without a frame number the whole instance.
        scores: (R, C) float32, 0..1; NaN where nothing was examined.
        origin: Column and row of the map's top-left corner in the image's pixels.
        step: Width and height of one element of the map in the image's pixels.
    """

    image: SourceReference
    scores: npt.NDArray[np.float32]
    origin: tuple[float, float]
    step: tuple[float, float]


@dataclass(frozen=True, slots=True)
class SideAnswer:
    """The answer for one side of a paired organ, such as one breast of a mammography exam.

    Attributes:
        laterality: (7771000, SCT, Left) or (24028007, SCT, Right).
        presence: Present, absent or undetermined.
        score: 0..1, of the study answer's concept.
        classes: Scores of the single classes, highest first.
        carried_by: The images of this side that carried the answer, most important first.
    """

    laterality: Code
    presence: Presence
    score: float
    classes: tuple[ClassScore, ...]
    carried_by: tuple[SourceReference, ...]


@dataclass(frozen=True, slots=True)
class Attention:
    """A piece of an image that a network chose to look at closely; it is no finding.

    Attributes:
        box: Its corners.
        weight: Its share of the network's attention to the image, 0..1.
    """

    box: Polygon
    weight: float


@dataclass(frozen=True, slots=True)
class StudyAnswer:
    """The model's one answer for the whole study.

    Attributes:
        concept: What was asked for, such as (126952004, SCT, Neoplasm of brain).
        presence: Present, absent or undetermined.
        score: 0..1, of ``concept``.
        calibrated: True if ``score`` was calibrated and may be called a probability.
        threshold: Operating point that ``score`` was compared with.
        classes: Scores of the single classes, highest first; empty for a detector.
        carried_by: The images that carried the answer, most important first.
        method: One sentence: how images answer for the series, and at which level the threshold holds.
        site: Anatomic location, or None.
        tally: Counts of a model that looks at tiles or cells, else None.
        sides: Answers for the left and the right side, of a model that gives them.
    """

    concept: Code
    presence: Presence
    score: float
    calibrated: bool
    threshold: float
    classes: tuple[ClassScore, ...]
    carried_by: tuple[SourceReference, ...]
    method: str
    site: Code | None = None
    tally: Tally | None = None
    sides: tuple[SideAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What one model says of one study.

    Attributes:
        study_instance_uid: Study that was analysed.
        model: Which model.
        outcome: One of five coded outcomes.
        reason: One line: why this outcome.
        answer: None unless the outcome is FINDINGS or NO_FINDINGS.
        findings: Regions, strongest first.
        images: Every source image that the model was given, in reading order; may be empty if refused.
        input_digest: Hex SHA-256 over the content of the selected instances and the settings that change evidence.
        created: When the result was first made, with time zone; stored once and reused.
        heat_maps: Scores over whole images, at most one per image.
        attention: What the network looked at closely, the highest weight of each image first.
    """

    study_instance_uid: str
    model: ModelIdentity
    outcome: Outcome
    reason: str
    answer: StudyAnswer | None
    findings: tuple[Finding, ...]
    images: tuple[SourceReference, ...]
    input_digest: str
    created: datetime
    heat_maps: tuple[HeatMap, ...] = ()
    attention: tuple[Attention, ...] = ()
