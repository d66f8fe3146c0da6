"""What a model said of files, as the values of a JSON answer."""

from __future__ import annotations

from collections.abc import Sequence

from dicomnode.bundles import Bundle
from dicomnode.findings import ClassScore, Code, Outcome, StudyAnswer
from dicomnode.inference.files import Problem
from dicomnode.inference.loaded import LoadedModel
from dicomnode.inference.on_request.files import Files
from dicomnode.inference.on_request.question import Question
from dicomnode.inference.on_request.shown import shown_images
from dicomnode.inference.predict_files import Predicted
from dicomnode.inference.result_json import Value, result_values

Values = dict[str, Value]


def positions(values: Values) -> tuple[int, ...]:
    """Which files an answer is about, counted from 1."""
    files = values["files"]
    return tuple(item for item in files if isinstance(item, int)) if isinstance(files, list) else ()


def values_of_problem(problem: Problem, files: Files) -> Values:
    """A file that could not be used."""
    return {
        "files": list(files.positions([problem.path])),
        "page": 1,
        "outcome": Outcome.REFUSED.value,
        "reason": files.problem(problem.path, problem.text),
        "answer": None,
        "findings": [],
        "images": [],
    }


def values_of(predicted: Predicted, files: Files, model: LoadedModel, question: Question) -> Values:
    """What a model said of a picture, a series or an exam; coordinates as in `result_values`."""
    result = predicted.analysis.result
    said = result_values(result)
    answer = said["answer"]
    if result.answer is not None and isinstance(answer, dict):
        answer = answer | _named(result.answer, answer, model.bundle)
    return {
        "files": list(files.positions(predicted.instances or (predicted.path,))),
        "page": predicted.page,
        "outcome": said["outcome"],
        "reason": files.named(result.reason),
        "answer": answer,
        "findings": said["findings"],
        "images": list(shown_images(predicted, model, question)),
    }


def _named(answer: StudyAnswer, values: Values, bundle: Bundle) -> Values:
    """The classes of an answer and of its sides, with the names that they had in training."""
    known = {item.code: item for item in bundle.node.classes}

    def classes(scores: Sequence[ClassScore]) -> list[Value]:
        return [
            {
                "name": known[item.concept].name,
                "is_finding": known[item.concept].is_finding,
                "concept": _code(item.concept),
                "score": item.score,
            }
            for item in scores
        ]

    sides = values["sides"]
    named: list[Value] = [
        {**side, "classes": classes(own.classes)}
        for side, own in zip(sides if isinstance(sides, list) else [], answer.sides, strict=True)
        if isinstance(side, dict)
    ]
    return {"classes": classes(answer.classes), "sides": named}


def _code(code: Code) -> Values:
    return {"value": code.value, "scheme": code.scheme, "meaning": code.meaning}
