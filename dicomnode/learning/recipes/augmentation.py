"""The random changes of a training image that a recipe asks for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dicomnode.learning.recipes.hyperparameters import Fraction, Section


class AugmentationSection(Section):
    """Random changes of a training image; every range is drawn uniformly, symmetric around no change.

    Attributes:
        flip: Probability of a left-right flip.
        flip_vertical: Probability of an upside-down flip.
        rotation_degrees: Largest rotation.
        quarter_turns: Besides, turn by a random multiple of 90 degrees; for images without an up and down.
        border: What lies outside the image: ``zeros`` or the image mirrored at its edge.
        scale: Smallest and largest magnification.
        shift: Largest shift as a fraction of the image.
        stretch: Largest relative change of the aspect ratio.
        gamma: Largest change of ln(gamma).
        gain: Largest relative change of brightness.
        contrast: Largest relative change of the distance from the image's mean.
        bias: Largest relative change of brightness from one edge to the other, as a coil's bias field makes it.
        noise: Largest standard deviation of added noise, for pixels in 0..1.
        blur: Probability of a 3x3 blur.
        hue: Largest relative change of each colour channel's optical density (stain and illumination); colour only.
        mixup: Parameter of the beta distribution that mixes pairs of images and labels (Zhang et al., "mixup",
            ICLR 2018); 0 for none. Classification only.
        cutmix: Likewise for patches pasted from one image into another (Yun et al., "CutMix", ICCV 2019).
    """

    flip: Fraction = 0.0
    flip_vertical: Fraction = 0.0
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    quarter_turns: bool = False
    border: Literal["zeros", "reflection"] = "zeros"
    scale: tuple[float, float] = (1.0, 1.0)
    shift: Fraction = 0.0
    stretch: Fraction = 0.0
    gamma: Annotated[float, Field(ge=0)] = 0.0
    gain: Fraction = 0.0
    contrast: Fraction = 0.0
    bias: Fraction = 0.0
    noise: Fraction = 0.0
    blur: Fraction = 0.0
    hue: Fraction = 0.0
    mixup: Annotated[float, Field(ge=0)] = 0.0
    cutmix: Annotated[float, Field(ge=0)] = 0.0
