"""What the models answered, as the index keeps it (`inference.result_json`), ready to be shown."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import Evidence, Job
from dicomnode.web.api.views import View

Json: TypeAlias = Mapping[str, Any]


class CodeView(View):
    """A coded concept: value, coding scheme, meaning."""

    value: str
    scheme: str
    meaning: str


class ImageView(View):
    """A source image, or one frame of it; frames are counted from 1."""

    series_uid: str
    sop_uid: str
    frame: int | None = None


class RegionView(View):
    """A closed outline in source pixels: column, row, counted from the image's corner."""

    image: ImageView
    is_box: bool
    points: tuple[tuple[float, float], ...]


class SizeView(View):
    """A measurement; the unit is UCUM's."""

    name: str
    value: float
    unit: str


class ClassView(View):
    """The score of one class, 0..1."""

    name: str
    score: float


class SideView(View):
    """The answer for one side of a paired organ."""

    laterality: str
    presence: str
    score: float
    classes: tuple[ClassView, ...]
    carried_by: tuple[ImageView, ...]


class TallyView(View):
    """How many of the things that were looked at one by one are positive."""

    unit: str
    examined: int
    positive: int
    percentage: float


class AnswerView(View):
    """The answer for the whole study; the score is a probability only where it was calibrated."""

    concept: CodeView
    presence: str
    score: float
    calibrated: bool
    threshold: float
    site: str
    method: str
    classes: tuple[ClassView, ...]
    carried_by: tuple[ImageView, ...]
    sides: tuple[SideView, ...]
    tally: TallyView | None


class FindingView(View):
    """A region that a model points at; its own score is never a calibrated probability."""

    number: int
    label: str
    concept: CodeView
    score: float
    tracking_uid: str
    site: str
    laterality: str
    sizes: tuple[SizeView, ...]
    regions: tuple[RegionView, ...]


class AttentionView(View):
    """A piece of an image that a network looked at closely; no finding."""

    weight: float
    region: RegionView


class SaliencyView(View):
    """What a heat map covers, in pixels of its image; ``address`` is its picture."""

    number: int
    image: ImageView
    origin: tuple[float, float]
    size: tuple[float, float]
    examined: int
    highest: float | None
    address: str


class ResultView(View):
    """What one model said of the study, or why it said nothing yet.

    ``current``: the model's last word. ``silent``: computed and shown, never sent. ``withdrawn``: taken back by a
    recall. ``outcome`` is empty while there is none.
    """

    result: int
    model: str
    version: str
    digest: str
    generation: int
    current: bool
    kind: str
    state: str
    silent: bool
    withdrawn: bool
    outcome: str
    reason: str
    error: str
    finished_at: datetime | None
    images: int
    answer: AnswerView | None
    findings: tuple[FindingView, ...]
    attention: tuple[AttentionView, ...]
    saliency: tuple[SaliencyView, ...]


def results_of(archive: Archive, study_uid: str) -> tuple[ResultView, ...]:
    """Every result of a study, the current ones first, then the newest first."""
    jobs, evidence = archive.jobs.list(study_uid), archive.evidence.list(study_uid)
    current = {job.job_id for job in last_jobs(jobs)}
    withdrawn = _withdrawn(jobs, evidence)
    views = [_result(job, job.job_id in current, job.result_json in withdrawn) for job in jobs]
    return tuple(sorted(views, key=lambda view: (not view.current, view.model if view.current else "", -view.result)))


def last_jobs(jobs: Iterable[Job]) -> list[Job]:
    """The last job of each model; earlier ones answered for a study that has changed since."""
    return list({job.model_name: job for job in jobs}.values())


def _withdrawn(jobs: Sequence[Job], evidence: Sequence[Evidence]) -> Collection[str | None]:
    """Results whose documents were recalled; one stays withdrawn when it is given again."""
    recalled = {item.job_id for item in evidence if item.recall_id is not None}
    return {job.result_json for job in jobs if job.job_id in recalled and job.result_json is not None}


