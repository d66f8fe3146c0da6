"""Images of a study as PNG, plain or with what was found drawn in, and heat maps to lay over them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from fastapi import Path as InPath
from fastapi import Query, Request
from fastapi.responses import Response
from PIL import Image

from dicomnode.archive.archive import Archive
from dicomnode.dicom.display import Window
from dicomnode.dicom.heat_picture import heat_picture
from dicomnode.dicom.picture import draw_overlay
from dicomnode.dicom.screen import Wanted, frame_picture, slide_picture
from dicomnode.dicom.segments import read_scores, source_uids
from dicomnode.errors import NotFoundError
from dicomnode.study import Instance
from dicomnode.web.api.study.levels import lowest_level
from dicomnode.web.api.study.results import RegionView, ResultView, SaliencyView, results_of
from dicomnode.web.auditing import note_access
from dicomnode.web.dicomweb.addresses import ArchiveOf, check_uids

LARGEST_SIDE = 1024
_WINDOW = r"^(stored|full|-?\d{1,6}(\.\d{1,3})?,\d{1,6}(\.\d{1,3})?)$"
_PNG = "image/png"
_QUICK = 1  # of 9: a third of the time for a tenth more bytes
_HEAT_MAP = "heat-map"

Frame = Annotated[int, InPath(ge=1, le=10**6, description="Counted from 1.")]
WindowText = Annotated[
    str, Query(pattern=_WINDOW, description="stored: as the image proposes; full: its whole range; or centre,width.")
]
Side = Annotated[int, Query(ge=32, le=2048, description="Longest side in pixels; smaller images stay as they are.")]
Overlay = Annotated[Literal["none", "findings"], Query(description="What is drawn into the picture.")]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Outlines with labels, in pixels of the image."""

    points: tuple[tuple[tuple[float, float], ...], ...]
    labels: tuple[str, ...]

    @property
    def outlines(self) -> list[npt.NDArray[np.float64]]:
        """The outlines as arrays, (N, 2) column, row."""
        return [np.array(points, np.float64) for points in self.points]


def frame_png(
    request: Request,
    archive: ArchiveOf,
    study_uid: str,
    sop_uid: str,
    frame: Frame,
    window: WindowText = "stored",
    size: Side = LARGEST_SIDE,
    overlay: Overlay = "none",
) -> Response:
    """An image, or one frame of it, as PNG; for the screen, not for diagnosis."""
    instance = _instance(request, archive, study_uid, sop_uid)
    drawn = None if overlay == "none" else _findings(archive, study_uid, sop_uid, frame)
    mark = [instance.sha256, frame, window, size, drawn]

    def paint() -> Image.Image:
        picture, scale = frame_picture(instance.path, frame - 1, _wanted(window, size))
        if drawn is None:
            return Image.fromarray(picture)
        return draw_overlay(picture, [outline * scale for outline in drawn.outlines], drawn.labels)

    return _png(request, mark, paint)


def slide_png(
    request: Request, archive: ArchiveOf, study_uid: str, sop_uid: str, size: Side = LARGEST_SIDE
) -> Response:
    """A whole slide as PNG, from its lowest magnification."""
    instance = lowest_level(archive, _instance(request, archive, study_uid, sop_uid))
    return _png(request, [instance.sha256, "slide", size], lambda: Image.fromarray(slide_picture(instance.path, size)))


def saliency_list(archive: ArchiveOf, study_uid: str, result: int) -> tuple[SaliencyView, ...]:
    """The heat maps of a result."""
    return _result(archive, study_uid, result).saliency


def saliency_png(
    request: Request, archive: ArchiveOf, study_uid: str, result: int, number: Annotated[int, InPath(ge=1, le=10**4)]
) -> Response:
    """A heat map to lay over its image: blue below the operating point, red above, clear where nothing was examined."""
    found = _result(archive, study_uid, result)
    if number > len(found.saliency) or found.answer is None:
        raise NotFoundError(f"result {result} has no heat map {number}")
    note_access(request, archive, study_uid, "picture")
    heat_map, threshold = found.saliency[number - 1], found.answer.threshold
    path, sha256 = _heat_map_file(archive, study_uid, found, heat_map)
    scores = read_scores(path, heat_map.image.sop_uid)
    return _png(request, [sha256, number, threshold], lambda: Image.fromarray(heat_picture(scores, threshold)))


def _instance(request: Request, archive: Archive, study_uid: str, sop_uid: str) -> Instance:
    check_uids(study_uid, sop_uid)
    instance = archive.instances.get(sop_uid)
    if instance.study_instance_uid != study_uid:
        raise NotFoundError(f"study {study_uid} holds no instance {sop_uid}")
    note_access(request, archive, study_uid, "picture")
    return instance


def _result(archive: Archive, study_uid: str, result: int) -> ResultView:
    check_uids(study_uid)
    for one in results_of(archive, study_uid):
        if one.result == result:
            return one
    raise NotFoundError(f"study {study_uid} has no result {result}")


def _wanted(window: str, size: int) -> Wanted:
    if window in ("stored", "full"):
        return Wanted(size, whole_range=window == "full")
    centre, width = (float(number) for number in window.split(","))
    return Wanted(size, Window(centre, max(width, 1.0)))


def _findings(archive: Archive, study_uid: str, sop_uid: str, frame: int) -> _Drawn:
    """Outlines of current results on an image; those that were withdrawn are not drawn."""
    results = [one for one in results_of(archive, study_uid) if one.current and not one.withdrawn]
    shown = [
        (region.points, f"{finding.label}: {finding.concept.meaning} {finding.score:.2f}")
        for result in results
        for finding in result.findings
        for region in finding.regions
        if is_on(region, sop_uid, frame)
    ]
    return _Drawn(tuple(points for points, _ in shown), tuple(label for _, label in shown))


def is_on(region: RegionView, sop_uid: str, frame: int) -> bool:
    """Whether an outline lies on an image; one that names no frame lies on the only one."""
    return region.image.sop_uid == sop_uid and (region.image.frame or 1) == frame


def _heat_map_file(archive: Archive, study_uid: str, result: ResultView, heat_map: SaliencyView) -> tuple[Path, str]:
    """The newest heat map object of the model that is about an image, and its digest."""
    items = [one for one in archive.evidence.list(study_uid) if one.model_name == result.model]
    maps = [one for one in items if one.role.startswith(_HEAT_MAP)]
    for item in sorted(maps, key=lambda one: (one.job_id != result.result, -one.instance_number, one.role)):
        if heat_map.image.sop_uid in source_uids(item.path):
            return item.path, item.sha256
    raise NotFoundError(f"no heat map object was made of image {heat_map.image.sop_uid}")


def _png(request: Request, mark: Sequence[object], paint: Callable[[], Image.Image]) -> Response:
    """A picture, unless the browser has this very one."""
    tag = f'"{hashlib.sha256(repr(mark).encode()).hexdigest()[:32]}"'
    # Kept by the browser of whoever may see it, and asked for again each time, so that a lost right counts at once
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in re.split(r"\s*,\s*", request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    buffer = BytesIO()
    paint().save(buffer, "PNG", compress_level=_QUICK)
    return Response(buffer.getvalue(), media_type=_PNG, headers=headers)
