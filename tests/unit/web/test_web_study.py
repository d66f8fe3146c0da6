"""A study by the API and on its page: what models said, why, the evidence, the trace, and what is not told."""

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

import pytest
from pydicom import dcmread

from dicomnode.archive import Archive
from dicomnode.dicom.audit import AuditKind
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from tests.seen_node import CLASSIFIER, DETECTOR, Filler, Seen
from tests.unit.web.conftest import Client

API = "/api/v1/studies"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with Archive.open(settings_in(tmp_path_factory.mktemp("study"))) as opened:
        yield opened


def settings_in(folder) -> Settings:
    (folder / "models").mkdir()
    target = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 1}
    return Settings.model_validate(
        {
            "node": {"ae_title": "TESTNODE", "data_dir": folder / "data"},
            "models": {"folder": folder / "models"},
            "web": {"allowed_hosts": ["testserver"], "accounts": {"required": False}},
            "targets": [target],
        }
    )


@pytest.fixture(scope="module")
def seen(archive: Archive) -> Seen:
    return Filler(archive, datetime.now(UTC)).fill()


@pytest.fixture(scope="module")
def client(archive: Archive, seen: Seen, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(create_app(archive, settings_in(tmp_path_factory.mktemp("app"))))


def test_a_study_at_a_glance(client: Client, seen: Seen) -> None:
    found = client.get(f"{API}/{seen.positive}").json()
    assert found["description"] == "Head with contrast"
    assert (found["images"], found["accession_number"], found["state"]) == (6, "ACC-POSITIVE", "complete")
    assert client.get(f"{API}/{seen.arriving}").json()["in_flight"] is True
    in_doubt = client.get(f"{API}/{seen.conflict}").json()["identity_conflict"]
    assert in_doubt and "TEST-" not in in_doubt  # no patient is named
    assert client.get(f"{API}/{seen.quarantined}").json()["quarantined"]


def test_findings_carry_outlines_sizes_and_the_operating_point(client: Client, seen: Seen) -> None:
    results = client.get(f"{API}/{seen.positive}/findings").json()
    assert [(one["model"], one["silent"], one["current"]) for one in results] == [
        (DETECTOR, False, True),
        (CLASSIFIER, True, True),
    ]
    first = results[0]["findings"][0]
    assert (first["label"], first["score"], len(first["regions"])) == ("Lesion 1", 0.91, 2)
    assert results[0]["answer"]["threshold"] == 0.5
    x, y = first["regions"][0]["points"][0]
    assert (x, y) == (69.0, 40.0)


@pytest.mark.parametrize(
    ("name", "outcome"), [("refused", "refused"), ("out_of_scope", "out_of_scope"), ("failed", "failed")]
)
def test_answers_that_are_none_say_why(client: Client, seen: Seen, name: str, outcome: str) -> None:
    (result,) = client.get(f"{API}/{getattr(seen, name)}/findings").json()
    assert (result["outcome"], result["answer"]) == (outcome, None)
    assert result["reason"]


def test_the_trace_tells_of_each_model_why_or_why_not(client: Client, seen: Seen) -> None:
    story = client.get(f"{API}/{seen.unrouted}/trace").json()
    assert {why["model"]: why["ran"] for why in story["models"]} == {DETECTOR: False, CLASSIFIER: False}
    assert all("it takes MR" in why["why"] for why in story["models"])
    first = story["events"][0]
    assert (first["event"], first["text"]) == ("received", "6 instance(s) so far from MODALITY to DICOMNODE")
    ran = client.get(f"{API}/{seen.positive}/trace").json()["models"]
    assert {why["model"]: why["ran"] for why in ran}[DETECTOR] is True


def test_evidence_has_the_gates_word_and_its_deliveries(client: Client, seen: Seen) -> None:
    items = client.get(f"{API}/{seen.positive}/evidence").json()
    own = [item for item in items if item["model"] == DETECTOR]
    assert {item["role"] for item in own} >= {"answer", "lesions", "segmentation", "text"}
    assert all(item["current"] and item["state"] == "ready" for item in own)
    states = {delivery["state"] for item in own for delivery in item["deliveries"]}
    assert {"delivered", "refused", "held"} <= states
    assert all(not item["deliveries"] for item in items if item["model"] == CLASSIFIER)


def test_a_report_is_read_as_a_tree_and_checked_again(client: Client, seen: Seen) -> None:
    (lesions,) = (i for i in client.get(f"{API}/{seen.positive}/evidence").json() if i["role"] == "lesions")
    contents = client.get(lesions["contents"]).json()
    assert contents["tree"]["concept"] == "Imaging Measurement Report"
    assert "Lesion 1" in str(contents["tree"])
    assert contents["lint"]["problems"] == []
    assert contents["lint"]["unchecked"]
    page = client.get(f"/studies/{seen.positive}/evidence/{lesions['sop_uid']}").text
    assert "Imaging Measurement Report" in page
    assert "no problem found" in page


def test_a_segmentation_tells_its_segments(client: Client, seen: Seen) -> None:
    items = client.get(f"{API}/{seen.positive}/evidence").json()
    (item,) = (i for i in items if i["role"] == "segmentation" and i["model"] == DETECTOR)
    found = client.get(item["contents"]).json()["segmentation"]
    assert (found["kind"], found["rows"], found["columns"]) == ("BINARY", 96, 96)
    assert [(s["label"], s["frames"]) for s in found["segments"]] == [("Lesion 1", 2), ("Lesion 2", 1)]
    assert all(s["colour"].startswith("#") and len(s["colour"]) == 7 for s in found["segments"])
    assert 'fill="#' in client.get(f"/studies/{seen.positive}/evidence/{item['sop_uid']}").text


def test_series_and_slices_are_listed_in_order(client: Client, seen: Seen) -> None:
    (series,) = client.get(f"{API}/{seen.positive}/series").json()
    assert (series["images"], series["modality"]) == (6, "MR")
    slices = client.get(f"{API}/{seen.positive}/series/{series['series_uid']}/slices").json()
    assert [(s["rows"], s["columns"], s["frame"]) for s in slices] == [(96, 96, 1)] * 6
    assert client.get(slices[5]["address"]).headers["content-type"] == "image/png"
    assert client.get(f"{API}/{seen.positive}/series/9.9/slices").status_code == 404


@pytest.mark.parametrize("name", Seen.__slots__)
def test_every_study_has_a_page_without_patients(client: Client, seen: Seen, name: str) -> None:
    page = client.get(f"/studies/{getattr(seen, name)}", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "Test^" not in page.text
    assert "TEST-1" not in page.text
    assert "TEST-2" not in page.text


def test_the_page_says_what_a_reader_must_not_overlook(client: Client, seen: Seen) -> None:
    page = client.get(f"/studies/{seen.positive}").text
    assert "No human has verified them" in page
    assert "silent, never sent" in page
    assert "not for MR" in page
    assert "dicomnode identity settle" in client.get(f"/studies/{seen.conflict}").text
    assert "In quarantine" in client.get(f"/studies/{seen.quarantined}").text


def test_outlines_are_drawn_where_they_are(client: Client, seen: Seen) -> None:
    points = client.get(f"{API}/{seen.positive}/findings").json()[0]["findings"][1]["regions"][0]["points"]
    drawn = " ".join(f"{x:g},{y:g}" for x, y in points)
    page = client.get(f"/studies/{seen.positive}?series=&slice=1").text
    assert f'<polygon points="{drawn}"/>' in page
    assert 'viewBox="0 0 96 96"' in page


def test_without_a_script_the_series_is_reached_by_links(client: Client, seen: Seen) -> None:
    (series,) = client.get(f"{API}/{seen.positive}/series").json()
    uid = series["series_uid"]
    page = client.get(f"/studies/{seen.positive}?series={uid}&slice=3&window=full").text
    assert f"?series={uid}&amp;slice=2&amp;window=full#images" in page
    assert f"?series={uid}&amp;slice=4&amp;window=full#images" in page
    assert "?window=full" in page
    assert client.get(f"/studies/{seen.positive}?series={uid}&slice=900").status_code == 200


def test_evidence_and_source_files_come_as_zip_and_that_is_audited(
    client: Client, archive: Archive, seen: Seen
) -> None:
    answer = client.get(f"{API}/{seen.positive}/evidence.zip")
    with zipfile.ZipFile(BytesIO(answer.content)) as pack:
        assert pack.testzip() is None
        names = pack.namelist()
        assert len(names) == len(client.get(f"{API}/{seen.positive}/evidence").json())
        assert dcmread(BytesIO(pack.read(names[0]))).StudyInstanceUID == seen.positive
    source = client.get(f"{API}/{seen.positive}/files.zip")
    with zipfile.ZipFile(BytesIO(source.content)) as pack:
        assert len(pack.namelist()) == 6
    entry = archive.audit.list(1)[0]
    assert (entry.kind, entry.event, entry.detail) == (AuditKind.EXPORT, "download", "6 file(s) of study as ZIP")
    assert client.get(f"{API}/{seen.unrouted}/evidence.zip").status_code == 404


@pytest.mark.parametrize("path", ["", "/trace", "/findings", "/evidence", "/series", "/evidence.zip", "/files.zip"])
def test_what_is_not_here_is_told(client: Client, path: str) -> None:
    assert client.get(f"{API}/9.9{path}").status_code == 404
    assert client.get(f"{API}/x{path}").status_code == 400


def test_a_recalled_result_is_marked_and_not_drawn(client: Client, archive: Archive, seen: Seen) -> None:
    found = archive.recalls.candidates(DETECTOR, datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    now = datetime.now(UTC)
    number = archive.recalls.begin(DETECTOR, now, now, "test", now)
    assert archive.recalls.withdraw(number, seen.negative, found[seen.negative], [], now) is not None
    (result,) = client.get(f"{API}/{seen.negative}/findings").json()
    assert result["withdrawn"] is True
    assert "must not be relied upon" in client.get(f"/studies/{seen.negative}").text
