"""Messages by e-mail to a real mail server, and by POST to a web hook; addresses are never told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from dicomnode.cli.main import main
from dicomnode.errors import DicomNodeError
from dicomnode.settings.notifications import NotificationSettings
from dicomnode.watch.notices.sending import send
from dicomnode.watch.notices.wording import Message
from tests.archives import at, open_archive

MESSAGE = Message("[NODE] brain: positive", "Study 1.2.3.\nNo human has verified it.")


class Mailbox(MessageHandler):
    """Keeps what the mail server takes."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append(message)


class MailServer(Controller):
    """Listens on a port that the system chooses."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = MailServer(box, hostname="127.0.0.1", port=0)
    controller.start()
    yield box, controller.port
    controller.stop()


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    server.posted, server.status = [], 204  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def channel(folder: Path, url: str) -> NotificationSettings:
    (folder / "address").write_text(url + "\n")
    return NotificationSettings.model_validate({"name": "team", "url": f"file:{folder / 'address'}"})


def mail_url(port: int) -> str:
    return f"mailto://127.0.0.1:{port}?mode=insecure&from=node@example.org&to=team@example.org"


def test_a_mail_arrives(tmp_path: Path, mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    send(channel(tmp_path, mail_url(port)), "positive", {}, MESSAGE)
    [mail] = box.mails
    assert mail["Subject"] == MESSAGE.subject
    assert mail["To"] == "team@example.org"
    parts = [part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart()]
    assert any("No human has verified it." in part for part in parts)


def test_a_web_hook_gets_json(tmp_path: Path, hook: HTTPServer) -> None:
    address = f"http://127.0.0.1:{hook.server_port}/hook?key=secret"
    send(channel(tmp_path, address), "positive", {"study": "1.2.3"}, MESSAGE)
    expected = {"event": "positive", "study": "1.2.3", "subject": MESSAGE.subject, "text": MESSAGE.body}
    assert hook.posted == [expected]  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [302, 403, 500])
def test_a_web_hook_that_does_not_take_it(tmp_path: Path, hook: HTTPServer, status: int) -> None:
    hook.status = status  # type: ignore[attr-defined]
    with pytest.raises(DicomNodeError, match=f"answered {status}"):
        send(channel(tmp_path, f"http://127.0.0.1:{hook.server_port}/?key=secret"), "positive", {}, MESSAGE)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/?key=secret",
        "mailto://secret:secret@127.0.0.1:1?mode=insecure&from=a@example.org&to=b@example.org",
        "nosuchservice://secret",
    ],
)
def test_what_cannot_be_sent_is_told_without_the_address(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DicomNodeError) as told:
        send(channel(tmp_path, url), "positive", {}, MESSAGE)
    assert "secret" not in str(told.value) + caplog.text


def test_the_command_sends_a_test(tmp_path: Path, hook: HTTPServer, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "address").write_text(f"http://127.0.0.1:{hook.server_port}/")
    settings = tmp_path / "dicomnode.toml"
    settings.write_text('[[notifications]]\nname = "team"\nurl = "file:address"\n')
    assert main(["notify", "test", "team", "--settings", str(settings)]) == 0
    assert "taken" in capsys.readouterr().out
    assert hook.posted[0]["event"] == "test"  # type: ignore[attr-defined]
    hook.status = 500  # type: ignore[attr-defined]
    assert main(["notify", "test", "team", "--json", "--settings", str(settings)]) == 1
    assert json.loads(capsys.readouterr().out)["problem"] == "the web hook answered 500"
    assert main(["notify", "test", "nobody", "--settings", str(settings)]) == 2


def test_the_command_lists_what_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "dicomnode.toml"
    settings.write_text('[node]\ndata_dir = "data"\n')
    with open_archive(tmp_path / "data") as archive:
        for subject in ("1.2.3", "1.2.4"):
            archive.notifications.add("team", "positive", subject, {"study": subject}, at(0), at(0))
        first, second = archive.notifications.due(["team"], at(0), 9)
        archive.notifications.sent(first.notification_id, at(1))
        archive.notifications.failed(second.notification_id, "nobody answers", at(60))
    assert main(["notify", "list", "--json", "--settings", str(settings)]) == 0
    newest, oldest = json.loads(capsys.readouterr().out)
    assert (newest["subject"], newest["sent"], newest["problem"]) == ("1.2.4", None, "nobody answers")
    assert oldest["sent"] == at(1).isoformat()
    assert main(["notify", "list", "--settings", str(settings)]) == 0
    assert "waits: nobody answers" in capsys.readouterr().out
