"""What a recipe publishes: the bundle with its card, beside what the study reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from dicomnode.learning.recipes.hyperparameters import Section


class CardSection(Section):
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


class BundleSection(Section):
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


class PublishedSection(Section):
    """What the study reported.

    Attributes:
        result: In words.
        figures: By name.
    """

    result: str
    figures: dict[str, int | float] = Field(default_factory=dict)
