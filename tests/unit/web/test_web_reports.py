"""Reports: what lies in the folder is listed and served, what lies elsewhere is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.bundles import write_measured
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from tests.measurements import measured
from tests.unit.web.conftest import Client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An evaluation, a training run, a report that tells nothing, and what is none of theirs."""
    root = tmp_path / "reports"
    for name in ("evaluated", "runs/trained", "plain", ".hidden"):
        (root / name / "plots").mkdir(parents=True)
        (root / name / "report.html").write_text("<!doctype html><title>report</title><style>p{}</style>")
    (root / "evaluated" / "plots" / "roc.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    write_measured(root / "evaluated" / "evaluation.json", measured("1" * 64))
    write_measured(root / "runs" / "trained" / "bundle" / "small" / "docs" / "evaluation.json", measured("2" * 64))
    (root / "plain" / "evaluation.json").write_text("{}")
    (root / "runs" / "trained" / "best.pt").write_bytes(b"weights")
    (tmp_path / "secret.html").write_text("secret")
    (root / "link.html").symlink_to(tmp_path / "secret.html")
    (root / "plain" / "circle.html").symlink_to(root / "plain" / "circle.html")
    for age, name in enumerate(("plain", "runs/trained", "evaluated")):
        os.utime(root / name / "report.html", (10**9 - age, 10**9 - age))
    return root


@pytest.fixture
def reading(archive: Archive, settings: Settings, folder: Path) -> Client:
    web = settings.web.model_copy(update={"reports": folder})
    return Client(create_app(archive, settings.model_copy(update={"web": web})))


def test_without_a_folder_the_page_says_how_to_set_one(client: Client) -> None:
    assert client.get("/api/v1/reports").json() == {"folder_is_set": False, "reports": []}
    page = client.get("/reports").text
    assert "No folder of reports is set" in page and "dicomnode review" in page
    assert client.get("/reports/report.html").status_code == 404


def test_an_empty_folder_says_what_writes_into_it(archive: Archive, settings: Settings, tmp_path: Path) -> None:
    web = settings.web.model_copy(update={"reports": tmp_path / "none"})
    client = Client(create_app(archive, settings.model_copy(update={"web": web})))
    assert client.get("/api/v1/reports").json() == {"folder_is_set": True, "reports": []}
    assert "dicomnode evaluate" in client.get("/reports").text


def test_reports_are_listed_newest_first_with_their_figures(reading: Client) -> None:
    plain, trained, evaluated = reading.get("/api/v1/reports").json()["reports"]
    assert [one["name"] for one in (plain, trained, evaluated)] == ["plain", "runs/trained", "evaluated"]
    assert (plain["model"], plain["figures"]) == ("", {})
    for report in (trained, evaluated):
        assert (report["model"], report["data"], report["split"], report["cases"]) == ("small", "pictures", "test", 40)
        assert report["figures"]["auc"] == {"value": 0.96, "low": 0.92, "high": 0.99}
    page = reading.get("/reports").text
    assert 'href="/reports/runs/trained/report.html"' in page and "0.960" in page


def test_files_of_a_report_are_served_and_can_do_nothing(reading: Client) -> None:
    page = reading.get("/reports/evaluated/report.html")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert policy.endswith("sandbox") and "default-src 'none'" in policy and "script-src" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert reading.get("/reports/evaluated/plots/roc.svg").headers["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    "place",
    [
        "../secret.html",
        "..%2Fsecret.html",
        "evaluated/..%2F..%2Fsecret.html",
        "%2Fetc%2Fpasswd.html",
        "link.html",
        "plain/circle.html",
        "runs/trained/best.pt",
        "evaluated",
        "plots.svg/report.html",
        "evaluated/report.html%00.svg",
        "none/report.html",
    ],
)
def test_nothing_else_is_served(reading: Client, place: str) -> None:
    answer = reading.get(f"/reports/{place}")
    assert answer.status_code == 404, place
    assert "secret" not in answer.text
