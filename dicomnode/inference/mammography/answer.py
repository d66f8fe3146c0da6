"""From what a network says of the views of an exam to an answer for each breast and one for the exam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.bundles import ExamInput, NodeMetadata
from dicomnode.findings import Attention, ClassScore, Code, HeatMap, Presence, SideAnswer, StudyAnswer
from dicomnode.inference.laterality import LATERALITIES
from dicomnode.study import SourceReference

FloatArray = npt.NDArray[np.float64]

_LEAST = 1e-12  # keeps log odds finite


@dataclass(frozen=True, slots=True)
class SeenView:
    """An image of an exam and what the network says of it.

    Attributes:
        image: The image.
        view: Name, such as ``L-CC``.
        shape: Its rows and columns.
        pixel_spacing: Distance between rows and between columns, mm; None if it cannot be trusted.
        scores: (K,) 0..1 of the view, or of its breast where the network looks at the whole exam.
        heat_map: Saliency of the class that answers for the study, or None.
        attention: Where the network looked closely, the highest weight first.
    """

    image: SourceReference
    view: str
    shape: tuple[int, int]
    pixel_spacing: tuple[float, float] | None
    scores: FloatArray
    heat_map: HeatMap | None = None
    attention: tuple[Attention, ...] = ()

    @property
    def laterality(self) -> Code:
        """Of the breast that it shows."""
        return LATERALITIES[self.view[0]]


def study_class(node: NodeMetadata, exam: ExamInput) -> int:
    """Place of the class that answers for the study among the network's outputs."""
    return [item.name for item in node.classes].index(exam.study_class)


def answer_of_exam(node: NodeMetadata, exam: ExamInput, views: Sequence[SeenView]) -> StudyAnswer:
    """The mean over the views of each breast; the higher breast answers for the exam.

    Of several images that show a view in parts, the highest score of each class is the view's.

    Args:
        node: Classes, operating point and calibration.
        exam: Which class answers.
        views: Every image that the network was shown, at least one.
    """
    place = study_class(node, exam)
    sides = [_side(node, place, side, seen) for side in LATERALITIES.values() if (seen := _of_side(views, side))]
    higher = max(sides, key=lambda side: side.score)
    return StudyAnswer(
        concept=node.study_concept,
        presence=higher.presence,
        score=higher.score,
        calibrated=node.calibration is not None,
        threshold=node.operating_point.threshold,
        classes=higher.classes,
        carried_by=higher.carried_by,
        method=node.aggregation.statement,
        site=node.finding_site,
        sides=tuple(sides),
    )


def _of_side(views: Sequence[SeenView], side: Code) -> list[SeenView]:
    return [view for view in views if view.laterality == side]


def _side(node: NodeMetadata, place: int, side: Code, views: Sequence[SeenView]) -> SideAnswer:
    names = dict.fromkeys(view.view for view in views)
    of_views = [np.max([view.scores for view in views if view.view == name], axis=0) for name in names]
    means = _calibrated(node, np.mean(of_views, axis=0))
    score = float(means[place])
    classes = [ClassScore(item.code, float(mean)) for item, mean in zip(node.classes, means, strict=True)]
    order = sorted(views, key=lambda view: -view.scores[place])
    return SideAnswer(
        laterality=side,
        presence=Presence.PRESENT if score >= node.operating_point.threshold else Presence.ABSENT,
        score=score,
        classes=tuple(sorted(classes, key=lambda item: -item.score)),
        carried_by=tuple(view.image for view in order),
    )


def _calibrated(node: NodeMetadata, scores: FloatArray) -> FloatArray:
    if node.calibration is None:
        return scores
    kept = np.clip(scores, _LEAST, 1.0 - _LEAST)
    log_odds = np.log(kept / (1.0 - kept)) / node.calibration.temperature
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)), dtype=np.float64)
