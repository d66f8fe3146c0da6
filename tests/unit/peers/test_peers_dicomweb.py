"""The DICOMweb client against a server that answers as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dicomnode.errors import PeerRefusedError, PeerUnavailableError
from dicomnode.peers.dicomweb import DicomWebPeer, StudySummary


@contextmanager
def answering(status: int, media_type: str, body: bytes) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server with one answer; its address, and what it was asked."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def studies(body: object, status: int = 200) -> list[StudySummary]:
    with answering(status, "application/dicom+json", json.dumps(body).encode()) as (url, _), DicomWebPeer(url) as peer:
        return peer.search_studies({}, 10, 0)


def test_studies_come_back_as_values() -> None:
    row = {"0020000D": {"vr": "UI", "Value": ["1.2"]}, "00201208": {"vr": "IS", "Value": [3]}}
    nameless = {"00201208": {"vr": "IS", "Value": [3]}}
    hostile = {"0020000D": {"vr": "UI", "Value": ["../../admin"]}}
    assert studies([row, nameless, hostile, {"0020000D": {"vr": "UI", "Value": ["1.3"]}}]) == [
        StudySummary("1.2", 3),
        StudySummary("1.3", None),
    ]


@pytest.mark.parametrize("body", ["text", [1], [{"0020000D": "1.2"}], [{"0020000D": {"Value": 5}}]])
def test_an_answer_that_is_no_dicom_json_is_a_trouble_of_the_peer(body: object) -> None:
    with pytest.raises(PeerUnavailableError, match="cannot be read"):
        studies(body)


def test_an_answer_that_is_no_json_is_a_trouble_of_the_peer() -> None:
    with (
        answering(200, "text/html", b"<html>") as (url, _),
        DicomWebPeer(url) as peer,
        pytest.raises(PeerUnavailableError, match="no JSON"),
    ):
        peer.health()


@pytest.mark.parametrize(
    ("status", "error"), [(503, PeerUnavailableError), (429, PeerUnavailableError), (401, PeerRefusedError)]
)
def test_not_now_is_told_from_no(status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"status {status}"):
        studies([], status)


def test_queries_and_headers_are_what_servers_understand() -> None:
    with answering(200, "application/dicom+json", b"[]") as (url, asked), DicomWebPeer(url) as peer:
        peer.search_studies({"PatientName": "DOE*", "StudyDate": "20260101-"}, 5, 10)
    assert asked[0]["path"].startswith("/dicom-web/studies?PatientName=DOE*&StudyDate=20260101-&")
    assert asked[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/dicom", b"the file"),
        ("multipart/related; boundary=b", b"--b\r\n\r\nthe file\r\n--b--"),
        ('multipart/related; type="application/dicom"; boundary="b"', b"--b\r\n\r\nthe file\r\n--b--"),
    ],
)
def test_files_come_alone_or_in_parts(media_type: str, body: bytes) -> None:
    with answering(200, media_type, body) as (url, asked), DicomWebPeer(url) as peer:
        assert [b"".join(content) for content in peer.retrieve("1.2", "1.2.9")] == [b"the file"]
    assert asked[0]["path"] == "/dicom-web/studies/1.2/series/1.2.9"
    assert "transfer-syntax=*" in asked[0]["accept"]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [("multipart/related; boundary=b", b"--b\r\n\r\nthe fi"), ("text/html", b"sorry")],
)
def test_a_transfer_that_is_cut_off_is_a_trouble_of_the_peer(media_type: str, body: bytes) -> None:
    with (
        answering(200, media_type, body) as (url, _),
        DicomWebPeer(url) as peer,
        pytest.raises(PeerUnavailableError),
    ):
        for content in peer.retrieve("1.2"):
            b"".join(content)


def test_no_message_tells_the_password_of_an_address() -> None:
    with (
        DicomWebPeer("http://ann:s3cret@127.0.0.1:1/dicom-web", 1) as peer,
        pytest.raises(PeerUnavailableError) as told,
    ):
        peer.health()
    assert "http://ann:••••@127.0.0.1:1/dicom-web" in str(told.value)
