"""Training recipes: YAML files, read strictly, so that a misspelt key is an error and not a silent default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from dicomnode.errors import RecipeError
from dicomnode.learning.recipes.augmentation import AugmentationSection
from dicomnode.learning.recipes.exam import ExamSection, PartSection
from dicomnode.learning.recipes.hyperparameters import Fraction, Section, TrainingSection
from dicomnode.learning.recipes.layers import read_layers
from dicomnode.learning.recipes.publication import BundleSection, PublishedSection

Component: TypeAlias = dict[str, Any]
"""A MONAI bundle component: ``_target_`` names the class, the other keys are its arguments."""


_KNOWN_FROM_COCO = ("MaskRcnn", "FasterRcnn")
_KNOWN_FROM_IMAGENET = ("ImageNetClassifier", "DetectNet", *_KNOWN_FROM_COCO)


class TilesSection(Section):
    """Random pieces of an image that a detector is trained on instead of the whole.

    Attributes:
        size: Rows and columns, pixels of the processed image.
        lesion_share: Share of tiles drawn around a lesion, where the image has one; the others lie anywhere.
    """

    size: tuple[Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]]
    lesion_share: Fraction = 0.7


class DataSection(Section):
    """Where the images and labels lie inside the data folder.

    Attributes:
        source: The public data set and where to get it; nothing is ever fetched.
        expected: The folders and files that the layout expects, for a reader.
        layout: ``labels_csv`` (path,label,split,...), ``dicom_csv`` (DICOM files anywhere, and labels.csv with
            uid,label,split,... where uid is a SOP or Series Instance UID; every frame is a picture), ``coco``
            (annotations_<split>.json), ``kitti`` (<split>/images, and <split>/labels with a text file a picture),
            ``cbis_ddsm`` (its four tables and DICOM folders), ``exam_csv`` (mammograms, and labels.csv with
            path,exam,laterality,view,split,... and a column of 0 and 1 for each class, or a column birads), or
            pictures in folders: ``class_folders`` (split/class/picture), ``patient_class_folders``
            (patient/class/picture), ``unsplit_class_folders`` (class/picture).
        classes: Class names in the order of the network's outputs; a single one for detection only.
        folders: Class of a folder or label whose name is not that of a class.
        ignored: Labels of labels.csv whose rows are left out, since they are no part of the task.
        colour: What a picture is read as.
        masks: What a detector is taught as a lesion's mask: ``polygon`` for the annotation's outline or mask, and where
            it has none the ellipse inscribed in the box; ``ellipse`` for the latter everywhere.
        tiles: A detector is trained on random tiles of the images; its network must be a ``TiledDetector``.
        in_memory: Keep the preprocessed pictures in memory; else each is read anew whenever it is needed.
        random_split: Shares of the training split, as laid out, that go at random into training, validation and test;
            pictures of one patient stay together. Of cbis_ddsm, all are the training split unless the last share is 0.
        with_boxes: Take boxes and masks from the regions that cbis_ddsm has; always so for detection.
        rotations: Degrees; of each picture of each split, a copy turned by each is added before anything else is done.
        train: Name of the training split.
        valid: Name of the validation split; with ``valid_list`` it is taken out of the training split.
        test: Name of the test split.
        valid_list: CSV with a column ``path``, relative to the recipe; its pictures are the validation split.
        clean_column: Column of labels.csv whose value ``0`` marks rows without a twin in the training split.
        patient_column: Column that groups rows of one patient for the bootstrap.
    """

    source: str = ""
    expected: str = ""
    layout: Literal[
        "labels_csv",
        "dicom_csv",
        "exam_csv",
        "class_folders",
        "patient_class_folders",
        "unsplit_class_folders",
        "cbis_ddsm",
        "coco",
        "kitti",
    ]
    classes: tuple[str, ...] = Field(min_length=1)
    folders: dict[str, str] = Field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    colour: Literal["grey", "rgb"] = "grey"
    masks: Literal["polygon", "ellipse"] = "polygon"
    tiles: TilesSection | None = None
    in_memory: bool = True
    random_split: tuple[Fraction, Fraction, Fraction] | None = None
    with_boxes: bool = False
    rotations: tuple[float, ...] = ()
    train: str = "train"
    valid: str = "valid"
    test: str = "test"
    valid_list: Path | None = None
    clean_column: str | None = None
    patient_column: str = "patient"

    @model_validator(mode="after")
    def _consistent(self) -> DataSection:
        if self.random_split is not None and abs(sum(self.random_split) - 1) > 1e-6:
            raise ValueError("random_split must add up to 1")
        if strangers := set(self.folders.values()) - set(self.classes):
            raise ValueError(f"folders names {', '.join(sorted(strangers))}, which is not among classes")
        if len(self.classes) == 1 and self.layout not in ("coco", "kitti") and not self.with_boxes:
            raise ValueError("classes must name two or more; one is enough for a detector only")
        if self.with_boxes and (self.layout != "cbis_ddsm" or self.rotations):
            raise ValueError("with_boxes needs layout cbis_ddsm without rotations; other layouts have boxes or none")
        if self.layout in ("coco", "kitti") and (self.rotations or self.random_split):
            raise ValueError(f"layout {self.layout} takes neither rotations nor random_split")
        return self


class OperatingPointSection(Section):
    """How the threshold is chosen on the validation split.

    Attributes:
        rule: ``sensitivity``: the highest threshold that reaches ``value``; ``f1``: the threshold of the highest F1.
        value: Target of the rule ``sensitivity``.
        hit: When a detector's box is on a lesion, here and in its figures: ``iou=0.5`` (or another overlap up to 1)
            or ``centre``, its centre in the lesion's box.
    """

    rule: Literal["sensitivity", "f1"]
    value: Fraction = 0.99
    hit: Annotated[str, Field(pattern=r"^(centre|iou=(0?\.\d*[1-9]\d*|1|1\.0))$")] = "iou=0.5"


class Recipe(Section):
    """One published experiment.

    Attributes:
        name: Name of the bundle.
        task: ``classification``, ``detection``, or ``exam`` for mammography exams.
        seed: All randomness follows from it and the epoch's number.
        published: What the study that it repeats reported.
        choices: What the study left open, and what was chosen here, by key or topic.
        variants: Named changes of other keys (``training.epochs: 55``), chosen with ``variant``.
        variant: Variants that were applied.
        init: ``imagenet`` starts from torchvision's weights of the network or its backbone, ``coco`` from those of
            the whole detector but the class heads, ``checkpoint`` from those of another run of the same network.
        init_weights: A file with torchvision's weights, where its cache and the internet have none; or the other run's
            ``best.pt``.
        init_parts: With ``init: checkpoint``, by any names: parts of the network that begin with other runs' weights;
            the log tells what each left out.
        exam: What is seen of an exam; given exactly if the task is ``exam``.
        data: Where images and labels lie.
        network: Component of ``dicomnode.networks``.
        preprocessing: MONAI array transforms from one image (C, H, W) to the network's input; none for exams, which are
            prepared as the node does it.
        augmentation: Random changes in training.
        training: Hyper-parameters.
        operating_point: How the threshold is chosen.
        bundle: What goes into the bundle as it is.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    task: Literal["classification", "detection", "exam"]
    seed: int = Field(2026, ge=0)
    published: PublishedSection | None = None
    choices: dict[str, str] = Field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    variant: tuple[str, ...] = ()
    init: Literal["random", "imagenet", "coco", "checkpoint"] = "random"
    init_weights: Path | None = None
    init_parts: Annotated[dict[str, PartSection], BeforeValidator(lambda given: given or {})] = Field(
        default_factory=dict
    )
    exam: ExamSection | None = None
    data: DataSection
    network: Component
    preprocessing: tuple[Component, ...] = ()
    augmentation: AugmentationSection = AugmentationSection()
    training: TrainingSection
    operating_point: OperatingPointSection
    bundle: BundleSection

    @model_validator(mode="before")
    @classmethod
    def _boxes_for_detection(cls, content: Any) -> Any:
        data = content.get("data") if isinstance(content, dict) else None
        if not isinstance(data, dict) or (content.get("task"), data.get("layout")) != ("detection", "cbis_ddsm"):
            return content
        return content | {"data": {"with_boxes": True} | data}

    @field_validator("network")
    @classmethod
    def _ours(cls, network: Component) -> Component:
        if not str(network.get("_target_", "")).startswith("dicomnode.networks."):
            raise ValueError("network must have a _target_ in dicomnode.networks")
        return network

    @model_validator(mode="after")
    def _start_is_known(self) -> Recipe:
        for init, known in (("imagenet", _KNOWN_FROM_IMAGENET), ("coco", _KNOWN_FROM_COCO)):
            if self.init == init and _trained(self.network) not in known:
                raise ValueError(f"init {init} needs the network dicomnode.networks.{' or '.join(known)}")
        if self.init_weights is not None and self.init == "random":
            raise ValueError("init_weights needs init: imagenet, coco or checkpoint")
        if self.init_weights is None and self.init == "checkpoint" and not self.init_parts:
            raise ValueError("init checkpoint needs init_weights: the best.pt of the run to start from")
        if self.init_parts and (self.init != "checkpoint" or self.init_weights is not None):
            raise ValueError("init_parts needs init: checkpoint, and no init_weights")
        return self

    @model_validator(mode="after")
    def _exams_are_prepared_by_the_node(self) -> Recipe:
        is_exam = self.task == "exam"
        if is_exam != (self.exam is not None) or is_exam == bool(self.preprocessing):
            raise ValueError("task exam needs the section exam and no preprocessing; other tasks need preprocessing")
        if is_exam and self.data.in_memory:
            raise ValueError("task exam needs data.in_memory: false, since mammograms are read when they are needed")
        return self

    @model_validator(mode="after")
    def _only_for_classification(self) -> Recipe:
        only = {"training.class_balance": self.training.class_balance != "none"}
        only["training.l1"] = bool(self.training.l1) and self.task != "detection"
        only["data.colour: rgb"] = self.data.colour == "rgb"
        only["augmentation.mixup or cutmix"] = bool(self.augmentation.mixup or self.augmentation.cutmix)
        used = [key for key, value in only.items() if value]
        if self.task != "classification" and used:
            raise ValueError(f"{', '.join(used)} needs task classification")
        return self

    @model_validator(mode="after")
    def _tiles_are_looked_at(self) -> Recipe:
        if self.data.tiles is None:
            return self
        if self.task != "detection" or not str(self.network["_target_"]).endswith(".TiledDetector"):
            raise ValueError("data.tiles needs task detection and the network dicomnode.networks.TiledDetector")
        return self

    @model_validator(mode="after")
    def _enough_for_classification(self) -> Recipe:
        if self.task != "classification":
            return self
        if self.training.batch_size < 2:
            raise ValueError("training.batch_size: task classification needs two images or more")
        if self.training.steps_per_epoch is not None:
            raise ValueError("training.steps_per_epoch needs task detection")
        return self

    @model_validator(mode="after")
    def _no_expressions(self) -> Recipe:
        for component in (self.network, *self.preprocessing):
            if "_target_" not in component or "$" in repr(component):
                raise ValueError(f"{component} must have a _target_ and no '$' expression")
        return self


def _trained(network: Component) -> str:
    """Class of the network, or of the detector that it cuts images into tiles for."""
    inner = network.get("detector")
    return str((inner if isinstance(inner, dict) else network).get("_target_", "")).rpartition(".")[2]


def load_recipe(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe with its parent, its chosen variants and ``key=value`` overrides (``training.epochs=2``).

    Raises:
        RecipeError: If the file is missing, is not YAML, or a key or value is wrong.
    """
    return _checked(read_layers(path, overrides), path)


def _checked(content: dict[str, Any], path: Path) -> Recipe:
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"recipe {path}: {lines}") from error
    return _relative_to(recipe, path.parent)


def _relative_to(recipe: Recipe, folder: Path) -> Recipe:
    data, bundle = recipe.data, recipe.bundle
    if data.valid_list is not None:
        data = data.model_copy(update={"valid_list": folder / data.valid_list})
    bundle = bundle.model_copy(update={"license_file": folder / bundle.license_file})
    return recipe.model_copy(update={"data": data, "bundle": bundle})
