"""What a finished job answered, made ready for a page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dicomnode.archive.records import Job


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding as a line of a table.

    Attributes:
        score: 0..1.
        images: How many source images it shows on.
        measurements: Sentences with units, such as ``Long axis 28.3 mm``.
    """

    label: str
    concept: str
    site: str
    score: float
    images: int
    measurements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """A job and what came of it.

    Attributes:
        outcome: One of the coded outcomes, empty while there is none.
        sentence: The answer in words.
        withdrawn: Whether the result was recalled.
    """

    job: Job
    outcome: str
    sentence: str
    findings: tuple[FindingRow, ...]
    withdrawn: bool = False


def read_answer(job: Job, *, withdrawn: bool = False) -> JobAnswer:
    """Read the result that is stored with a job."""
    if job.result_json is None:
        return JobAnswer(job, "", "", ())
    result: dict[str, Any] = json.loads(job.result_json)
    findings = tuple(_finding(item) for item in result["findings"])
    return JobAnswer(job, result["outcome"], _sentence(result), findings, withdrawn)


def current_jobs(jobs: Iterable[Job]) -> list[Job]:
    """The last job of each model; earlier ones answered for a study that has changed since."""
    return list({job.model_name: job for job in jobs}.values())


def _sentence(result: dict[str, Any]) -> str:
    answer = result["answer"]
    if answer is None:
        return str(result["reason"])
    kind = "probability" if answer["calibrated"] else "score"
    return (
        f"{answer['concept']['meaning']}: {answer['presence']}, {kind} {answer['score']:.3f}"
        f" (threshold {answer['threshold']:.3f}). {result['reason']}"
    )


def _finding(item: dict[str, Any]) -> FindingRow:
    site = item.get("site")
    return FindingRow(
        label=item["label"],
        concept=item["concept"]["meaning"],
        site=site["meaning"] if site else "",
        score=item["score"],
        images=len(item["contours"]),
        measurements=tuple(f"{m['concept']['meaning']} {m['value']:.1f} {m['unit']}" for m in item["measurements"]),
    )
