"""The `dicomnode` command: finds the sub-command, runs it, turns errors into a line and an exit status.

Only the module of the chosen sub-command is imported, so that `dicomnode --help` answers at once.
Each module offers `add_parser(subparsers)`, which adds its parser and sets `run` to a function from
the parsed arguments to the exit status.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dicomnode import __version__
from dicomnode.errors import DicomNodeError, RecipeError, SettingsError, UsageError, describe

DONE, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Command:
    """A sub-command: the module that holds it and one line that says what it does."""

    module: str
    help: str


COMMANDS = {
    "demo": Command("dicomnode.cli.demo", "the whole loop on this machine, nothing else installed"),
    "serve": Command("dicomnode.cli.serve", "run the node"),
    "status": Command("dicomnode.cli.status", "what is here, what waits, which roles run"),
    "trace": Command("dicomnode.cli.trace", "what happened to a study, and why"),
    "identity": Command("dicomnode.cli.identity", "whose a study is, where its instances disagree"),
    "deliveries": Command("dicomnode.cli.deliveries", "what the targets got and refused, and why"),
    "doctor": Command("dicomnode.cli.doctor", "check what the node depends on; compare files and index; repair"),
    "retry": Command("dicomnode.cli.retry", "repeat a failed job or delivery"),
    "recall": Command("dicomnode.cli.recall", "withdraw results that were sent already"),
    "replay": Command("dicomnode.cli.replay", "run old studies again, behind live work"),
    "backup": Command("dicomnode.cli.backup", "back up a running node: index and files"),
    "restore": Command("dicomnode.cli.restore", "make a node's folder from a backup"),
    "echo": Command("dicomnode.cli.echo", "ask a PACS whether it answers (C-ECHO)"),
    "probe": Command("dicomnode.cli.probe", "ask a target what it takes, and what it gets instead"),
    "send": Command("dicomnode.cli.send", "send DICOM files to a PACS (C-STORE or STOW-RS)"),
    "query": Command("dicomnode.cli.query", "ask a PACS which studies it holds (C-FIND)"),
    "conformance": Command("dicomnode.cli.conformance", "write the DICOM Conformance Statement from the settings"),
    "predict": Command("dicomnode.cli.predict", "run a model on files, without a server"),
    "lint": Command("dicomnode.cli.lint", "check evidence objects as the gate does"),
    "models": Command("dicomnode.cli.models", "list, show, check and approve model bundles"),
    "accounts": Command("dicomnode.cli.accounts", "who may use the pages and the interfaces"),
    "notify": Command("dicomnode.cli.notify", "test the channels that tell people what happens"),
    "viewer": Command("dicomnode.cli.viewer", "put the viewer OHIF beside the node"),
    "train": Command("dicomnode.cli.train", "train a model from a recipe"),
    "evaluate": Command("dicomnode.cli.evaluate", "measure a model on a labelled split"),
    "export": Command("dicomnode.cli.export", "write DICOM images as PNG with geometry, for annotation tools"),
    "review": Command("dicomnode.cli.review", "look through a table of pictures and correct it, in the browser"),
    "annotate": Command("dicomnode.cli.annotate", "turn annotations of exported pictures into DICOM SR and SEG"),
    "audit": Command("dicomnode.cli.audit", "list, verify and export the audit trail"),
    "certificates": Command("dicomnode.cli.certificates", "make a test authority and certificates for TLS"),
    "bench": Command("dicomnode.cli.bench", "measure what networks cost on this machine"),
}


class CommandParser(argparse.ArgumentParser):
    """A parser whose common options are understood at every level of the command line."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        common = self.add_argument_group("common options")
        # Suppressed defaults: an option given before the sub-command is not reset after it.
        common.add_argument(
            "--settings", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="settings file (TOML)"
        )
        common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
        common.add_argument(
            "--verbose", action="store_true", default=argparse.SUPPRESS, help="show where an error came from"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: The words after `dicomnode`; None means those of this process.

    Returns:
        Exit status: 0 done, 1 the work failed, 2 bad usage or settings.
    """
    namespace = argparse.Namespace(settings=None, json=False, verbose=False)
    try:
        parsed = parse(sys.argv[1:] if arguments is None else arguments, namespace)
        with warnings.catch_warnings():
            if not parsed.verbose:
                # They are about code or quote values of data sets; errors are told in any case
                warnings.simplefilter("ignore")
            return int(parsed.run(parsed))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away; give Python's own exit flush nothing to fail on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (DicomNodeError, OSError) as error:
        return _fail(error, str(error), namespace.verbose)
    except Exception as error:  # noqa: BLE001  the last place that can still say something in one line
        return _fail(error, f"{describe(error)}; --verbose shows more", namespace.verbose)


def parse(arguments: Sequence[str], namespace: argparse.Namespace) -> argparse.Namespace:
    """Read a command line into `namespace`, importing only the chosen command's module."""
    first = _first_parser().parse_args(arguments, namespace)
    command, rest = first.command, first.arguments
    del namespace.command, namespace.arguments
    parser = CommandParser(prog="dicomnode")
    subparsers = parser.add_subparsers(dest="command", required=True)
    importlib.import_module(COMMANDS[command].module).add_parser(subparsers)
    return parser.parse_args([command, *rest], namespace)


def _first_parser() -> argparse.ArgumentParser:
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    parser = CommandParser(
        prog="dicomnode",
        description="A node on a DICOM network: studies in, answers of models back as SR and SEG.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(lines) + "\n\n`dicomnode COMMAND --help` says more about one command.",
    )
    parser.add_argument("--version", action="version", version=f"dicomnode {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its arguments")
    return parser


def _fail(error: Exception, message: str, verbose: bool) -> int:
    if verbose:
        traceback.print_exception(error)
    print(f"error: {message}", file=sys.stderr)
    return BAD_USAGE if isinstance(error, SettingsError | UsageError | RecipeError) else FAILED
