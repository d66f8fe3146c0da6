"""The page of reports of training and evaluation runs, their files, and how to review a table of pictures."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from dicomnode.web.api.reports import report_file, reports_in
from dicomnode.web.dicomweb.addresses import SettingsOf
from dicomnode.web.pages.figure_words import FIGURES, MAIN, FigureRow, cell
from dicomnode.web.pages.frame import PagesOf, who

# A report is one page with its own style and pictures in it. It runs nothing, asks for nothing, and stands in an origin
# of its own, so that whatever a training run wrote into it cannot reach the node.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; sandbox"
)


def add_report_pages(router: APIRouter) -> None:
    """The list, and the files."""
    router.add_api_route("/reports", reports_page, methods=["GET"])
    router.add_api_route("/reports/{place:path}", file_of_report, methods=["GET"])


def reports_page(request: Request, settings: SettingsOf, pages: PagesOf) -> Response:
    """Every report with its main figures, the newest first."""
    found = reports_in(settings.web.reports)
    rows = [
        (
            report,
            [FigureRow(FIGURES[name], (cell(report.figures.get(name)),)) for name in MAIN.get(report.task, ())],
        )
        for report in found.reports
    ]
    table = settings.web.review.table
    content = {"reports": rows, "is_set": found.folder_is_set, "review": None if table is None else table.name}
    return pages.show(request, "reports.html", who(settings) | content)


def file_of_report(settings: SettingsOf, place: str) -> Response:
    """A file of a report: its page, its plots, or its figures."""
    file, media = report_file(settings.web.reports, place)
    return FileResponse(file, media_type=media, headers={"Content-Security-Policy": _POLICY})
