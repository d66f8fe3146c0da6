"""``dicomnode bench start``: how soon a node listens and answers, and what it uses while nothing happens."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.benchmarks.starting import Started

_CORES = 2
_WORDS = {
    "help": "dicomnode --help, s",
    "listening": "listener answers C-ECHO, s",
    "ready": "every role ready, s",
    "answered": "first study answered, s",
    "processor": "processor time until then, s",
    "idle_percent": "idle, % of a core",
    "idle_bytes": "memory when idle, MB",
}


def add_start_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "time from start until a node listens and has answered a study, and what it uses when idle"
    parser = commands.add_parser("start", help=text, description=text)
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="starts (default 5)")
    parser.add_argument("--slices", type=int, default=10, metavar="N", help="of the CT study (default 10)")
    parser.add_argument(
        "--idle-seconds", type=float, default=20.0, metavar="S", help="watch the idle node so long (default 20)"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="on the disk to be measured (default: this one)"
    )
    parser.set_defaults(run=bench_start)


def bench_start(args: argparse.Namespace) -> int:
    """Start a node of its own again and again, and print."""
    from dicomnode.benchmarks.starting import Plan, measure_starts
    from dicomnode.errors import UsageError
    from dicomnode.learning.benchmarks.slice_bundle import write_slice_bundle

    if args.repeats < 1 or args.slices < 1 or args.idle_seconds <= 0:
        raise UsageError("--repeats, --slices and --idle-seconds: give 1 or more")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    with (
        tempfile.TemporaryDirectory(prefix="dicomnode-bench-", dir=args.folder.resolve()) as name,
        _progress() as progress,
    ):
        model = write_slice_bundle(Path(name) / "models")
        plan = Plan(args.repeats, args.slices, args.idle_seconds)
        found = measure_starts(plan, model, Path(name), progress)
    if args.json:
        print(json.dumps(_values(found), indent=2))
    else:
        for line in _lines(found):
            print(line)
    return 0


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    from rich.console import Console

    with Console(stderr=True).status("preparing") as status:
        yield status.update


def _values(found: list[Started]) -> dict[str, Any]:
    medians = {key: statistics.median(getattr(one, key) for one in found) for key in _WORDS}
    return {"cores": len(os.sched_getaffinity(0)), "median": medians, "starts": [asdict(one) for one in found]}


def _lines(found: list[Started]) -> Iterator[str]:
    yield f"{len(found)} starts, {len(os.sched_getaffinity(0))} cores; median (least to greatest)"
    for key, words in _WORDS.items():
        values = [getattr(one, key) / (1e6 if key == "idle_bytes" else 1) for one in found]
        yield f"{words:30} {statistics.median(values):8.2f} ({min(values):.2f} to {max(values):.2f})"
