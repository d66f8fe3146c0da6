"""From class scores of slices, tiles or cells to one answer for the study."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from dicomnode.bundles import NodeMetadata, negative_classes
from dicomnode.findings import ClassScore, Presence, StudyAnswer, Tally
from dicomnode.study import SourceReference

FloatArray = npt.NDArray[np.float64]


def answer_of_classes(
    node: NodeMetadata, images: Sequence[SourceReference], scores: Sequence[FloatArray]
) -> StudyAnswer:
    """The study's answer from the class scores of its slices or cells, as the bundle's aggregation says.

    Args:
        node: Classes, aggregation and operating point.
        images: One per slice or cell.
        scores: One (K,) per slice or cell, summing to 1.
    """
    return answer_of_units(node, images.__getitem__, scores)


def finding_scores(node: NodeMetadata, scores: Sequence[FloatArray]) -> FloatArray:
    """(N,) 1 minus the probabilities of the classes that mean no finding, 0..1."""
    harmless = np.stack(list(scores))[:, negative_classes(node)].sum(axis=1)
    return np.asarray(np.clip(1.0 - harmless, 0.0, 1.0), np.float64)


def answer_of_units(
    node: NodeMetadata, image_of: Callable[[int], SourceReference], scores: Sequence[FloatArray]
) -> StudyAnswer:
    """As `answer_of_classes`, of slices, tiles or cells.

    Args:
        node: Classes, aggregation and operating point.
        image_of: The image that shows a unit, by its place in ``scores``; asked only for those that carry the answer.
        scores: One (K,) per unit, summing to 1.
    """
    table = np.stack(list(scores))
    findings = finding_scores(node, scores)
    count = 1 if node.aggregation.method == "maximum" else node.aggregation.k
    carriers = np.argsort(-findings, kind="stable")[:count]
    means = table[carriers].mean(axis=0)
    score = float(findings[carriers].mean())
    threshold = node.operating_point.threshold
    return StudyAnswer(
        concept=node.study_concept,
        presence=Presence.PRESENT if score >= threshold else Presence.ABSENT,
        score=score,
        calibrated=node.calibration is not None,
        threshold=threshold,
        classes=_ranked(node, means),
        carried_by=tuple(dict.fromkeys(image_of(int(index)) for index in carriers)),
        method=node.aggregation.statement,
        site=node.finding_site,
        tally=_tally(node, findings),
    )


def _tally(node: NodeMetadata, findings: FloatArray) -> Tally | None:
    if node.aggregation.unit == "slice":
        return None
    positive = findings >= node.operating_point.threshold
    return Tally(node.aggregation.unit, len(findings), int(positive.sum()))


def _ranked(node: NodeMetadata, means: FloatArray) -> tuple[ClassScore, ...]:
    scores = [ClassScore(item.code, float(mean)) for item, mean in zip(node.classes, means, strict=True)]
    return tuple(sorted(scores, key=lambda item: -item.score))
