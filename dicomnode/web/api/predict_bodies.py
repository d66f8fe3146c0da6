"""What `POST /api/v1/predict` takes and answers, and `GET /api/v1/predict`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dicomnode.bundles import Accepts, Bundle, Task, model_identity
from dicomnode.web.predicting.choices import Choice
from dicomnode.web.predicting.statements import STATEMENTS

Score = Annotated[float, Field(ge=0.0, le=1.0)]
Point = tuple[float, float]
Box = Annotated[
    tuple[float, float, float, float],
    Field(description="x1, y1, x2, y2 in pixels, counted from the corner of the image."),
]
Png = Annotated[str, Field(pattern="^data:image/png;base64,", description="A PNG picture as a data URI.")]


class Body(BaseModel):
    """A body of the interface."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PredictQuery(Body):
    """What is asked, beside the files."""

    model: str = Field(description="Name of an approved model; GET /api/v1/predict lists them.", max_length=200)
    of_class: str | None = Field(
        default=None,
        alias="class",
        max_length=200,
        description="Class that Grad-CAM is wanted of; else the strongest one.",
    )
    grad_cam: bool = Field(default=True, description="Whether to say where the answer comes from, on up to 48 images.")
    pictures: bool = Field(default=False, description="Whether to send the images back, up to 48, as PNG.")
    masks: bool = Field(default=False, description="Whether to send masks of lesions, as PNG beside their outlines.")
    spacing: float | None = Field(
        default=None, gt=0.0, lt=1.0, description="Distance between the pixels of pictures, mm, for a model of tiles."
    )


