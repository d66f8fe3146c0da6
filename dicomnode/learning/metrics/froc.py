"""Free-response figures: share of lesions found against false boxes per image (Chakraborty and Winter, 1990)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from dicomnode.learning.metrics.calibration import Floats, Ints
from dicomnode.learning.metrics.weighted_figures import Bools, share

FROC_RATES = MappingProxyType({"1/8": 0.125, "1/4": 0.25, "1/2": 0.5, "1": 1.0, "2": 2.0, "4": 4.0, "8": 8.0})
"""False boxes per image, of all images, at which sensitivity is read; CPM is the mean of the seven."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class FoundBoxes:
    """Every box found in a set of images, the strongest first, and whether it is on a lesion.

    Attributes:
        scores: (N,) falling.
        hits: (N,) whether the box claimed a lesion that no stronger one had; the others are false.
        image: (N,) index of its image.
        lesions: (images,) lesions in each image.
    """

    scores: Floats
    hits: Bools
    image: Ints
    lesions: Ints

    @classmethod
    def ranked(
        cls, scores: Sequence[float], hits: Sequence[bool], images: Sequence[int], lesions: Sequence[int]
    ) -> FoundBoxes:
        """From boxes in any order."""
        order = np.argsort(-np.array(scores), kind="stable")
        return cls(
            np.array(scores, dtype=np.float64)[order],
            np.array(hits, dtype=np.bool_)[order],
            np.array(images, dtype=np.int64)[order],
            np.array(lesions, dtype=np.int64),
        )

    def curve(self) -> tuple[Floats, Floats]:
        """The FROC curve: share of lesions found and false boxes per image at every threshold, nothing found first.

        Boxes of equal score are one step: no threshold parts them. Shares are NaN where there is no lesion.
        """
        ends = np.append(np.diff(self.scores) != 0, True)[: len(self.scores)]
        found, false = np.cumsum(self.hits)[ends], np.cumsum(~self.hits)[ends]
        lesions = np.array(float(self.lesions.sum()))
        return share(np.append(0.0, found), lesions), np.append(0.0, false) / len(self.lesions)

    def above(self, threshold: float, weights: Floats) -> tuple[Floats, Floats]:
        """(R,) share of lesions found and false boxes per image by boxes that reach a threshold.

        Args:
            threshold: 0..1.
            weights: (R, images) how often each image counts.
        """
        kept = self.scores >= threshold
        found, false = (
            weights @ np.bincount(self.image[kept & chosen], minlength=len(self.lesions)).astype(np.float64)
            for chosen in (self.hits, ~self.hits)
        )
        return share(found, weights @ self.lesions), false / weights.sum(axis=1)

    def sensitivities(self, rates: Sequence[float], weights: Floats) -> Floats:
        """(len(rates), R) highest share of lesions found while false boxes per image stay within a rate.

        It is the curve's own step, with nothing drawn between; NaN where there is no lesion.

        Args:
            rates: False boxes per image.
            weights: (R, images) how often each image counts.
        """
        found, false = self._steps(weights)
        images, lesions = weights.sum(axis=1, keepdims=True), weights @ self.lesions.astype(np.float64)
        within = [np.where(false <= rate * images + _ROUNDING, found, 0.0) for rate in rates]
        return np.stack([share(values.max(axis=1, initial=0.0), lesions) for values in within])

    def _steps(self, weights: Floats) -> tuple[Floats, Floats]:
        """(R, H) lesions found and false boxes at each of the H scores that found one: between them nothing is won."""
        levels = np.unique(self.scores[self.hits])[::-1]
        place = np.searchsorted(-levels, -self.scores, side="left")
        sums = []
        for chosen in (self.hits, ~self.hits):
            counts = np.zeros((len(self.lesions), len(levels) + 1))
            np.add.at(counts, (self.image[chosen], place[chosen]), 1.0)
            sums.append(np.cumsum(weights @ counts[:, :-1], axis=1))
        return sums[0], sums[1]
