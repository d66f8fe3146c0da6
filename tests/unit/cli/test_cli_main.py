"""The command's frame: errors become one line and an exit status, help answers at once."""

import argparse
import subprocess
import sys
import types

import pytest

from dicomnode import errors
from dicomnode.cli import main as cli


def _with_command(monkeypatch, run):
    module = types.ModuleType("tests_probe_command")

    def add_parser(subparsers):
        parser = subparsers.add_parser("probe")
        parser.add_argument("--count", type=int, default=1)
        parser.set_defaults(run=run)

    module.add_parser = add_parser
    monkeypatch.setitem(sys.modules, "tests_probe_command", module)
    monkeypatch.setitem(cli.COMMANDS, "probe", cli.Command("tests_probe_command", "a probe"))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.SettingsError("settings: node.port: wrong"), 2),
        (errors.UsageError("give a path"), 2),
        (errors.RecipeError("recipe: no data"), 2),
        (errors.NotFoundError("no such study 1.2.3"), 1),
        (errors.GateError(("no StudyID",)), 1),
        (FileNotFoundError(2, "No such file", "x.dcm"), 1),
    ],
)
def test_an_error_is_one_line_and_a_status(monkeypatch, capsys, error, status):
    def run(_):
        raise error

    _with_command(monkeypatch, run)
    assert cli.main(["probe"]) == status
    assert capsys.readouterr().err == f"error: {error}\n"


def test_an_unexpected_error_tells_its_place_but_not_its_message(monkeypatch, capsys):
    def run(_):
        raise ValueError("Doe^Jane")

    _with_command(monkeypatch, run)
    assert cli.main(["probe"]) == 1
    said = capsys.readouterr().err
    assert "unexpected ValueError" in said
    assert "Doe" not in said


def test_verbose_shows_the_traceback(monkeypatch, capsys):
    def run(_):
        raise errors.NotFoundError("no such study")

    _with_command(monkeypatch, run)
    assert cli.main(["probe", "--verbose"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        ["--settings", "demo", "--json", "probe", "--count", "3"],
        ["probe", "--count", "3", "--json", "--settings", "demo"],
        ["--json", "probe", "--settings=demo", "--count", "3"],
    ],
)
def test_common_options_are_understood_before_and_after_the_command(monkeypatch, line):
    seen: list[argparse.Namespace] = []
    _with_command(monkeypatch, lambda arguments: seen.append(arguments) or 0)
    assert cli.main(line) == 0
    assert (str(seen[0].settings), seen[0].json, seen[0].count, seen[0].verbose) == ("demo", True, 3, False)


@pytest.mark.parametrize("line", [[], ["nothing"], ["probe", "--unknown"], ["--unknown", "probe"]])
def test_bad_usage_is_status_two(monkeypatch, capsys, line):
    _with_command(monkeypatch, lambda _: 0)
    with pytest.raises(SystemExit) as caught:
        cli.main(line)
    assert caught.value.code == 2


def test_an_interrupt_ends_quietly(monkeypatch):
    def run(_):
        raise KeyboardInterrupt

    _with_command(monkeypatch, run)
    assert cli.main(["probe"]) == 130


def test_help_lists_every_command_and_imports_none_of_the_heavy_packages():
    check = (
        "import sys; from dicomnode.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(set(sys.modules) & {'torch', 'monai', 'pydicom', 'numpy', 'sqlalchemy', 'rich', 'pydantic'}))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.endswith("[]\n")
    for name in cli.COMMANDS:
        assert f"  {name}" in done.stdout


def test_python_dash_m_runs_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "dicomnode", "--version"], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.startswith("dicomnode ")
