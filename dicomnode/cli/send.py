"""`dicomnode send`: send DICOM files to a PACS by C-STORE or STOW-RS."""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dicomnode.cli.destination import find_destination
from dicomnode.delivery.document import Document, Sender
from dicomnode.delivery.outbox import make_sender
from dicomnode.delivery.outcomes import SendOutcome
from dicomnode.dicom.header import read_header
from dicomnode.errors import NotDicomError, UsageError
from dicomnode.settings import load_settings

_BATCH = 25


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("send", help="send DICOM files to a PACS (C-STORE or STOW-RS)", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file or folder, read with its sub-folders")
    parser.add_argument(
        "--to", required=True, metavar="PEER", help="name of a target of the settings, HOST:PORT:AETITLE, or a URL"
    )
    parser.add_argument("--calling", metavar="AETITLE", help="our AE title (default: node.ae_title)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send; exit status 1 if any file was not taken."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    settings = load_settings(arguments.settings)
    target = find_destination(arguments.to, settings)
    files = list(find_files(arguments.paths))
    documents, skipped = read_documents(files)
    if not documents:
        raise UsageError(f"no DICOM file among {len(files)} file(s); name a DICOM file or a folder that holds some")
    sender = make_sender(target, arguments.calling or settings.node.ae_title, lambda: datetime.now(UTC))
    outcomes = _send(sender, documents)
    failures = [(document, outcome) for document, outcome in outcomes if not outcome.arrived]
    if arguments.json:
        print(json.dumps(_json(outcomes, skipped), indent=2))
    else:
        _show(outcomes, failures, skipped)
    return 1 if failures else 0


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and those in the folders named, in the order of their names.

    Raises:
        UsageError: A path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist")
        yield from sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]


def read_documents(files: Iterable[Path]) -> tuple[list[Document], list[str]]:
    """Read headers; files that are no DICOM are told, not sent."""
    documents, skipped = [], []
    for path in files:
        try:
            header = read_header(path)
        except NotDicomError as error:
            skipped.append(f"{path}: {error}")
            continue
        if path.name != "DICOMDIR":
            documents.append(Document(path, header.sop_class_uid, header.sop_instance_uid, header.transfer_syntax_uid))
    return documents, skipped


def _send(sender: Sender, documents: Sequence[Document]) -> list[tuple[Document, SendOutcome]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    outcomes: list[tuple[Document, SendOutcome]] = []
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("sending", total=len(documents))
            for start in range(0, len(documents), _BATCH):
                for answered in sender.send(documents[start : start + _BATCH]):
                    outcomes.append(answered)
                    progress.advance(task)
    finally:
        sender.close()
    return outcomes


def _show(
    outcomes: Sequence[tuple[Document, SendOutcome]],
    failures: Sequence[tuple[Document, SendOutcome]],
    skipped: Sequence[str],
) -> None:
    for line in skipped:
        print(f"not sent: {line}")
    for document, outcome in failures:
        print(f"failed: {document.path}: {outcome.status}")
    counts = Counter(str(outcome.kind) for _, outcome in outcomes)
    print(f"{len(outcomes)} file(s): " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))


def _json(outcomes: Sequence[tuple[Document, SendOutcome]], skipped: Sequence[str]) -> dict[str, object]:
    sent = [
        {
            "path": str(document.path),
            "object": document.sop_instance_uid,
            "outcome": str(outcome.kind),
            "status": outcome.status,
        }
        for document, outcome in outcomes
    ]
    return {"sent": sent, "skipped": list(skipped)}
