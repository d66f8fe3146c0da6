"""Which hyper-parameters hold in which epoch."""

from __future__ import annotations

from itertools import accumulate

from dicomnode.learning.recipes.hyperparameters import TrainingSection


def stages_of(section: TrainingSection) -> tuple[TrainingSection, ...]:
    """The run's stages in order, each as the hyper-parameters of its own epochs.

    The last holds the section's own values and the epochs that are left; there is none if the others use them up.
    """
    stages = [
        section.model_copy(
            update={
                "epochs": stage.epochs,
                "train_only": stage.train_only,
                "learning_rate": stage.learning_rate or section.learning_rate,
            }
        )
        for stage in section.stages
    ]
    left = section.epochs - sum(stage.epochs for stage in stages)
    return (*stages, section.model_copy(update={"epochs": left})) if left > 0 or not stages else tuple(stages)


def stage_at(section: TrainingSection, epoch: int) -> int:
    """Index of the stage that trains after ``epoch`` epochs; the last one's if the run is over by then."""
    ends = list(accumulate(stage.epochs for stage in stages_of(section)))
    return min(sum(epoch >= end for end in ends), len(ends) - 1)
