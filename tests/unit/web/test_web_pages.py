"""The plain pages: what they show, and what they must not."""

import json

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState, JobKind, NewEvidence, NewJob
from tests.unit.web.conftest import NOW, Client, Store, file_bytes, make_dataset

RESULT = {
    "outcome": "findings",
    "reason": "1 lesion over the threshold",
    "answer": {
        "concept": {"value": "126952004", "scheme": "SCT", "meaning": "Neoplasm of brain"},
        "presence": "present",
        "score": 0.9712,
        "calibrated": False,
        "threshold": 0.5,
    },
    "findings": [
        {
            "label": "Lesion 1",
            "concept": {"value": "52988006", "scheme": "SCT", "meaning": "Lesion"},
            "site": {"value": "12738006", "scheme": "SCT", "meaning": "Brain"},
            "score": 0.97,
            "tracking_uid": "2.25.1",
            "contours": [],
            "measurements": [
                {
                    "concept": {"value": "103339001", "scheme": "SCT", "meaning": "Long axis"},
                    "value": 28.31,
                    "unit": "mm",
                }
            ],
        }
    ],
}


@pytest.fixture
def answered(archive: Archive, store: Store) -> str:
    """A study with one answered job; gives the UID of its evidence."""
    store(StudyDescription="Head <b>1</b>")
    (study,) = archive.studies.open_studies()
    archive.studies.complete("1.2.1", "released, quiet for 10 s", study.arrivals, NOW)
    job = NewJob("lesions", "d" * 64, JobKind.INFER, "MR of the head", ("1.2.1.1",), ("pacs",), silent=False)
    archive.jobs.add_all("1.2.1", 1, [job], [("lesions", "runs on series 1"), ("other", "not for MR")], NOW)
    leased = archive.jobs.lease("worker", NOW, 60)
    assert leased is not None
    uid = "1.2.1.99.1"
    report = make_dataset(series="99", Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.22")
    path = archive.evidence.write_file(file_bytes(report), uid)
    row = NewEvidence(uid, report.SOPClassUID, "1.2.1.99", "1.2.1", "lesions", "text", path, 1)
    assert archive.jobs.finish(leased.job_id, "worker", [row], json.dumps(RESULT), NOW)
    return uid


def test_overview_of_an_empty_node_says_what_to_do(client: Client) -> None:
    page = client.get("/").text
    assert "Nothing has come in yet" in page
    assert "TESTNODE" in page


def test_studies_are_listed_with_their_state(client: Client, answered: str) -> None:
    page = client.get("/studies").text
    assert 'href="/studies/1.2.1"' in page
    assert 'class="state complete"' in page
    assert 'class="state findings"' in page


def test_study_page_tells_answer_evidence_and_trace(client: Client, answered: str) -> None:
    page = client.get("/studies/1.2.1").text
    assert "Neoplasm of brain</span></b>" in page or "<b><span>Neoplasm of brain</span></b>" in page
    assert 'aria-label="Neoplasm of brain: 0.971, threshold 0.500"' in page
    assert "Long axis</span> 28.3 mm" in page
    assert "not for MR" in page
    assert f"/evidence/{answered}.dcm" in page
    assert "pacs" in page


def test_pages_escape_and_keep_patients_out(client: Client, answered: str) -> None:
    for path in ("/studies", "/studies/1.2.1"):
        page = client.get(path).text
        assert "<b>1</b>" not in page
        assert "Head &lt;b&gt;1&lt;/b&gt;" in page
        assert "Müller" not in page
        assert "P-1" not in page
        assert "http://" not in page.replace("http://testserver", "")


def test_evidence_can_be_downloaded(client: Client, answered: str) -> None:
    answer = client.get(f"/evidence/{answered}.dcm")
    assert answer.headers["content-type"] == "application/dicom"
    assert answer.headers["content-disposition"] == f'attachment; filename="text-{answered}.dcm"'
    assert answer.content[128:132] == b"DICM"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/9.9", 404),
        ("/studies/x", 400),
        ("/evidence/9.9.dcm", 404),
        ("/evidence/passwd", 400),
        ("/studies?offset=-1", 400),
        ("/studies?standing=lost", 400),
        ("/studies?first=yesterday", 400),
    ],
)
def test_what_is_not_here_is_told(client: Client, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_studies_page_on(client: Client, store: Store) -> None:
    for number in range(51):
        store(study=str(1000 + number))
    assert 'href="/studies?offset=50"' in client.get("/studies").text
    assert client.get("/studies", params={"offset": 50}).text.count('href="/studies/') == 1


def test_style_sheet_is_served(client: Client) -> None:
    answer = client.get("/static/style.css")
    assert answer.status_code == 200
    assert "prefers-color-scheme: dark" in answer.text


def test_deliveries_that_did_not_arrive_are_listed_and_can_be_tried_again(
    client: Client, archive: Archive, answered: str
) -> None:
    (due,) = archive.deliveries.due("pacs", NOW, 9)
    archive.deliveries.lease(due.delivery_id, "me", NOW, NOW)
    refused = (DeliveryState.REFUSED, "HTTP 422", NOW, NOW)
    archive.deliveries.mark(due.delivery_id, "me", *refused, answer="<b>no</b>")
    page = client.get("/deliveries").text
    assert f'action="/deliveries/{due.delivery_id}/retry"' in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "HTTP 422" not in client.get("/deliveries?state=delivered").text
    assert f'name="delivery" value="{due.delivery_id}"' in client.get("/studies/1.2.1").text
    assert client.request("POST", f"/deliveries/{due.delivery_id}/retry").status_code == 303
    assert archive.deliveries.list()[0].state is DeliveryState.WAITING
    assert client.request("POST", "/deliveries/999/retry").status_code == 404
