"""Models by page and by API: what is shown of them, and approving them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.archive.answers import GivenAnswer
from dicomnode.archive.records import DeploymentState, JobKind, NewJob
from dicomnode.bundles import EVALUATION, bundle_digest, write_measured
from dicomnode.settings import Settings
from dicomnode.web.api.in_service import BINS, counted, drift
from dicomnode.web.pages.cards import render
from dicomnode.web.pages.charts import counts
from dicomnode.web.pages.model_charts import measured_charts, service_charts
from tests.archives import complete
from tests.measurements import measured
from tests.unit.web.conftest import NOW, Client, Store
from tests.unit.web.signed_in import Browser, Clock, make_account, make_token

TODAY = date(2026, 11, 22)


@pytest.fixture
def bundle(make_bundle: Any, settings: Settings) -> Path:
    path: Path = make_bundle(folder=settings.models.folder, weights=False)
    (path / "docs").mkdir(exist_ok=True)
    (path / "docs" / "README.md").write_text("# small 0.1.0\n\n## Limits\n\nOnly <b>tests</b>.\n")
    return path


@pytest.fixture
def admin(archive: Archive, guarded: FastAPI, clock: Clock) -> Browser:
    """An administrator who has signed in."""
    browser = Browser(guarded)
    make_account(archive, "root", Role.ADMIN, clock)
    browser.sign_in("root")
    return browser


def ask_state(browser: Browser, archive: Archive, name: str, **body: object) -> Any:
    headers = make_token(archive, "root", Role.ADMIN, Clock())
    return browser.request("POST", f"/api/v1/models/{name}/state", json=body, headers=headers)


def test_a_dropped_bundle_is_seen_and_waits(client: Client, bundle: Path) -> None:
    (found,) = client.get("/api/v1/models").json()
    assert (found["name"], found["standing"], found["changed"]) == ("small", "waiting", False)
    assert found["digest"] == bundle_digest(bundle)
    page = client.get("/models").text
    assert "Nobody has approved it" in page and 'href="/models/small"' in page


def test_a_model_tells_what_it_accepts_and_its_card(client: Client, bundle: Path) -> None:
    model = client.get("/api/v1/models/small").json()
    assert model["node"]["accepts"]["modality"] == ["MR"]
    assert (model["measured"], model["measured_problem"], model["service"]["answers"]) == (None, "", 0)
    page = client.get("/models/small").text
    for words in ("BRAIN, HEAD", "8 or more", "Neoplasm of brain", "Only &lt;b&gt;tests&lt;/b&gt;.", "--card"):
        assert words in page, words
    assert "<form" not in page.partition("<main")[2]  # whoever may not switch it is told how that is done
    assert "dicomnode models set" in page


def test_figures_come_with_their_intervals_and_charts(client: Client, bundle: Path) -> None:
    write_measured(bundle / EVALUATION, measured(bundle_digest(bundle)))
    model = client.get("/api/v1/models/small").json()
    assert model["measured_as_is"] and model["measured"]["rows"][0]["figures"]["auc"]["low"] == 0.92
    page = client.get("/models/small").text
    assert "0.960</span>" in page and "0.920–0.990" in page  # noqa: RUF001  as the page has it
    for key in ("roc-all", "calibration-all", "spread-all"):
        assert f'aria-labelledby="{key}-title"' in page
    assert "style=" not in page
    write_measured(bundle / EVALUATION, measured("0" * 64))
    assert "Another state of this bundle" in client.get("/models/small").text


def test_figures_that_cannot_be_read_are_told(client: Client, bundle: Path) -> None:
    (bundle / EVALUATION).write_text("{")
    assert "docs/evaluation.json" in client.get("/api/v1/models/small").json()["measured_problem"]
    assert client.get("/models/small").status_code == 200


def test_a_broken_bundle_and_a_missing_one_say_why(client: Client, bundle: Path, archive: Archive) -> None:
    (bundle / "configs" / "inference.json").unlink()
    archive.deployments.approve("gone", "a" * 64, DeploymentState.LIVE, NOW)
    gone, small = client.get("/api/v1/models").json()
    assert (gone["standing"], small["standing"]) == ("missing", "broken")
    for name in ("gone", "small"):
        assert client.get(f"/models/{name}").status_code == 200
    assert client.get("/models/none").status_code == 404
    assert client.get("/api/v1/models/..%2Fsmall").status_code == 404


def test_an_administrator_approves_and_switches(admin: Browser, archive: Archive, bundle: Path) -> None:
    digest = bundle_digest(bundle)
    answer = admin.submit("/models/small", "/models/small/state", state="live", digest=digest)
    assert (answer.status_code, answer.headers["location"]) == (303, "/models/small")
    deployment = archive.deployments.get("small")
    assert deployment is not None and (deployment.digest, deployment.state) == (digest, DeploymentState.LIVE)
    entry = archive.audit.list(limit=1)[0]
    assert (entry.event, entry.actor, entry.detail) == ("model approved", "root@127.0.0.1", f"small {digest} live")

    answer = ask_state(admin, archive, "small", state="off", digest=digest)
    assert answer.json()["standing"] == "off"


def test_a_changed_bundle_is_approved_as_it_was_seen_or_not_at_all(
    admin: Browser, archive: Archive, bundle: Path
) -> None:
    old = bundle_digest(bundle)
    assert ask_state(admin, archive, "small", state="live", digest=old).status_code == 200
    (bundle / "models" / "model.safetensors").write_bytes(b"others")
    page = admin.get("/models/small").text
    assert "another one than was approved" in page and "Approve this digest" in page and old in page
    refused = ask_state(admin, archive, "small", state="live", digest=old)
    assert (refused.status_code, "has changed since" in refused.json()["detail"]) == (409, True)
    assert ask_state(admin, archive, "small", state="live", digest=bundle_digest(bundle)).json()["standing"] == "live"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"state": "on", "digest": "0" * 64}, 400),
        ({"state": "live"}, 400),
        ({"state": "live", "digest": "0" * 64}, 409),
        ({"state": "live", "digest": "0" * 64, "more": 1}, 400),
    ],
)
def test_other_switches_are_refused(admin: Browser, archive: Archive, bundle: Path, body: Any, status: int) -> None:
    assert ask_state(admin, archive, "small", **body).status_code == status
    form = admin.submit("/models/small", "/models/small/state", state="on", digest="x")
    assert form.status_code == 400
    assert archive.deployments.get("small") is None


def test_a_missing_model_can_only_be_switched_off(admin: Browser, archive: Archive) -> None:
    archive.deployments.approve("gone", "a" * 64, DeploymentState.LIVE, NOW)
    assert ask_state(admin, archive, "gone", state="live", digest="a" * 64).status_code == 404
    assert ask_state(admin, archive, "gone", state="off", digest="a" * 64).status_code == 200
    gone = archive.deployments.get("gone")
    assert gone is not None and gone.state is DeploymentState.OFF


def test_code_runs_only_where_it_is_allowed(
    admin: Browser, archive: Archive, make_bundle: Any, settings: Settings
) -> None:
    path = make_bundle(folder=settings.models.folder, weights=False)
    metadata = json.loads((path / "configs" / "metadata.json").read_text())
    node = metadata.pop("dicomnode")
    (path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (path.parent / "small.node.toml").write_text(to_toml(node))
    config = json.loads((path / "configs" / "inference.json").read_text())
    (path / "configs" / "inference.json").write_text(json.dumps(config | {"x": "$1 + 1"}))
    digest = bundle_digest(path)
    refused = ask_state(admin, archive, "small", state="live", digest=digest)
    assert (refused.status_code, "$ expressions" in refused.json()["detail"]) == (400, True)
    page = admin.get("/models/small").text
    assert "run as code on this node" in page and 'name="allow_code"' in page
    fields = {"state": "silent", "digest": digest, "allow_code": "on"}
    assert admin.submit("/models/small", "/models/small/state", **fields).status_code == 303


def to_toml(node: dict[str, Any]) -> str:
    """A table as inline TOML; JSON's strings, numbers and lists are TOML's too."""

    def value(item: Any) -> str:
        if isinstance(item, dict):
            return "{" + ", ".join(f"{key} = {value(inner)}" for key, inner in item.items()) + "}"
        if isinstance(item, list):
            return "[" + ", ".join(map(value, item)) + "]"
        return json.dumps(item)

    return "".join(f"{key} = {value(item)}\n" for key, item in node.items())


def given(days: int, outcome: str, score: float | None, digest: str = "d") -> GivenAnswer:
    return GivenAnswer(digest, outcome, score, datetime(2026, 11, 22, tzinfo=UTC) - timedelta(days=days))


def test_answers_are_counted_by_week_outcome_and_score() -> None:
    answers = [given(0, "findings", 1.0), given(1, "refused", None), given(8, "no_findings", 0.05, "old")]
    service = counted([*answers, given(400, "findings", 0.07)], "d", None, TODAY)
    assert (service.answers, service.of_others, service.drift) == (4, 1, None)
    assert service.outcomes == {"findings": 2, "refused": 1, "no_findings": 1}
    assert len(service.weeks) == 12 and service.weeks[-1].first_day == date(2026, 11, 16)
    assert service.weeks[-1].outcomes == {"findings": 1, "refused": 1}
    assert service.weeks[-2].outcomes == {"no_findings": 1}
    assert (service.scores[BINS - 1], service.scores[1], sum(service.scores)) == (1, 1, 2)


def test_drift_tells_scores_that_spread_otherwise() -> None:
    same = [10] * BINS
    assert drift(same, [3] * BINS) == 0
    assert drift([2] * BINS, same) is None  # too few to tell
    assert drift(same, ()) is None
    other = drift([0] * (BINS - 1) + [200], same)
    assert other is not None and other > 1


def test_what_is_counted_is_kept_until_there_is_more(
    client: Client, archive: Archive, bundle: Path, store: Store
) -> None:
    for generation, score in ((1, 0.9), (2, 0.2)):
        store(number=generation)
        assert complete(archive, "1.2.1") == generation
        job = NewJob("small", bundle_digest(bundle), JobKind.INFER, "", ("1.2.1.1",), (), True)
        archive.jobs.add_all("1.2.1", generation, [job], [], NOW)
        leased = archive.jobs.lease("w", NOW, 60)
        assert leased is not None
        result = json.dumps({"outcome": "findings", "answer": {"score": score}})
        assert archive.jobs.finish(leased.job_id, "w", [], result, NOW + timedelta(seconds=generation))
        service = client.get("/api/v1/models/small").json()["service"]
        assert (service["answers"], sum(service["scores"])) == (generation, generation)
    assert 'aria-labelledby="scores-title"' in client.get("/models/small").text


def test_charts_say_in_their_tables_what_they_draw() -> None:
    one = measured("0" * 64)
    roc, calibration, spread = measured_charts(one, one.rows[0])
    assert roc.rows == (("finding", "0.000", "0.000", "0.000", "0.800", "0.800", "0.950"),)
    assert [row[2:] for row in calibration.rows] == [("10", "0.630", "0.600"), ("30", "0.980", "0.970")]
    assert sum(int(row[1]) for row in spread.rows) == sum(one.rows[0].without_finding)
    for chart in (roc, calibration, spread):
        assert len({len(row) for row in (chart.head, *chart.rows)}) == 1
        for column in chart.columns:
            assert column.x >= 46 and column.x + column.width <= 348.5 and 12 <= column.y <= 216
    service = counted([given(0, "findings", 0.9)] * 60, "d", one, TODAY)
    weeks, scores = service_charts(service, one, 0.5)
    assert weeks.rows == (("2026-11-16", "60"),)
    assert scores.lines and any(row[1] == "60" for row in scores.rows)


@pytest.mark.parametrize(("most", "top"), [(0, 1), (1, 1), (5, 6), (60, 60), (61, 80), (1234, 1500)])
def test_axes_end_at_round_numbers(most: float, top: float) -> None:
    assert counts(most)[0] == top


@pytest.mark.parametrize(
    ("text", "shown", "hidden"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;", "<script"),
        ("[x](javascript:alert(1))", "[x]", "href"),
        ("![x](https://elsewhere/a.png)", "elsewhere", "<img"),
        ("[x](https://elsewhere/)", 'href="https://elsewhere/"', "onclick"),
        ("| a |\n| - |\n| 1 |", '<div class="scroll" tabindex="0">', "style"),
        ("# One", "<h3>One</h3>", "<h1"),
        ("<img src=x onerror=alert(1)>", "&lt;img", "<img"),
    ],
)
def test_cards_can_only_be_read(text: str, shown: str, hidden: str) -> None:
    html = str(render(text))
    assert shown in html and hidden not in html
