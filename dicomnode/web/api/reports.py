"""Reports of training and evaluation runs: folders that `dicomnode train` and `evaluate --report` have written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from dicomnode.bundles import EVALUATION, Measured
from dicomnode.bundles.measured import Figure, read_measured_file
from dicomnode.errors import BundleError, NotFoundError
from dicomnode.web.dicomweb.addresses import SettingsOf

REPORTS = "/api/v1/reports"
PAGE = "report.html"
_DEEPEST = 4
_MOST_FOLDERS, _MOST_REPORTS = 20_000, 500
# What a run writes for readers; weights and check points are nobody's business here
_MEDIA = {".html": "text/html", ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png"}


class Report(BaseModel):
    """A report.

    Attributes:
        name: Its folder, from the folder of reports on.
        made_at: When its page was written.
        model: Name of the bundle; empty where the report does not tell.
        task: Kind of answer, likewise.
        data: Data set and split that it was measured on, likewise.
        figures: Of the cases that flatter least, likewise.
        cases: How many these are.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    made_at: datetime
    model: str = ""
    task: str = ""
    data: str = ""
    split: str = ""
    cases: int = 0
    figures: dict[str, Figure] = {}


class Reports(BaseModel):
    """What lies in the folder of reports.

    Attributes:
        folder_is_set: Whether the settings name one (web.reports).
        reports: The newest first, 500 at most.
    """

    model_config = ConfigDict(frozen=True)

    folder_is_set: bool
    reports: tuple[Report, ...]


def add_report_routes(router: APIRouter) -> None:
    """Reports as JSON; their files are served by `/reports/NAME/report.html` and the like."""
    router.add_api_route(REPORTS, list_reports, methods=["GET"])


def list_reports(settings: SettingsOf) -> Reports:
    """Every report in the folder that the setting web.reports names."""
    return reports_in(settings.web.reports)


def reports_in(folder: Path | None) -> Reports:
    """Every report in a folder, and in folders in it."""
    if folder is None:
        return Reports(folder_is_set=False, reports=())
    found = sorted((_report(folder, page) for page in _pages(folder)), key=lambda item: item.made_at, reverse=True)
    return Reports(folder_is_set=True, reports=tuple(found[:_MOST_REPORTS]))


def report_file(folder: Path | None, place: str) -> tuple[Path, str]:
    """A file of a report and its media type.

    Args:
        folder: Of the settings.
        place: Path in it, as asked for.

    Raises:
        NotFoundError: There is none, it leads out of the folder, or it is nothing for readers.
    """
    missing = NotFoundError("there is no such file of a report")
    media = _MEDIA.get(Path(place).suffix)
    if folder is None or media is None or "\0" in place:
        raise missing
    root = folder.resolve()
    try:
        file = (root / place).resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        raise missing from None
    if not file.is_relative_to(root) or not file.is_file():
        raise missing
    return file, media


def _pages(folder: Path) -> Iterator[Path]:
    """Pages of reports, not too deep; links are not followed."""
    for looked, (name, folders, files) in enumerate(os.walk(folder)):
        here = Path(name)
        is_deep = len(here.relative_to(folder).parts) >= _DEEPEST
        folders[:] = [] if is_deep or looked > _MOST_FOLDERS else [one for one in folders if not one.startswith(".")]
        if PAGE in files and not (here / PAGE).is_symlink():
            yield here / PAGE


def _report(folder: Path, page: Path) -> Report:
    made = datetime.fromtimestamp(page.stat().st_mtime, UTC)
    name = page.parent.relative_to(folder).as_posix()
    measured = _measured(page.parent)
    if measured is None:
        return Report(name=name, made_at=made)
    rows, model = measured.rows[-1], _model_of(measured)
    return Report(
        name=name,
        made_at=made,
        model=model,
        task=measured.task.value,
        data=measured.data,
        split=measured.split,
        cases=rows.cases,
        figures=rows.figures,
    )


def _measured(folder: Path) -> Measured | None:
    """What was measured: beside the page of an evaluation, in the bundle of a training run."""
    files = [folder / Path(EVALUATION).name, *sorted(folder.glob(f"bundle/*/{EVALUATION}"))]
    for file in files:
        try:
            if file.is_file() and (found := read_measured_file(file)).rows:
                return found
        except BundleError:
            continue
    return None


def _model_of(measured: Measured) -> str:
    """The bundle's name, as the command that measured it has it."""
    words = measured.command.split()
    return next((word.removeprefix("models/") for word in words if word.startswith("models/")), "")
