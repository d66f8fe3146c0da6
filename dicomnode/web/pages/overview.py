"""The overview: everything at a glance. No patient names or IDs are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dicomnode.watch.alarms import gather_alarms
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.alarms import body_of, page_of
from dicomnode.web.api.overview import HourBody, gather_overview
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf
from dicomnode.web.pages.frame import PagesOf, who

_WIDTH, _HEIGHT, _GAP = 480.0, 90.0, 3.0
_SHOWN_STATES = ("waiting", "leased", "failed")
_MOST_ALARMS = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the chart of hours, in the view box.

    Attributes:
        title: The hour and its figures.
        hour: Of the day, UTC; empty where none is written.
    """

    x: float
    y: float
    width: float
    height: float
    of: HourBody
    hour: str


def add_overview_route(router: APIRouter) -> None:
    """The page that opens first."""
    router.add_api_route("/", overview, methods=["GET"])


def overview(request: Request, archive: ArchiveOf, settings: SettingsOf, pages: PagesOf, now: NowOf) -> Response:
    """What is in flight, throughput, queue, disk, devices, peers, deliveries and alarms in one screen."""
    alarms = gather_alarms(archive, settings, now)
    seen = gather_overview(archive, settings, now, [body_of(alarm) for alarm in alarms])
    content = who(settings) | {
        "receive_port": settings.receive.port,
        "seen": seen,
        "now": now,
        "alarms": [(alarm, page_of(alarm)) for alarm in alarms],
        "most_alarms": _MOST_ALARMS,
        "columns": draw_hours(seen.hours),
        "chart": (_WIDTH, _HEIGHT),
        "is_new": not seen.studies,
    }
    return pages.show(request, "overview.html", content)


def draw_hours(hours: Sequence[HourBody]) -> list[Column]:
    """A column for the studies of each hour."""
    most = max(1, *(hour.studies for hour in hours))
    width = _WIDTH / len(hours)
    columns = []
    for number, hour in enumerate(hours):
        height = _HEIGHT * hour.studies / most
        label = f"{hour.start:%H}" if hour.start.hour % 6 == 0 else ""
        columns.append(Column(number * width, _HEIGHT - height, width - _GAP, height, hour, label))
    return columns
