"""The overview and the list of studies: what they tell, by page and by API, and that they name nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.flow import Hour
from dicomnode.archive.study_list import Standing, StudyFilter
from dicomnode.settings import Settings
from dicomnode.watch.alarm import Alarm, AlarmKind
from dicomnode.web.api.alarms import body_of
from dicomnode.web.api.overview import HourBody
from dicomnode.web.app import create_app
from dicomnode.web.pages.frame import _coded, _size
from dicomnode.web.pages.overview import draw_hours
from tests.seen_node import CLASSIFIER, DETECTOR, Filler, Seen
from tests.unit.web.conftest import Client

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, Settings, Seen]]:
    folder = tmp_path_factory.mktemp("overview")
    settings = Settings.model_validate(
        {
            "node": {"data_dir": folder},
            "web": {"allowed_hosts": ["testserver"], "accounts": {"required": False}},
            "targets": [
                {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 1},
                {"name": "other", "url": "http://127.0.0.1:1"},
            ],
        }
    )
    with Archive.open(settings) as archive:
        yield archive, settings, Filler(archive, NOW).fill()


@pytest.fixture
def pages(filled: tuple[Archive, Settings, Seen]) -> Client:
    archive, settings, _ = filled
    return Client(create_app(archive, settings, lambda: NOW + timedelta(minutes=5)))


def test_the_overview_counts_what_moves(pages: Client, filled: tuple[Archive, Settings, Seen]) -> None:
    seen = pages.get("/api/v1/overview").json()
    assert seen["in_flight"] | {"running": None} == {
        "open_studies": 2,
        "open_images": 4,
        "sending": 0,
        "running": None,
    }
    assert [job["study_instance_uid"] for job in seen["in_flight"]["running"]] == [filled[2].running]
    assert seen["queue"]["jobs"] == {"waiting": 1, "leased": 1, "done": 5, "failed": 1}
    assert seen["outbox"]["deliveries"]["refused"] == 3
    assert seen["outbox"]["waiting_since"] is not None
    assert len(seen["hours"]) == 24
    assert seen["hours"][-1] == {"start": "2026-11-21T12:00:00Z", "studies": 11, "images": 58, "answers": 6}
    assert 0 < seen["disk"]["free"] < seen["disk"]["total"]
    assert seen["devices"][0]["models"] == [DETECTOR, CLASSIFIER]
    assert [(peer["name"], peer["standing"]) for peer in seen["peers"]] == [("pacs", "answering"), ("other", "none")]


def test_alarms_say_where_to_look(pages: Client) -> None:
    alarms = {alarm["kind"]: alarm for alarm in pages.get("/api/v1/alarms").json()}
    assert alarms["deliveries-refused"]["page"] == "/deliveries?state=refused"
    assert alarms["jobs-failed"]["page"] == "/studies?standing=failed"
    assert "1" in alarms["quarantined"]["sentence"]
    stuck = Alarm(AlarmKind.JOB_STUCK, "7", NOW, "Job %(job)s", "Look", {"job": 7, "study": "1.2.3"})
    assert body_of(stuck).page == "/studies/1.2.3"


def test_pages_name_nobody(pages: Client) -> None:
    for path in ("/", "/studies", "/api/v1/studies", "/api/v1/overview"):
        text = pages.get(path).text
        assert "Generated^Test" not in text
        assert "TEST-1" not in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=ACC-POSITIVE", {"positive"}),
        ("q=TEST-1&standing=conflict", {"conflict"}),
        ("standing=open", {"arriving", "conflict"}),
        ("standing=waiting", {"waiting"}),
        ("standing=leased", {"running"}),
        ("standing=failed", {"failed"}),
        ("standing=quarantined", {"quarantined"}),
        ("modality=CT", {"unrouted"}),
        (f"model={CLASSIFIER}", {"positive"}),
        ("outcome=refused", {"refused"}),
        (f"outcome=no_findings&model={DETECTOR}", {"negative"}),
        ("first=2026-01-03", set()),
        ("first=20260101&last=2026-01-02&outcome=out_of_scope", {"out_of_scope"}),
        ("q=nothing", set()),
    ],
)
def test_studies_are_found(pages: Client, filled: tuple[Archive, Settings, Seen], query: str, found: set[str]) -> None:
    answer = pages.get(f"/api/v1/studies?{query}").json()
    assert {study["study_instance_uid"] for study in answer["studies"]} == {getattr(filled[2], n) for n in found}
    page = pages.get(f"/studies?{query}").text
    assert page.count('href="/studies/') == len(found)
    assert found or "No study fits" in page


def test_studies_are_found_by_the_beginning_of_their_uid_and_paged(
    pages: Client, filled: tuple[Archive, Settings, Seen]
) -> None:
    uid = filled[2].positive
    (study,) = pages.get(f"/api/v1/studies?q={uid[:20]}").json()["studies"]
    assert study["standing"] == "complete"
    assert [(job["model"], job["outcome"], job["silent"]) for job in study["jobs"]] == [
        (DETECTOR, "findings", False),
        (CLASSIFIER, "findings", True),
    ]
    pages_of_five = [pages.get(f"/api/v1/studies?limit=5&offset={offset}").json() for offset in (0, 5, 10)]
    assert [len(page["studies"]) for page in pages_of_five] == [5, 5, 1]
    assert [page["more"] for page in pages_of_five] == [True, True, False]
    assert filled[0].study_list.find(StudyFilter(standing=Standing.COMPLETE), limit=99)
    assert filled[0].study_list.modalities() == ["CT", "MR", "SEG", "SR"]


def test_the_chart_of_hours_fills_its_height() -> None:
    hours = [HourBody(start=NOW, studies=n, images=0, answers=0) for n in (0, 2, 4)]
    assert [column.height for column in draw_hours(hours)] == [0, 45, 90]
    assert [column.y for column in draw_hours(hours)] == [90, 45, 0]


def test_hours_without_anything_are_there(filled: tuple[Archive, Settings, Seen]) -> None:
    later = NOW + timedelta(hours=3)
    hours = filled[0].flow.hours(later, 4)
    assert hours[0].studies == 11
    assert hours[1:] == [Hour(later.replace(minute=0) - timedelta(hours=back), 0, 0, 0) for back in (2, 1, 0)]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (45 * 2**30, "45.0 GiB")]
)
def test_sizes(count: int, text: str) -> None:
    assert _size(count) == text


def test_commands_in_sentences_are_code_and_the_rest_is_escaped() -> None:
    assert _coded("<b> `dicomnode serve` & `<i>`") == (
        "&lt;b&gt; <code>dicomnode serve</code> &amp; <code>&lt;i&gt;</code>"
    )
