"""The annotated example: it loads, it shows the defaults, and it explains every setting."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from dicomnode.settings import (
    NotificationSettings,
    PacsSettings,
    PeerSettings,
    PollerSettings,
    RuleSettings,
    Settings,
    TargetSettings,
    load_settings,
)

EXAMPLE = Path(__file__).parents[3] / "config" / "dicomnode.toml"
LISTS = {
    "peers": PeerSettings,
    "pacs": PacsSettings,
    "targets": TargetSettings,
    "pollers": PollerSettings,
    "rules": RuleSettings,
    "notifications": NotificationSettings,
}


def switched_on() -> str:
    """The example with its commented examples switched on."""
    return re.sub(r"^#(?=[a-z\[])", "", EXAMPLE.read_text(), flags=re.MULTILINE)


def tables() -> list[tuple[str, type[BaseModel]]]:
    sections = [(name, field.annotation) for name, field in Settings.model_fields.items() if name not in LISTS]
    return [*sections, *LISTS.items()]


def test_as_it_stands_it_is_the_defaults():
    loaded, default = load_settings(EXAMPLE), Settings()
    for name, _ in tables():
        if name not in ("node", "models", "web"):
            assert getattr(loaded, name) == getattr(default, name)
    assert loaded.node.data_dir == EXAMPLE.parent / default.node.data_dir
    assert loaded.models.folder == EXAMPLE.parent / default.models.folder
    beside = {"folder": EXAMPLE.parent / default.web.viewer.folder}
    viewer = default.web.viewer.model_copy(update=beside)
    assert loaded.web == default.web.model_copy(update={"viewer": viewer})


def test_its_switched_off_examples_are_valid(tmp_path):
    path = tmp_path / "on.toml"
    path.write_text(switched_on())
    settings = load_settings(path)
    assert [target.name for target in settings.targets] == ["pacs", "vna"]
    assert settings.rules[0].targets == ("pacs",)
    assert settings.pollers[0].filters == {"StudyDescription": "*HEAD*"}


@pytest.mark.parametrize(("name", "model"), tables())
def test_every_setting_is_shown_and_explained(name, model):
    content = tomllib.loads(switched_on())[name]
    shown = set().union(*content) if isinstance(content, list) else set(content)
    assert shown == set(model.model_fields)
    lines = EXAMPLE.read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.lstrip("#") in (f"[{name}]", f"[[{name}]]")]
    for key in model.model_fields:
        places = [
            number
            for number, line in enumerate(lines)
            if line.lstrip("#").startswith(f"{key} =") and number > starts[0]
        ]
        before = lines[places[0] - 1]
        assert before.startswith("# ") or (name == "targets" and key in ("host", "port")), f"{name}.{key}"
        assert model.model_fields[key].description or key == "send", f"{name}.{key} has no description"
