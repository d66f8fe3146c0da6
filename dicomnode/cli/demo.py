"""`dicomnode demo`: the whole loop on this machine, nothing else installed."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicomnode.demo.folder import DemoFolder
    from dicomnode.demo.narration import Narrator
    from dicomnode.demo.run import DemoResult


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("demo", help="the whole loop on this machine", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("demo-output"), metavar="FOLDER", help="emptied first (default: demo-output)"
    )
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="folder of bundles (default: models)")
    parser.add_argument("--keep", action="store_true", help="keep node and PACS running until Ctrl-C")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    from rich.console import Console

    from dicomnode.demo.configuration import find_models
    from dicomnode.demo.folder import prepare_folder
    from dicomnode.demo.narration import Narrator
    from dicomnode.demo.run import run_demo

    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    models = find_models(arguments.models)
    folder = prepare_folder(arguments.out)
    narrator = Narrator(Console(stderr=arguments.json))

    def finished(result: DemoResult) -> None:
        if arguments.json:
            print(json.dumps(_json(result, folder), indent=2), flush=True)
        else:
            _show(result, folder, narrator, arguments.keep)
        if arguments.keep:
            _wait_for_interrupt()

    _end_like_an_interrupt()
    run_demo(folder, models, narrator, finished)
    return 0


def _end_like_an_interrupt() -> None:
    """SIGTERM ends the demo as Ctrl-C does, so that it never leaves processes behind."""
    # Both end it, SIGINT also where a shell started it in the background and had it ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)


def _wait_for_interrupt() -> None:
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _show(result: DemoResult, folder: DemoFolder, narrator: Narrator, keep: bool) -> None:
    from dicomnode.demo.pictures import SYNTHETIC, UNVERIFIED
    from dicomnode.demo.report import findings

    for model, sentences in findings(result.fetched):
        narrator.tell()
        narrator.tell(model, "bold cyan")
        for sentence in sentences:
            narrator.tell(f"  {sentence}")
    narrator.tell()
    narrator.tell(f"{UNVERIFIED} {SYNTHETIC}", "bold yellow")
    narrator.tell()
    for name, path in _files(result, folder):
        narrator.tell(f"{name:<9} {path}")
    narrator.tell()
    for name, address in result.addresses:
        narrator.tell(f"{name}: {address}")
    narrator.tell()
    if keep:
        pid = result.pacs_listener
        narrator.tell(f"To see a delivery fail: kill -STOP {pid}, then Send on the study's page, then Deliveries.")
        narrator.tell(f"To mend it: kill -CONT {pid}, then Try again.")
    state = "run until Ctrl-C" if keep else "stop now; with --keep they go on"
    narrator.tell(f"Done after {narrator.seconds:.0f} s. Node and PACS {state}.")


def _files(result: DemoResult, folder: DemoFolder) -> list[tuple[str, Path]]:
    return [
        ("overview", result.pictures[0]),
        ("pictures", folder.pictures),
        ("SR, SEG", folder.evidence),
        ("report", folder.report),
    ]


def _json(result: DemoResult, folder: DemoFolder) -> dict[str, object]:
    return {
        "study_instance_uid": result.study_instance_uid,
        "evidence": [str(item.path) for item in result.fetched],
        "pictures": [str(path) for path in result.pictures],
        "report": str(folder.report),
        "addresses": dict(result.addresses),
    }
