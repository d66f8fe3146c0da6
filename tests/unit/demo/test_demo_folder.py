"""The demo's folder and the settings in it."""

from pathlib import Path

import pytest

from dicomnode.demo.configuration import NODE, PACS, find_models, find_viewer, write_node_settings, write_pacs_settings
from dicomnode.demo.folder import prepare_folder
from dicomnode.errors import UsageError
from dicomnode.settings import load_settings


def test_a_demo_folder_is_emptied_at_the_next_start(tmp_path: Path) -> None:
    first = prepare_folder(tmp_path / "out")
    (first.evidence / "old.dcm").write_text("old")
    second = prepare_folder(tmp_path / "out")
    assert list(second.evidence.iterdir()) == []
    assert second.study.is_dir()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="--out"):
        prepare_folder(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_settings_are_valid_and_meet(tmp_path: Path) -> None:
    folder = prepare_folder(tmp_path / 'a "quoted" folder')
    models = folder.root / "mödels"
    pacs = load_settings(write_pacs_settings(folder))
    node = load_settings(write_node_settings(folder, models, 4242, 8042))
    assert pacs.node.data_dir == folder.data(PACS)
    assert node.node.data_dir == folder.data(NODE)
    assert node.models.folder == models
    assert node.web.viewer.folder == find_viewer() == Path("viewer").absolute()
    (target,) = node.targets
    assert (target.ae_title, target.host, target.port) == (pacs.node.ae_title, "127.0.0.1", 4242)
    assert target.pacs == node.pacs[0].name
    assert node.pacs[0].url == "http://127.0.0.1:8042/dicom-web"
    assert pacs.targets == ()


def test_models_are_found_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_models(None) == tmp_path / "models"
    assert find_models(tmp_path) == tmp_path
    with pytest.raises(UsageError, match="--models"):
        find_models(tmp_path / "absent")
