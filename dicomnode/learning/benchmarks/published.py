"""The efficiency table of the GMIC paper (Shen et al., Medical Image Analysis 68, 2021; arXiv:2002.07613)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SOURCE = "Shen et al., Medical Image Analysis 68 (2021) 101908, arXiv:2002.07613: one exam of four images, 2944 x 1920"


@dataclass(frozen=True, slots=True)
class PublishedCost:
    """One row of the table, quoted at second hand: the paper itself was not at hand to compare with.

    Attributes:
        parameters_millions: As the paper counts, with the running means and variances of batch norm, and for GMIC with
            a convolution of 1,048,576 weights that nothing reads.
        memory_gb: Of the GPU in training.
        forward_ms: Time of a forward pass.
        backward_ms: Time of a backward pass.
        multiply_adds_billions: Of a forward pass; the paper calls them FLOPs. None: not printed.
        is_confirmed: True if memory and times agree with the ratios in the authors' README (78.43 % less memory, 4.1
            times faster forward, 5.6 times backward); the others could be compared with nothing.
    """

    parameters_millions: float
    memory_gb: float
    forward_ms: float
    backward_ms: float
    multiply_adds_billions: float | None
    is_confirmed: bool = False


PUBLISHED: Mapping[str, PublishedCost] = {
    "gmic_resnet18": PublishedCost(15.17, 3.01, 46, 82, 122, is_confirmed=True),
    "gmic_resnet34": PublishedCost(25.29, 3.45, 58, 94, 180),
    "gmic_resnet50": PublishedCost(27.95, 5.05, 66, 131, 194),
    "dmv_cnn": PublishedCost(6.13, 2.4, 38, 86, 65),
    "dmv_cnn_heatmaps": PublishedCost(6.13, 2.4, 38, 86, 65),
    "resnet34_fc": PublishedCost(21.30, 13.95, 189, 459, 1622, is_confirmed=True),
    "resnet34_1x1conv": PublishedCost(21.30, 12.58, 201, 450, 1625),
    # With a larger body than ours has.
    "faster_rcnn": PublishedCost(104.8, 25.75, 920, 2019, None),
}