class Concept(Body):
    """A coded concept (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


class ImageReference(Body):
    """A DICOM image; of a picture the UIDs that stand for it in this answer."""

    series_instance_uid: str
    sop_instance_uid: str
    frame_number: int | None = None


class ClassAnswer(Body):
    """Score of one class."""

    name: str = Field(description="As in training.")
    is_finding: bool = Field(description="False for a class that says that nothing is there.")
    concept: Concept
    score: Score


class Tally(Body):
    """How many tiles or cells are positive."""

    unit: str
    examined: int
    positive: int
    percentage: float


class SideAnswer(Body):
    """The answer for one side of a paired organ."""

    laterality: Concept
    presence: Literal["present", "absent", "undetermined"]
    score: Score
    classes: tuple[ClassAnswer, ...]
    carried_by: tuple[ImageReference, ...]


class Answer(Body):
    """The one answer for a picture, a series or an exam."""

    concept: Concept = Field(description="What was looked for.")
    presence: Literal["present", "absent", "undetermined"]
    score: Score = Field(description="Of the concept; present from the threshold on.")
    calibrated: bool = Field(description="Whether scores were calibrated and may be called probabilities.")
    threshold: Score = Field(description="The operating point.")
    classes: tuple[ClassAnswer, ...] = Field(description="The strongest first; empty of a detector.")
    carried_by: tuple[ImageReference, ...]
    method: str
    site: Concept | None
    tally: Tally | None
    sides: tuple[SideAnswer, ...]


class Measurement(Body):
    """A number with its UCUM unit."""

    concept: Concept
    value: float
    unit: str


class Contour(Body):
    """A closed outline on an image."""

    image: ImageReference
    is_box: bool
    points: tuple[Point, ...]


class Finding(Body):
    """A lesion at or above the operating point."""

    label: str
    concept: Concept
    score: Score
    tracking_uid: str
    site: Concept | None
    laterality: Concept | None
    contours: tuple[Contour, ...]
    measurements: tuple[Measurement, ...]


class DetectedBox(Body):
    """A box of a detector, whether it reaches the operating point or not."""

    box: Box
    name: str
    concept: Concept
    score: Score
    reaches_threshold: bool


class Outline(Body):
    """Where a finding is on this image: column, row in pixels, counted from the corner."""

    label: str
    is_box: bool
    points: tuple[Point, ...]


class MaskPicture(Body):
    """The pixels of a finding on this image, 255 inside."""

    label: str
    png: Png


class Attention(Body):
    """A piece of the image that the network looked at closely; it is no finding."""

    weight: Score
    points: tuple[Point, ...]


class MapPicture(Body):
    """Where the answer comes from."""

    kind: Literal["grad_cam", "tile_scores", "saliency"]
    of: Concept | None = Field(description="The class, of Grad-CAM.")
    png: Png = Field(
        description="Grey values: of Grad-CAM 255 is the highest, else score 1; transparent where nothing was examined."
    )
    box: Box = Field(description="The part of the image that it covers.")
    highest: float = Field(description="The highest value: a score, or logits of Grad-CAM.")


class ShownImage(ImageReference):
    """An image that is worth looking at, with what was found on it."""

    is_dicom: bool
    position: int = Field(description="Place among the images that the model was given, counted from 1.")
    rows: int
    columns: int
    pixel_spacing: Point | None = Field(description="Between rows and between columns, mm; null if it is not trusted.")
    picture: Png | None
    boxes: tuple[DetectedBox, ...]
    outlines: tuple[Outline, ...]
    masks: tuple[MaskPicture, ...]
    attention: tuple[Attention, ...]
    map: MapPicture | None


class FileResult(Body):
    """What the model said of a page of a picture, of a DICOM series, or of an exam."""

    files: tuple[int, ...] = Field(description="Places of its files in the request, counted from 1.")
    page: int = Field(description="Of a TIFF, counted from 1.")
    outcome: Literal["findings", "no_findings", "out_of_scope", "refused"]
    reason: str = Field(description="One line.")
    answer: Answer | None = Field(description="null if the file is out of scope or refused.")
    findings: tuple[Finding, ...]
    images: tuple[ShownImage, ...]


class Model(Body):
    """Which model answered."""

    name: str
    version: str
    manufacturer: str
    digest: str = Field(description="Hex SHA-256 over the bundle's files.")
    task: Task
    parameters: str
    not_for: str = Field(description="What the model must not be used for.")


class Timings(Body):
    """How long it took, in seconds."""

    waited: float = Field(description="For others that came before.")
    started: float = Field(description="To start the process, if it did not run.")
    loaded: float = Field(description="To load the model, if it was not loaded.")
    predicted: float


class PredictionAnswer(Body):
    """The answer of a model to the files of a request."""

    kept: Literal[False] = Field(default=False, description="The files are not kept.")
    verified: Literal[False] = Field(default=False, description="No human has verified the answer.")
    cleared_for_diagnosis: Literal[False] = Field(default=False, description="The model is not cleared for diagnosis.")
    statements: tuple[str, ...] = Field(default=STATEMENTS, description="The same in words.")
    model: Model
    results: tuple[FileResult, ...]
    seconds: Timings


class ModelToAsk(Body):
    """A model that may be asked."""

    name: str
    version: str
    description: str
    state: str = Field(description="What it does with studies that arrive at the node: off, silent or live.")
    digest: str
    task: Task
    unit: Literal["slice", "tile", "cell", "breast"] = Field(description="What the network sees at once.")
    classes: tuple[str, ...]
    accepts: Accepts
    takes_pictures: bool = Field(description="False: DICOM files only.")
    needs_spacing: bool = Field(description="Whether pictures need the query parameter spacing.")
    spacing: float | None = Field(description="The spacing that it was trained at, mm.")
    threshold: Score
    calibrated: bool
    not_for: str


class ModelsToAsk(Body):
    """Every model that may be asked, by name."""

    statements: tuple[str, ...] = STATEMENTS
    models: tuple[ModelToAsk, ...]


def model_of(bundle: Bundle) -> Model:
    """A bundle as who answers."""
    identity = model_identity(bundle)
    return Model(
        name=identity.name,
        version=identity.version,
        manufacturer=identity.manufacturer,
        digest=identity.digest,
        task=bundle.node.task,
        parameters=identity.parameters,
        not_for=identity.not_for,
    )


def model_to_ask(choice: Choice) -> ModelToAsk:
    """A model as a choice for people and programs."""
    bundle, node = choice.bundle, choice.bundle.node
    return ModelToAsk(
        name=bundle.name,
        version=bundle.version,
        description=bundle.description,
        state=choice.state,
        digest=bundle.digest,
        task=node.task,
        unit=node.aggregation.unit,
        classes=tuple(item.name for item in node.classes),
        accepts=node.accepts,
        takes_pictures=node.exam is None,
        needs_spacing=node.tiling is not None,
        spacing=None if node.tiling is None else node.tiling.spacing,
        threshold=node.operating_point.threshold,
        calibrated=node.calibration is not None,
        not_for=node.not_for,
    )
