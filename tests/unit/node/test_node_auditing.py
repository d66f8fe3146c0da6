"""The audit trail on its way to the file and the repository, and what is told when either was tampered with."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from dicomnode.archive import Archive, tables
from dicomnode.cli.main import main
from dicomnode.errors import PeerUnavailableError
from dicomnode.node.auditing import FILE, AuditFile, AuditSyslog, trail_problems
from dicomnode.settings import AuditSettings, NodeSettings, Settings
from tests.archives import at
from tests.peers_fixtures import free_port


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(node=NodeSettings(data_dir=tmp_path / "data"))


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    with Archive.open(settings) as opened:
        for number in range(1, 6):
            opened.audit.add("event", f"detail {number}", at(number))
        yield opened


def log(settings: Settings) -> Path:
    return settings.node.data_dir / "audit" / "audit.log"


def test_every_entry_becomes_a_line_once(archive: Archive, settings: Settings) -> None:
    assert AuditFile(archive, settings).append_new() == 5
    archive.audit.add("event", "detail 6", at(6))
    assert AuditFile(archive, settings).append_new() == 1
    assert AuditFile(archive, settings).append_new() == 0
    lines = log(settings).read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5", "6"]
    assert all("<AuditMessage>" in line for line in lines)
    assert log(settings).stat().st_mode & 0o777 == 0o600
    assert trail_problems(archive, settings) == []


def test_a_kill_between_line_and_mark(archive: Archive, settings: Settings) -> None:
    before = archive.audit.mark(FILE)
    AuditFile(archive, settings).append_new()
    archive.audit.move_mark(FILE, before)
    with log(settings).open("a") as file:
        file.write("6 torn")
    again = AuditFile(archive, settings)
    again.take_up()
    assert again.append_new() == 0
    assert len(log(settings).read_text().splitlines()) == 5
    assert trail_problems(archive, settings) == []


def test_rotated_files_belong_to_the_trail(archive: Archive, settings: Settings) -> None:
    AuditFile(archive, settings).append_new()
    log(settings).rename(log(settings).with_name("audit.log-20261121"))
    archive.audit.add("event", "detail 6", at(6))
    rotated = AuditFile(archive, settings)
    rotated.take_up()
    rotated.append_new()
    assert len(log(settings).read_text().splitlines()) == 1
    assert trail_problems(archive, settings) == []
    log(settings).with_name("audit.log-20261121").unlink()
    assert trail_problems(archive, settings) != []


def test_the_file_of_an_index_that_is_no_more_is_set_aside(
    archive: Archive, settings: Settings, tmp_path: Path
) -> None:
    AuditFile(archive, settings).append_new()
    before = log(settings).read_text()
    with archive._database.write() as connection:  # as after building the index anew
        connection.execute(delete(tables.audit))
        connection.execute(delete(tables.audit_sinks))
    archive.audit.add("event", "of the new index", at(9))
    new = AuditFile(archive, settings)
    for _ in range(2):
        new.take_up()
        new.append_new()
    assert log(settings).with_name("aside-1-audit.log").read_text() == before
    assert [entry.event for entry in archive.audit.after(0)] == ["event", "audit file set aside"]
    assert len(log(settings).read_text().splitlines()) == 2
    assert trail_problems(archive, settings) == []


def without(number: int) -> Callable[[list[str]], list[str]]:
    return lambda lines: lines[: number - 1] + lines[number:]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (without(3), "line 3 (entry 4)"),
        (without(1), "line 1 (entry 2)"),
        (without(5), "entry 5 was in the file and is not any more"),
        (lambda lines: [*lines[:2], lines[2].replace("detail 3", "detail x"), *lines[3:]], "line 3 (entry 3)"),
        (lambda lines: ["nonsense", *lines], "line 1 is no audit line"),
        (lambda lines: lines[:3], "entry 4 was in the file"),
    ],
)
def test_a_changed_file_shows(
    archive: Archive, settings: Settings, change: Callable[[list[str]], list[str]], names: str
) -> None:
    AuditFile(archive, settings).append_new()
    lines = log(settings).read_text().splitlines()
    log(settings).write_text("\n".join(change(lines)) + "\n")
    (problem,) = trail_problems(archive, settings)
    assert "audit.log" in problem and names in problem


def test_entries_removed_from_the_end_of_the_index_show(archive: Archive, settings: Settings) -> None:
    AuditFile(archive, settings).append_new()
    with archive._database.write() as connection:
        connection.execute(delete(tables.audit).where(tables.audit.c.audit_id == 5))
    (problem,) = trail_problems(archive, settings)
    assert "entry 5 is in the file and no longer in the index" in problem
    archive.audit.add("event", "in its place", at(7))
    (problem,) = trail_problems(archive, settings)
    assert "entry 5 is not the same in the index" in problem


def test_nothing_is_lost_while_the_repository_is_away(archive: Archive, settings: Settings) -> None:
    port = free_port()
    audit = AuditSettings(syslog_host="127.0.0.1", syslog_port=port, syslog_tls=False)
    sender = AuditSyslog(archive, settings.model_copy(update={"audit": audit}))
    with pytest.raises(PeerUnavailableError):
        sender.send_new()
    assert archive.audit.waiting("syslog") == 5
    received = bytearray()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                received.extend(data)

    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        assert sender.send_new() == 5
        thread.join(20)
    assert received.count(b"<AuditMessage>") == 5
    assert sender.send_new() == archive.audit.waiting("syslog") == 0


def test_the_command(archive: Archive, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dicomnode.toml"
    path.write_text(f'[node]\ndata_dir = "{settings.node.data_dir}"\n')

    def run(*words: str) -> tuple[int, str]:
        status = main(["audit", *words, "--settings", str(path)])
        return status, capsys.readouterr().out

    AuditFile(archive, settings).append_new()
    assert run("verify") == (0, "the audit trail is whole\n")
    status, out = run("list", "--limit", "2", "--json")
    assert [entry["detail"] for entry in json.loads(out)] == ["detail 4", "detail 5"]
    assert "detail 5" in run("list")[1]
    assert run("export")[1].count("<AuditMessage>") == 5
    assert run("export", "--out", str(tmp_path / "audit.xml"))[0] == 0
    assert run("export", "--out", str(tmp_path / "audit.xml"))[0] == 2
    lines = log(settings).read_text().splitlines()
    log(settings).write_text("\n".join(without(2)(lines)) + "\n")
    status, out = run("verify")
    assert status == 1 and "line 2 (entry 3)" in out and "broken" in out
