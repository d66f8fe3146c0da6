"""Secrets come from files or the environment, and are in no message."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.errors import SettingsError
from dicomnode.node.supervisor import role_command
from dicomnode.settings import ArchiveSettings, Settings, load_settings, read_secret, shown_url

WORD = "hunter2-word"


def with_url(tmp_path: Path, url: str) -> Settings:
    path = tmp_path / "dicomnode.toml"
    path.write_text(f'[archive]\ndatabase_url = "{url}"\n[node]\ndata_dir = "data"\n')
    return load_settings(path)


def test_the_database_url_may_be_in_a_file_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "index-url").write_text(f"sqlite:///{tmp_path / 'elsewhere.sqlite'}\n")
    settings = with_url(tmp_path, "file:index-url")
    with Archive.open(settings):
        assert (tmp_path / "elsewhere.sqlite").exists()


def test_or_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOMNODE_INDEX", f"postgresql://node:{WORD}@db/index")
    settings = with_url(tmp_path, "env:DICOMNODE_INDEX")
    assert settings.database_url.endswith("@db/index")
    assert WORD not in repr(settings) and WORD not in str(settings)


def test_a_url_in_the_settings_is_not_shown_either() -> None:
    assert WORD not in repr(Settings(archive=ArchiveSettings(database_url=f"postgresql://node:{WORD}@db/index")))


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"archive\.database_url: .*nothing"):
        _ = with_url(tmp_path, "file:nothing").database_url
    with pytest.raises(SettingsError, match="not set"):
        read_secret("env:DICOMNODE_NO_SUCH_VARIABLE", "targets.pacs.authorization")


@pytest.mark.parametrize("url", [f"{WORD}@db", f"nosuch://node:{WORD}@db/index", f"postgresql://node:{WORD}@db:x/i"])
def test_a_wrong_url_is_not_quoted(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"archive\.database_url") as raised:
        Archive.open(with_url(tmp_path, url))
    assert WORD not in str(raised.value)
    assert raised.value.__suppress_context__


def test_child_processes_are_given_no_secrets(tmp_path: Path) -> None:
    words = role_command("web", tmp_path / "dicomnode.toml")
    assert words[1:] == ["-m", "dicomnode", "serve", "--role", "web", *words[6:]]
    assert {word for word in words[6:] if word.startswith("-")} <= {"--with-parent", "--settings"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://pacs:8042/dicom-web", "https://pacs:8042/dicom-web"),
        ("https://ann:hunter2-word@pacs/dicom-web", "https://ann:••••@pacs/dicom-web"),
        ("https://hunter2-word@pacs", "https://••••@pacs"),
        ("https://pacs/dicom-web?key=hunter2-word", "https://pacs/dicom-web?••••"),
        ("https://[hunter2-word", "••••"),
        ("PACS at 127.0.0.1:104", "PACS at 127.0.0.1:104"),
    ],
)
def test_addresses_are_shown_without_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown
