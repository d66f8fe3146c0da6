"""From class scores of slices to one answer for the study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dicomnode.bundles import NodeMetadata, negative_classes
from dicomnode.findings import ClassScore, Presence, StudyAnswer
from dicomnode.study import SourceReference

FloatArray = npt.NDArray[np.float64]


def answer_of_classes(
    node: NodeMetadata, images: Sequence[SourceReference], scores: Sequence[FloatArray]
) -> StudyAnswer:
    """The study's answer from the class scores of its slices, as the bundle's aggregation says.

    Args:
        node: Classes, aggregation and operating point.
        images: One per slice.
        scores: One (K,) per slice, summing to 1.
    """
    table = np.stack(list(scores))
    findings = 1.0 - table[:, negative_classes(node)].sum(axis=1)
    count = 1 if node.aggregation.method == "maximum" else node.aggregation.k
    carriers = np.argsort(-findings, kind="stable")[:count]
    means = table[carriers].mean(axis=0)
    score = float(np.clip(findings[carriers].mean(), 0.0, 1.0))
    threshold = node.operating_point.threshold
    return StudyAnswer(
        concept=node.study_concept,
        presence=Presence.PRESENT if score >= threshold else Presence.ABSENT,
        score=score,
        calibrated=node.calibration is not None,
        threshold=threshold,
        classes=_ranked(node, means),
        carried_by=tuple(images[index] for index in carriers),
        method=node.aggregation.statement,
        site=node.finding_site,
    )


def _ranked(node: NodeMetadata, means: FloatArray) -> tuple[ClassScore, ...]:
    scores = [ClassScore(item.code, float(mean)) for item, mean in zip(node.classes, means, strict=True)]
    return tuple(sorted(scores, key=lambda item: -item.score))
