"""What the README says of the commands is so."""

import re
from pathlib import Path

import pytest

from dicomnode.cli.main import COMMANDS, main

README = Path(__file__).parents[3] / "README.md"
LINES = re.findall(r"^ {4,}(?:\.venv/bin/)?dicomnode ([^\n#]*)", README.read_text(encoding="utf-8"), re.MULTILINE)
OPTIONS = sorted({(line.split()[0], option) for line in LINES for option in re.findall(r"--[a-z-]+", line)})


def test_every_command_is_shown() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"dicomnode {name}" not in text] == []


def test_every_command_shown_exists() -> None:
    assert {line.split()[0] for line in LINES} <= set(COMMANDS)


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_shown_exists(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert option in capsys.readouterr().out


def test_the_settings_shown_are_settings() -> None:
    import tomllib

    from dicomnode.settings import Settings

    shown = re.search(r"^ {7}\[receive\]\n(?: {7}.*\n|\n)+", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown is not None
    settings = Settings.model_validate(tomllib.loads(shown.group()))
    assert settings.targets[0].port == 104
