"""The STOW-RS sender against an HTTP server that answers as told, and against Orthanc."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydicom import dcmread

from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.outcomes import OutcomeKind
from dicomnode.delivery.stow import StowSender, read_store_response
from dicomnode.peers.association import DimsePeer
from tests.integration.test_delivery_cstore import kinds, write
from tests.peers_fixtures import free_port

S, W, T, P = OutcomeKind.SUCCESS, OutcomeKind.WARNING, OutcomeKind.TRANSIENT, OutcomeKind.PERMANENT


def clock() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def server():
    """An HTTP server; set `.reply` to (status, headers, body), read `.requests`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.requests.append((self.path, self.headers, body))
            status, headers, answer = self.server.reply
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.requests, http.url = [], f"http://127.0.0.1:{http.server_port}/dicom-web"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def answer(stored=(), failed=(), warned=()):
    def item(uid, **more):
        return {"00081155": {"vr": "UI", "Value": [uid]}} | {
            tag.strip("_"): {"vr": "US", "Value": [value]} for tag, value in more.items()
        }

    content = {
        "00081199": {
            "vr": "SQ",
            "Value": [item(uid) for uid in stored] + [item(uid, _00081196=why) for uid, why in warned],
        },
        "00081198": {"vr": "SQ", "Value": [item(uid, _00081197=why) for uid, why in failed]},
    }
    return json.dumps(content).encode()


def send(server, tmp_path, count=2):
    documents = [write(tmp_path, number) for number in range(count)]
    sender = StowSender(server.url, 5.0, clock)
    try:
        return list(sender.send(documents))
    finally:
        sender.close()


def test_the_request_is_one_multipart_with_every_file(server, tmp_path):
    server.reply = 200, {}, answer(stored=["1.2.3.0", "1.2.3.1"])
    assert kinds(send(server, tmp_path)) == [S, S]
    [(path, headers, body)] = server.requests
    assert path == "/dicom-web/studies"
    message = BytesParser().parsebytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body)
    assert [part.get_content_type() for part in message.get_payload()] == ["application/dicom"] * 2
    for number in range(2):
        assert (tmp_path / f"{number}.dcm").read_bytes() in body


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, answer(stored=["1.2.3.0"], failed=[("1.2.3.1", 0xA700)]), [S, T]),
        (202, answer(stored=["1.2.3.0"], failed=[("1.2.3.1", 0xC000)]), [S, P]),
        (202, answer(warned=[("1.2.3.0", 0xB000)], failed=[("1.2.3.1", 0x0110)]), [W, T]),
        (409, answer(failed=[("1.2.3.0", 0x0122), ("1.2.3.1", 0xA900)]), [P, P]),
        (200, answer(failed=[("1.2.3.0", 0)], stored=["1.2.3.1"]), [P, S]),
        (200, answer(stored=["1.2.3.0"]), [S, T]),
        (200, b"", [T, T]),
        (200, b"<html>please log in</html>", [T, T]),
        (200, b'["x"]', [T, T]),
        (409, b"", [P, P]),
        (503, b"", [T, T]),
        (500, answer(stored=["1.2.3.0"]), [T, T]),
        (401, b"", [P, P]),
        (302, b"", [P, P]),
    ],
)
def test_an_instance_counts_as_delivered_only_if_the_server_names_it(server, tmp_path, status, body, expected):
    server.reply = status, {"Location": "http://127.0.0.1:1/"}, body
    assert kinds(send(server, tmp_path)) == expected


def test_retry_after_is_passed_on(server, tmp_path):
    server.reply = 503, {"Retry-After": "7"}, b""
    assert [outcome.retry_after for _, outcome in send(server, tmp_path)] == [7.0, 7.0]


def test_a_server_that_is_away_is_transient(tmp_path):
    sender = StowSender(f"http://127.0.0.1:{free_port()}/dicom-web", 2.0, clock)
    assert kinds(sender.send([write(tmp_path, 1)])) == [T]
    sender.close()


def test_a_file_that_is_gone_is_not_sent(server, tmp_path):
    server.reply = 200, {}, answer(stored=["1.2.3.1"])
    documents = [write(tmp_path, number) for number in range(2)]
    documents[0].path.unlink()
    sender = StowSender(server.url, 5.0, clock)
    assert kinds(sender.send(documents)) == [P, S]
    sender.close()


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"3", b'{"00081199": 1}', b'{"00081199": {"Value": [3]}}'])
def test_a_store_response_that_is_none_names_nothing(content):
    assert read_store_response(content) == {}


@pytest.mark.orthanc
@pytest.mark.parametrize("way", ["c-store", "stow"])
def test_orthanc_has_what_we_call_delivered(orthanc, tmp_path, way):
    documents = [write(tmp_path, number) for number in range(3)]
    stow = StowSender(orthanc.dicom_web_url, 10.0, clock)
    dimse = CStoreSender(DimsePeer("127.0.0.1", orthanc.port, "ORTHANC", "DICOMNODE", 10.0))
    sender = dimse if way == "c-store" else stow
    assert kinds(sender.send(documents)) == [S, S, S]
    assert {tags["SOPInstanceUID"] for tags in orthanc.tags()} == {d.sop_instance_uid for d in documents}
    [first, *_] = orthanc.get("/instances")
    (tmp_path / "back.dcm").write_bytes(orthanc.file(first))
    assert dcmread(tmp_path / "back.dcm").PatientID == "T"
    stow.close()
