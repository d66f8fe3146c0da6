"""Whatever is asked, the answer is a clear one, and no error quotes a patient."""

import logging

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomnode.archive import Archive
from tests.unit.web.conftest import Client, Store

KEYWORDS = st.sampled_from(
    ["PatientName", "StudyDate", "StudyTime", "SeriesNumber", "limit", "offset", "0020000D", "includefield"]
)
_RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@_RELAXED
@given(keyword=KEYWORDS, value=st.text(max_size=40))
def test_any_query_is_answered_or_refused(client: Client, keyword: str, value: str) -> None:
    answer = client.get("/dicom-web/instances", params={keyword: value.encode("utf-8", "surrogatepass")})
    assert answer.status_code in (200, 400)


@_RELAXED
@given(accept=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_accept_is_answered_or_refused(client: Client, accept: str) -> None:
    assert client.get("/dicom-web/studies", headers={"Accept": accept}).status_code in (200, 406)


@_RELAXED
@given(kind=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), body=st.binary(max_size=200))
def test_any_body_is_refused(client: Client, kind: str, body: bytes) -> None:
    answer = client.request("POST", "/dicom-web/studies", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 409, 415)


@_RELAXED
@given(path=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#%\\"), max_size=40))
def test_any_bulk_path_is_answered(client: Client, store: Store, path: str) -> None:
    answer = client.get(f"/dicom-web/studies/1.2.1/series/1.2.1.1/instances/1.2.1.1.1/bulkdata/{path}")
    assert answer.status_code in (400, 404)


def test_an_unexpected_error_is_told_without_its_words(
    client: Client, archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("Müller^Study 1 was born in 1970")

    monkeypatch.setattr(type(archive.studies), "search_studies", broken)
    with caplog.at_level(logging.INFO):
        answer = client.get("/dicom-web/studies")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "RuntimeError" in answer.json()["detail"]
    assert "Müller" not in answer.text + caplog.text
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_an_answer_that_breaks_off_does_not_look_whole(client: Client, archive: Archive, store: Store) -> None:
    dataset = store()
    archive.instances.get(dataset.SOPInstanceUID).path.unlink()
    with_client = client.get("/dicom-web/studies/1.2.1")
    assert not with_client.content.endswith(b"--\r\n")
    assert isinstance(with_client, httpx.Response)
