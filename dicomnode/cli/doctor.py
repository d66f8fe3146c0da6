"""`dicomnode doctor`: look at settings, certificates, disk, index, models, device and peers, and say what to mend.

With --deep: read every file, compare it with the index, and mend what can be mended.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from dicomnode.archive.discrepancies import Discrepancy
from dicomnode.archive.rebuilding import Rebuilt
from dicomnode.errors import SettingsError, UsageError
from dicomnode.node.deep_checkup import Orders, compare_files, renew_index
from dicomnode.node.doctor import Finding, Verdict, examine
from dicomnode.settings import Settings, load_settings

_COLOURS = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.WRONG: "red"}
_LINES_PER_RUN = 20


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("doctor", help="check what the node depends on", description=__doc__)
    parser.add_argument(
        "--deep", action="store_true", help="compare every file with the index; safe while the node runs"
    )
    parser.add_argument("--repair", action="store_true", help="with --deep: mend what can be mended")
    text = (
        "with --deep: build a new index from what can be read of the old one and from the files; the node must not run"
    )
    parser.add_argument("--rebuild-index", action="store_true", help=text)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit status 1 if something is wrong."""
    orders = Orders(arguments.repair or arguments.rebuild_index, arguments.rebuild_index)
    if orders.repair and not arguments.deep:
        raise UsageError("--repair and --rebuild-index go with --deep")
    settings = load_settings(arguments.settings)
    if arguments.deep:
        return _deep(settings, orders, arguments.json)
    findings = list(examine(settings, datetime.now(UTC)))
    if arguments.json:
        print(json.dumps({"findings": [_values(finding) for finding in findings]}, indent=2, ensure_ascii=False))
    else:
        _show(findings)
    return int(any(finding.verdict is Verdict.WRONG for finding in findings))


def _show(findings: list[Finding]) -> None:
    console, width = Console(highlight=False), max(len(finding.name) for finding in findings)
    for finding in findings:
        line = Text(f"{finding.name:<{width}}  ").append(f"{finding.verdict:<5}", _COLOURS[finding.verdict])
        console.print(line.append(f"  {finding.text}"), soft_wrap=True)


def _values(finding: Finding) -> dict[str, str]:
    return {"name": finding.name, "verdict": str(finding.verdict), "text": finding.text}


def _deep(settings: Settings, orders: Orders, as_json: bool) -> int:
    if not settings.node.data_dir.is_dir():
        raise SettingsError(f"no node has run on {settings.node.data_dir}; give its settings file with --settings")
    now = datetime.now(UTC)
    rebuilt = renew_index(settings, orders, now)
    if rebuilt is not None and not as_json:
        kept = f"; the old one is kept as {rebuilt.aside}" if rebuilt.aside else ""
        print(f"index built anew: {rebuilt.rows} rows taken over{kept}")
    found: list[Discrepancy] = []
    with _progress() as progress:
        for discrepancy in compare_files(settings, orders, now, progress):
            found.append(discrepancy)
            if not as_json:
                print(discrepancy)
    wrong = sum(discrepancy.is_wrong for discrepancy in found)
    if as_json:
        print(json.dumps(_report(rebuilt, found), indent=2))
    else:
        print(_summary(len(found), wrong, orders))
    return int(wrong > 0)


def _summary(found: int, wrong: int, orders: Orders) -> str:
    if not found:
        return "files and index agree"
    if orders.repair:
        return (
            f"{found - wrong} of {found} put right; {wrong} could not be and is out of service: send or fetch it again"
        )
    return f"{wrong} wrong: `dicomnode doctor --deep --repair` mends what can be mended"


def _report(rebuilt: Rebuilt | None, found: list[Discrepancy]) -> dict[str, object]:
    renewed = None if rebuilt is None else {"rows": rebuilt.rows, "aside": str(rebuilt.aside or "")}
    items = [
        {
            "fault": str(item.fault),
            "kind": str(item.holding),
            "path": item.path.as_posix(),
            "sop_instance_uid": item.sop_instance_uid,
            "study_instance_uid": item.study_instance_uid,
            "outcome": item.outcome,
            "wrong": item.is_wrong,
        }
        for item in found
    ]
    return {"index_rebuilt": renewed, "discrepancies": items}


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_progress
        return
    columns = (TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, redirect_stdout=True) as progress:
        task = progress.add_task("comparing", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _plain_progress(done: int, total: int) -> None:
    if done % max(1, total // _LINES_PER_RUN) == 0 and total > _LINES_PER_RUN:
        print(f"compared {done} of {total} files", file=sys.stderr)
