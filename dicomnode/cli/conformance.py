"""`dicomnode conformance`: write the node's DICOM Conformance Statement (PS3.2) from its settings."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from dicomnode.settings import load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("conformance", help="write the DICOM Conformance Statement", description=__doc__)
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="Markdown, or HTML if it ends in .html; absent: Markdown, printed"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the statement."""
    from dicomnode.conformance import to_html, to_markdown, write_statement

    statement = write_statement(load_settings(arguments.settings), datetime.now(UTC).date())
    output: Path | None = arguments.output
    if output is None:
        print(to_markdown(statement))
        return 0
    as_page = output.suffix.lower() in (".html", ".htm")
    output.write_text(to_html(statement) if as_page else to_markdown(statement), encoding="utf-8")
    print(f"{output}: written")
    return 0
