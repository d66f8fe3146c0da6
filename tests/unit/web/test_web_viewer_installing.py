"""The viewer comes whole and as it was published, or not at all."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dicomnode.cli.main import main
from dicomnode.errors import UsageError, ViewerError
from dicomnode.web.viewer.fetching import Told, copy, fetch
from dicomnode.web.viewer.installing import find_installed, install
from dicomnode.web.viewer.package import INTEGRITY, REGISTRY, choose_registry, tarball_address
from tests.unit.web.viewer_package import FILES, SCRIPT, write_package


def silent(what: str, done: int, total: int | None) -> None:
    """Nobody looks."""


def bringing(*arguments: object) -> Callable[[Path, Told], None]:
    """Brings a package that no digest is asked of."""

    def bring(into: Path, told: Told) -> None:
        write_package(into, *arguments)  # type: ignore[arg-type]

    return bring


def test_only_the_built_pages_and_the_licence_are_kept(tmp_path: Path) -> None:
    steps: list[str] = []
    installed = install(tmp_path / "viewer", bringing(), lambda what, done, total: steps.append(what))
    kept = {path.relative_to(installed.folder).as_posix() for path in installed.folder.rglob("*") if path.is_file()}
    script = "dist/app.0123456789abcdef.js"
    assert kept == {
        "LICENSE",
        "dist/index.html",
        script,
        f"{script}.gz",
        "dist/app-config.js",
        "dist/init-service-worker.js",
        "dist/assets/icon.svg",
    }
    assert gzip.decompress((installed.folder / f"{script}.gz").read_bytes()) == SCRIPT
    assert set(steps) == {"unpacking"}
    assert find_installed(tmp_path / "viewer") == installed


def test_what_is_there_is_not_brought_again(tmp_path: Path) -> None:
    first = install(tmp_path, bringing(), silent)

    def bring(into: Path, told: Told) -> None:
        raise AssertionError(into)

    assert install(tmp_path, bring, silent) == first


@pytest.mark.parametrize("name", ["package/dist/../../../outside.js", "/outside.js", "package\\..\\outside.js"])
def test_a_file_that_leads_out_ends_it_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "viewer"
    with pytest.raises(ViewerError, match="outside of itself"):
        install(folder, bringing({**FILES, name: b"x"}), silent)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert find_installed(folder) is None


def test_links_are_not_followed_nor_made(tmp_path: Path) -> None:
    installed = install(tmp_path, bringing(FILES, ("package/dist/link.js", "/etc/hostname")), silent)
    assert not (installed.dist / "link.js").is_symlink()
    assert not (installed.dist / "link.js").exists()


def test_too_large_a_file_ends_it(tmp_path: Path) -> None:
    files = {**FILES, "package/dist/huge.bin": bytes(65 * 1024**2)}
    with pytest.raises(ViewerError, match="too much"):
        install(tmp_path, bringing(files), silent)
    assert list(tmp_path.iterdir()) == []


def test_no_built_page_is_no_viewer(tmp_path: Path) -> None:
    with pytest.raises(ViewerError, match="no built viewer"):
        install(tmp_path, bringing({"package/dist/app.js": b""}), silent)


def test_another_package_is_refused(tmp_path: Path) -> None:
    source = write_package(tmp_path / "other.tgz")
    with pytest.raises(ViewerError, match=f"not @ohif/app 3.13.2 as it was published.*{INTEGRITY[:20]}"):
        install(tmp_path / "viewer", lambda into, told: copy(source, into, told), silent)
    assert list((tmp_path / "viewer").iterdir()) == []


def test_what_is_no_tarball_is_told(tmp_path: Path) -> None:
    with pytest.raises(ViewerError, match="cannot be unpacked"):
        install(tmp_path, lambda into, told: into.write_bytes(b"no tarball") and None, silent)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry that has another package under the right name, and nothing under others."""
    package = write_package(tmp_path / "registry.tgz").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/npm/@ohif/app/-/app-3.13.2.tgz"
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(package) if known else 0))
            self.end_headers()
            if known:
                self.wfile.write(package)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_registry_is_asked_at_its_place_and_believed_by_digest_only(registry: str, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    with pytest.raises(ViewerError, match="its digest is sha512-"):
        fetch(f"{registry}/npm", tmp_path / "package.tgz", lambda *words: told.append(words))
    assert told[-1][0] == "fetching"
    assert told[-1][1] == told[-1][2]
    with pytest.raises(ViewerError, match=r"answered 404.*--registry.*--from"):
        fetch(registry, tmp_path / "package.tgz", silent)


def test_a_registry_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(ViewerError, match="cannot be fetched: ConnectionError"):
        fetch("http://127.0.0.1:9", tmp_path / "package.tgz", silent)


@pytest.mark.parametrize(
    ("named", "environment", "chosen"),
    [
        (None, {}, REGISTRY),
        (None, {"npm_config_registry": "https://npm.example/mirror/"}, "https://npm.example/mirror"),
        (None, {"NPM_CONFIG_REGISTRY": "http://npm.example"}, "http://npm.example"),
        (None, {"npm_config_registry": ""}, REGISTRY),
        ("https://mine.example", {"npm_config_registry": "https://npm.example"}, "https://mine.example"),
    ],
)
def test_the_registry_is_npm_s_unless_named(named: str | None, environment: dict[str, str], chosen: str) -> None:
    assert choose_registry(named, environment) == chosen
    assert tarball_address(chosen) == f"{chosen}/@ohif/app/-/app-3.13.2.tgz"


def test_a_registry_is_a_web_address() -> None:
    with pytest.raises(UsageError, match="no http"):
        choose_registry("file:///etc", {})


def test_the_command_says_whether_it_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--folder", str(tmp_path)]
    assert main(["viewer", "status", *folder]) == 0
    assert "`dicomnode viewer install` fetches it" in capsys.readouterr().out
    install(tmp_path, bringing(), silent)
    assert main(["viewer", "status", "--json", *folder]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["installed"], status["version"], status["licence"]) == (True, "3.13.2", "MIT")
    assert status["bytes"] > 0


def test_the_command_refuses_a_wrong_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_package(tmp_path / "other.tgz")
    assert main(["viewer", "install", "--from", str(source), "--folder", str(tmp_path / "viewer")]) == 1
    assert "as it was published" in capsys.readouterr().err
