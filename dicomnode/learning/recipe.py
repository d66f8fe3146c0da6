"""Training recipes: YAML files, read strictly, so that a misspelt key is an error and not a silent default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dicomnode.errors import RecipeError

Component: TypeAlias = dict[str, Any]
"""A MONAI bundle component: ``_target_`` names the class, the other keys are its arguments."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSection(_Section):
    """Where the images and labels lie inside the data folder.

    Attributes:
        layout: ``labels_csv`` (path,label,split,...), ``class_folders`` (split/class/picture) or ``coco``
            (annotations_<split>.json).
        classes: Class names in the order of the network's outputs.
        train: Name of the training split.
        valid: Name of the validation split; with ``valid_list`` it is taken out of the training split.
        test: Name of the test split.
        valid_list: CSV with a column ``path``, relative to the recipe; its pictures are the validation split.
        clean_column: Column of labels.csv whose value ``0`` marks rows without a twin in the training split.
        patient_column: Column that groups rows of one patient for the bootstrap.
    """

    layout: Literal["labels_csv", "class_folders", "coco"]
    classes: tuple[str, ...] = Field(min_length=2)
    train: str = "train"
    valid: str = "valid"
    test: str = "test"
    valid_list: Path | None = None
    clean_column: str | None = None
    patient_column: str = "patient"


class AugmentationSection(_Section):
    """Random changes of a training image; every range is drawn uniformly, symmetric around no change.

    Attributes:
        flip: Probability of a left-right flip.
        rotation_degrees: Largest rotation.
        scale: Smallest and largest magnification.
        shift: Largest shift as a fraction of the image.
        stretch: Largest relative change of the aspect ratio.
        gamma: Largest change of ln(gamma).
        gain: Largest relative change of brightness.
        bias: Largest relative change of brightness from one edge to the other, as a coil's bias field makes it.
        noise: Largest standard deviation of added noise, for pixels in 0..1.
        blur: Probability of a 3x3 blur.
    """

    flip: Fraction = 0.0
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    shift: Fraction = 0.0
    stretch: Fraction = 0.0
    gamma: Annotated[float, Field(ge=0)] = 0.0
    gain: Fraction = 0.0
    bias: Fraction = 0.0
    noise: Fraction = 0.0
    blur: Fraction = 0.0


class TrainingSection(_Section):
    """The hyper-parameters of the loop.

    Attributes:
        epochs: Passes over the training split at most.
        batch_size: Images per step.
        learning_rate: Peak of AdamW's learning rate; it rises over ``warmup_epochs`` and falls as a cosine.
        weight_decay: AdamW's, on weights of convolutions and linear layers only.
        warmup_epochs: Epochs (fractions allowed) of linear rise.
        clip_norm: Gradients are scaled down to this norm.
        label_smoothing: Of the cross entropy (classification only).
        ema_decay: Decay per step of the averaged weights that are validated and kept; 0 for none.
        validate_every: Epochs between two validations.
        patience: Validations without a better figure before the run stops.
        monitor: Validation figure that picks the best checkpoint, higher is better.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_epochs: float = Field(1.0, ge=0)
    clip_norm: float = Field(5.0, gt=0)
    label_smoothing: Fraction = 0.0
    ema_decay: float = Field(0.0, ge=0, lt=1)
    validate_every: int = Field(1, ge=1)
    patience: int = Field(10, ge=1)
    monitor: str


class OperatingPointSection(_Section):
    """How the threshold is chosen on the validation split.

    Attributes:
        rule: ``sensitivity``: the highest threshold that reaches ``value``; ``f1``: the threshold of the highest F1.
        value: Target of the rule ``sensitivity``.
    """

    rule: Literal["sensitivity", "f1"]
    value: Fraction = 0.99


class CardSection(_Section):
    """What the model card says besides figures; each is Markdown.

    Attributes:
        summary: What the model does.
        data: Data, source and licence.
        split: How the splits were made, and what leaks.
        method: Network, training, choice of checkpoint and threshold.
        intended_use: What it may be used for.
        not_for: What it must not be used for.
        limits: Known weaknesses.
    """

    summary: str
    data: str
    split: str
    method: str
    intended_use: str
    not_for: str
    limits: str


class BundleSection(_Section):
    """What goes into the bundle as it is.

    Attributes:
        version: Version of the bundle.
        metadata: MONAI metadata fields that the run cannot know (description, authors, references, ...).
        dicomnode: The node's block (classes with codes, accepts, aggregation, ...), without what the run fits.
        license_file: Licence of the weights, relative to the recipe.
        card: Text of the model card.
    """

    version: str
    license_file: Path
    metadata: dict[str, Any]
    dicomnode: dict[str, Any]
    card: CardSection


class Recipe(_Section):
    """One published experiment.

    Attributes:
        name: Name of the bundle.
        task: ``classification`` or ``detection``.
        seed: All randomness follows from it and the epoch's number.
        data: Where images and labels lie.
        network: Component of ``dicomnode.networks``.
        preprocessing: MONAI array transforms from one image (C, H, W) to the network's input.
        augmentation: Random changes in training.
        training: Hyper-parameters.
        operating_point: How the threshold is chosen.
        bundle: What goes into the bundle as it is.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    task: Literal["classification", "detection"]
    seed: int = Field(2026, ge=0)
    data: DataSection
    network: Component
    preprocessing: tuple[Component, ...] = Field(min_length=1)
    augmentation: AugmentationSection = AugmentationSection()
    training: TrainingSection
    operating_point: OperatingPointSection
    bundle: BundleSection

    @field_validator("network")
    @classmethod
    def _ours(cls, network: Component) -> Component:
        if not str(network.get("_target_", "")).startswith("dicomnode.networks."):
            raise ValueError("network must have a _target_ in dicomnode.networks")
        return network

    @model_validator(mode="after")
    def _no_expressions(self) -> Recipe:
        for component in (self.network, *self.preprocessing):
            if "_target_" not in component or "$" in repr(component):
                raise ValueError(f"{component} must have a _target_ and no '$' expression")
        return self


def load_recipe(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe and apply ``key=value`` overrides (``training.epochs=2``).

    Raises:
        RecipeError: If the file is missing, is not YAML, or a key or value is wrong.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"recipe {path}: cannot be read ({error.strerror}); name an existing YAML file") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"recipe {path}: is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"recipe {path}: holds no keys; see training/ for examples")
    for override in overrides:
        _override(content, override)
    return _checked(content, path)


def _override(content: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    *parents, last = key.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise RecipeError(f"--set {override}: {parent} is not a section of the recipe")
    if not separator or not last:
        raise RecipeError(f"--set {override}: write it as key=value, for example training.epochs=2")
    content[last] = yaml.safe_load(value)


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
