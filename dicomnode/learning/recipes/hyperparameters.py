"""The hyper-parameters of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """Keys that belong together; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StageSection(Section):
    """Epochs at the beginning of a run that differ from the rest.

    Attributes:
        epochs: How many.
        train_only: What they train, as in the training section.
        learning_rate: Its peak; the training section's if not given.
    """

    epochs: int = Field(ge=1)
    train_only: tuple[str, ...] = ()
    learning_rate: float | None = Field(None, gt=0)


class TrainingSection(Section):
    """The hyper-parameters of the loop.

    Attributes:
        epochs: Passes over the training split at most; 0 only puts the parts of ``init_parts`` together.
        batch_size: Images per step; one only for detection and exams, since batch norm wants more.
        steps_per_epoch: Batches of an epoch; one pass over the split if not given. Detection only.
        optimizer: ``adamw`` decays weights of convolutions and linear layers only; ``adam`` and ``sgd`` decay all.
        momentum: Of ``sgd``.
        schedule: ``cosine`` after the warm-up, ``constant``, or ``soft_start_annealing`` as DetectNet_v2 has it.
        learning_rate: Peak of the learning rate; it rises over ``warmup_epochs`` and then follows ``schedule``.
        soft_start: Share of the run in which ``soft_start_annealing`` rises exponentially from the lowest rate.
        annealing: Share of the run after which it falls exponentially back to the lowest rate.
        lowest_learning_rate: Of ``soft_start_annealing``.
        weight_decay: The optimiser's.
        l1: Weight of the sum of absolute weights of trained convolutions and linear layers in the loss.
        train_only: Parameters whose names begin with one of these are trained, the others stay as they are, and so do
            the statistics of their batch norms; all are trained if empty.
        stages: The first epochs of the run, stage after stage, where they differ from the rest: what they train and how
            fast. Each stage, and then the rest, begins with a new optimiser and its own warm-up and schedule, since
            moments and step counts of other parameters tell nothing of these; only the last may end by ``patience``.
        class_balance: ``weighted`` draws each class equally often in an epoch of the same length. ``smote`` trains the
            network on the pictures as they are and then its last linear layer anew on what this layer is given for
            them (their embeddings), with embeddings made up for the rarer classes (Chawla et al., "SMOTE", JAIR 2002).
        smote_pictures: Training pictures whose embeddings are used, at most, drawn evenly from every class.
        smote_epochs: Passes over the embeddings, the best of which is kept.
        accumulate: Parts in which each batch is computed one after the other, their gradients added up: memory has to
            hold one part only. Batch norms see one part at a time.
        checkpointing: Parts of the network whose names begin with one of these (``stages.``: each of the stages) keep
            no activations for the backward pass but compute them anew: a third more time for much less memory.
        mixed_precision: Compute in bfloat16 what bears it, where the hardware multiplies it natively.
        compile: Translate the network with ``torch.compile`` before training; pays on long runs only.
        warmup_epochs: Epochs (fractions allowed) of linear rise.
        clip_norm: Gradients are scaled down to this norm; null for never.
        label_smoothing: Of the cross entropy (classification only).
        ema_decay: Decay per step of the averaged weights that are validated and kept; 0 for none.
        validate_every: Epochs between two validations.
        patience: Validations without a better figure before the run stops.
        monitor: Validation figure that picks the best checkpoint, higher is better.
    """

    epochs: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: float = Field(0.0, ge=0, lt=1)
    schedule: Literal["cosine", "constant", "soft_start_annealing"] = "cosine"
    learning_rate: float = Field(gt=0)
    soft_start: Fraction = 0.1
    annealing: Fraction = 0.7
    lowest_learning_rate: float = Field(5e-6, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    l1: float = Field(0.0, ge=0)
    train_only: tuple[str, ...] = ()
    stages: tuple[StageSection, ...] = ()
    class_balance: Literal["none", "weighted", "smote"] = "none"
    smote_pictures: int = Field(50_000, ge=2)
    smote_epochs: int = Field(5, ge=1)
    accumulate: int = Field(1, ge=1)
    checkpointing: tuple[str, ...] = ()
    mixed_precision: bool = True
    compile: bool = False
    warmup_epochs: float = Field(1.0, ge=0)
    clip_norm: float | None = Field(5.0, gt=0)
    label_smoothing: Fraction = 0.0
    ema_decay: float = Field(0.0, ge=0, lt=1)
    validate_every: int = Field(1, ge=1)
    patience: int = Field(10, ge=1)
    monitor: str

    @model_validator(mode="after")
    def _momentum_is_sgds(self) -> TrainingSection:
        if self.momentum and self.optimizer != "sgd":
            raise ValueError("momentum belongs to optimizer sgd")
        return self

    @model_validator(mode="after")
    def _parts_are_equal(self) -> TrainingSection:
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size {self.batch_size} must be a multiple of accumulate {self.accumulate}")
        return self

    @model_validator(mode="after")
    def _annealing_is_ordered(self) -> TrainingSection:
        if self.schedule != "soft_start_annealing":
            return self
        if self.soft_start > self.annealing:
            raise ValueError("soft_start must not lie behind annealing")
        if self.lowest_learning_rate > self.learning_rate:
            raise ValueError("lowest_learning_rate must not be above learning_rate")
        return self
