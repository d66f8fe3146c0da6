"""A result as JSON: for the results table, ``predict`` and the pages.

Masks and the scores of heat maps are left out: the segmentation objects hold them.
"""

from __future__ import annotations

import json
from typing import TypeAlias

import numpy as np

from dicomnode.findings import (
    Attention,
    ClassScore,
    Code,
    Finding,
    HeatMap,
    Polygon,
    Result,
    SideAnswer,
    StudyAnswer,
    Tally,
)
from dicomnode.study import SourceReference

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"


def result_to_json(result: Result) -> str:
    """One JSON object; the same result always gives the same text."""
    return json.dumps(result_values(result), ensure_ascii=False)


def result_values(result: Result) -> dict[str, Value]:
    """The values of that object. Coordinates are column, row in source pixels, counted from the image's corner."""
    model = result.model
    return {
        "study_instance_uid": result.study_instance_uid,
        "model": {
            "name": model.name,
            "version": model.version,
            "manufacturer": model.manufacturer,
            "digest": model.digest,
            "parameters": model.parameters,
        },
        "outcome": result.outcome.value,
        "reason": result.reason,
        "answer": None if result.answer is None else _answer(result.answer),
        "findings": [_finding(finding) for finding in result.findings],
        "images": len(result.images),
        "input_digest": result.input_digest,
        "created": result.created.isoformat(),
        "heat_maps": [_heat_map(heat_map) for heat_map in result.heat_maps],
        "attention": [_attention(item) for item in result.attention],
    }


def _answer(answer: StudyAnswer) -> dict[str, Value]:
    return {
        "concept": _code(answer.concept),
        "presence": answer.presence.value,
        "score": answer.score,
        "calibrated": answer.calibrated,
        "threshold": answer.threshold,
        "classes": [_class(item) for item in answer.classes],
        "carried_by": [_image(image) for image in answer.carried_by],
        "method": answer.method,
        "site": None if answer.site is None else _code(answer.site),
        "tally": None if answer.tally is None else _tally(answer.tally),
        "sides": [_side(side) for side in answer.sides],
    }


def _side(side: SideAnswer) -> dict[str, Value]:
    return {
        "laterality": _code(side.laterality),
        "presence": side.presence.value,
        "score": side.score,
        "classes": [_class(item) for item in side.classes],
        "carried_by": [_image(image) for image in side.carried_by],
    }


def _class(item: ClassScore) -> dict[str, Value]:
    return {"concept": _code(item.concept), "score": item.score}


def _tally(tally: Tally) -> dict[str, Value]:
    return {
        "unit": tally.unit,
        "examined": tally.examined,
        "positive": tally.positive,
        "percentage": round(tally.percentage, 2),
    }


def _heat_map(heat_map: HeatMap) -> dict[str, Value]:
    """What a heat map covers, without its scores."""
    examined = heat_map.scores[np.isfinite(heat_map.scores)]
    return {
        "image": _image(heat_map.image),
        "rows": heat_map.scores.shape[0],
        "columns": heat_map.scores.shape[1],
        "origin": list(heat_map.origin),
        "step": list(heat_map.step),
        "examined": len(examined),
        "highest": round(float(examined.max()), 4) if len(examined) else None,
    }


def _attention(item: Attention) -> dict[str, Value]:
    return {"weight": round(item.weight, 4), **_contour(item.box)}


def _finding(finding: Finding) -> dict[str, Value]:
    return {
        "label": finding.label,
        "concept": _code(finding.concept),
        "score": finding.score,
        "tracking_uid": finding.tracking_uid,
        "site": None if finding.site is None else _code(finding.site),
        "laterality": None if finding.laterality is None else _code(finding.laterality),
        "contours": [_contour(contour) for contour in finding.contours],
        "measurements": [
            {"concept": _code(item.concept), "value": round(item.value, 3), "unit": item.unit.value}
            for item in finding.measurements
        ],
    }


def _contour(contour: Polygon) -> dict[str, Value]:
    return {
        "image": _image(contour.image),
        "is_box": contour.is_box,
        "points": [[round(float(x), 2), round(float(y), 2)] for x, y in contour.points],
    }


def _code(code: Code) -> dict[str, Value]:
    return {"value": code.value, "scheme": code.scheme, "meaning": code.meaning}


def _image(image: SourceReference) -> dict[str, Value]:
    values: dict[str, Value] = {
        "series_instance_uid": image.series_instance_uid,
        "sop_instance_uid": image.sop_instance_uid,
    }
    if image.frame_number is not None:
        values["frame_number"] = image.frame_number
    return values