def _result(job: Job, current: bool, withdrawn: bool) -> ResultView:
    content: Json = json.loads(job.result_json or "{}")
    model = content.get("model") or {}
    answer = content.get("answer")
    return ResultView(
        result=job.job_id,
        model=job.model_name,
        version=model.get("version", ""),
        digest=job.bundle_digest,
        generation=job.generation,
        current=current,
        kind=job.kind,
        state=job.state,
        silent=job.silent,
        withdrawn=withdrawn,
        outcome=content.get("outcome", ""),
        reason=content.get("reason", "") or job.reason,
        error=job.error,
        finished_at=job.finished_at,
        images=content.get("images", 0),
        answer=None if answer is None else _answer(answer),
        findings=tuple(_finding(number, item) for number, item in enumerate(content.get("findings", ()), start=1)),
        attention=tuple(map(_attention, _list(content, "attention"))),
        saliency=tuple(_saliency(job, number, item) for number, item in enumerate(_list(content, "heat_maps"), 1)),
    )


def _list(content: Json, key: str) -> Sequence[Json]:
    """A list that results of earlier versions lack."""
    return content.get(key) or ()


def _answer(item: Json) -> AnswerView:
    tally = item.get("tally")
    return AnswerView(
        concept=_code(item["concept"]),
        presence=item["presence"],
        score=item["score"],
        calibrated=item["calibrated"],
        threshold=item["threshold"],
        site=_meaning(item.get("site")),
        method=item.get("method", ""),
        classes=_classes(item),
        carried_by=_images(item),
        sides=tuple(_side(side) for side in _list(item, "sides")),
        tally=None if tally is None else TallyView(**tally),
    )


def _side(item: Json) -> SideView:
    return SideView(
        laterality=_meaning(item["laterality"]),
        presence=item["presence"],
        score=item["score"],
        classes=_classes(item),
        carried_by=_images(item),
    )


def _classes(item: Json) -> tuple[ClassView, ...]:
    return tuple(ClassView(name=_meaning(one["concept"]), score=one["score"]) for one in _list(item, "classes"))


def _images(item: Json) -> tuple[ImageView, ...]:
    return tuple(_image(one) for one in _list(item, "carried_by"))


def _finding(number: int, item: Json) -> FindingView:
    sizes = _list(item, "measurements")
    return FindingView(
        number=number,
        label=item["label"],
        concept=_code(item["concept"]),
        score=item["score"],
        tracking_uid=item["tracking_uid"],
        site=_meaning(item.get("site")),
        laterality=_meaning(item.get("laterality")),
        sizes=tuple(SizeView(name=_meaning(s["concept"]), value=s["value"], unit=s["unit"]) for s in sizes),
        regions=tuple(_region(contour) for contour in _list(item, "contours")),
    )


def _attention(item: Json) -> AttentionView:
    return AttentionView(weight=item["weight"], region=_region(item))


def _region(item: Json) -> RegionView:
    points = tuple((float(x), float(y)) for x, y in item["points"])
    return RegionView(image=_image(item["image"]), is_box=item["is_box"], points=points)


def _saliency(job: Job, number: int, item: Json) -> SaliencyView:
    (left, top), (width, height) = item["origin"], item["step"]
    return SaliencyView(
        number=number,
        image=_image(item["image"]),
        origin=(left, top),
        size=(item["columns"] * width, item["rows"] * height),
        examined=item["examined"],
        highest=item["highest"],
        address=f"/api/v1/studies/{job.study_instance_uid}/results/{job.job_id}/saliency/{number}.png",
    )


def _image(item: Json) -> ImageView:
    return ImageView(
        series_uid=item["series_instance_uid"], sop_uid=item["sop_instance_uid"], frame=item.get("frame_number")
    )


def _code(item: Json) -> CodeView:
    return CodeView(value=item["value"], scheme=item["scheme"], meaning=item["meaning"])


def _meaning(item: Json | None) -> str:
    return "" if item is None else str(item["meaning"])
