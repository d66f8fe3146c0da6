"""Accept headers, DICOM JSON, and the headers of every answer."""

import json
import math

import pytest
from pydicom.dataset import Dataset

from dicomnode.errors import ArchiveFullError, ConflictError, DicomNodeError, NotDicomError, NotFoundError
from dicomnode.web.dicomweb.dicomjson import attribute, dataset_to_json, keyword_or_tag
from dicomnode.web.dicomweb.media import parse_accept
from dicomnode.web.problems import status_of
from tests.unit.web.conftest import Client


def test_accept_is_read_with_quotes_and_weights() -> None:
    header = 'multipart/related; type="application/dicom"; transfer-syntax=*;q=0.5, image/jpeg, text/html;q=0'
    first, second = parse_accept(header)
    assert (first.name, first.part) == ("image/jpeg", "image/jpeg")
    assert (second.name, second.part, second.quality) == ("multipart/related", "application/dicom", 0.5)
    assert second.parameter("transfer-syntax") == "*"


@pytest.mark.parametrize("header", ["", ";;;", "text/html;q=none"])
def test_senseless_accept_takes_anything(header: str) -> None:
    assert [item.name for item in parse_accept(header)] == ["*/*"]


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("PatientID", "PatientID"),
        ("00100020", "PatientID"),
        ("0020000d", "StudyInstanceUID"),
        ("100020", None),
        ("x", None),
    ],
)
def test_attributes_are_named_by_keyword_or_tag(name: str, keyword: str | None) -> None:
    assert keyword_or_tag(name) == keyword


def test_attribute_without_value_is_empty() -> None:
    assert attribute("SeriesNumber", None) == {"00200011": {"vr": "IS"}}
    assert attribute("PatientName", "Doe^J=同^上")["00100010"]["Value"] == [
        {"Alphabetic": "Doe^J", "Ideographic": "同^上"}
    ]
    with pytest.raises(KeyError):
        attribute("NoSuchKeyword", 1)


def test_json_has_no_place_for_nan_nor_for_broken_values() -> None:
    dataset = Dataset()
    dataset.add_new(0x00189087, "FD", [math.nan, 2.0])
    dataset.add_new(0x00200013, "IS", "12")
    dataset.add_new(0x00280009, "AT", 0x00181063)
    converted = dataset_to_json(dataset, lambda path: path)
    assert converted["00189087"]["Value"] == [None, 2.0]
    assert converted["00280009"]["Value"] == ["00181063"]
    json.dumps(converted, allow_nan=False)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("x"), 404),
        (ConflictError("x"), 409),
        (NotDicomError("x"), 400),
        (ArchiveFullError("x"), 503),
        (DicomNodeError("x"), 500),
    ],
)
def test_every_error_has_a_status(error: DicomNodeError, status: int) -> None:
    assert status_of(error) == status


def test_answers_stay_in_one_origin(client: Client) -> None:
    answer = client.get("/dicom-web/studies", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    preflight = client.request(
        "OPTIONS",
        "/dicom-web/studies",
        headers={"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code == 204
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_no_interactive_api_pages(client: Client) -> None:
    assert {client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")} == {404}
