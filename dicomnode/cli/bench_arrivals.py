"""``dicomnode bench arrivals``: keeping and indexing instances on this disk, without a network."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.benchmarks.arrivals import Cell

_TINY_BYTES, _SLICE_BYTES = 11 << 10, 512 << 10


def add_arrivals_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "rates of instances that are kept durably and indexed, beside plain files, without a network"
    parser = commands.add_parser("arrivals", help=text, description=text)
    numbers = {
        "tiny": (2000, "instances of 11 KiB in a run"),
        "slices": (400, "instances of 512 KiB in a run"),
        "repeats": (3, "turns of all ways"),
    }
    for name, (default, words) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{words} (default {default})")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 4, 8], metavar="N", help="(default 1 4 8)")
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="on the disk to be measured (default: this one)"
    )
    parser.set_defaults(run=bench_arrivals)


def bench_arrivals(args: argparse.Namespace) -> int:
    """Measure and print."""
    from rich.console import Console

    from dicomnode.benchmarks.arrivals import Plan, measure_arrivals
    from dicomnode.errors import UsageError

    for option, least in (("tiny", 0), ("slices", 0), ("repeats", 1)):
        if (value := getattr(args, option)) < least:
            raise UsageError(f"--{option} {value}: give {least} or more")
    if min(args.threads) < 1:
        raise UsageError("--threads: give 1 or more of them")
    loads = tuple((size, count) for size, count in ((_TINY_BYTES, args.tiny), (_SLICE_BYTES, args.slices)) if count > 1)
    plan = Plan(loads, tuple(args.threads), args.repeats)
    place = tempfile.TemporaryDirectory(prefix="dicomnode-bench-", dir=args.folder.resolve())
    with place as name, Console(stderr=True).status("") as status:
        cells = list(measure_arrivals(Path(name), plan, status.update))
    if args.json:
        print(json.dumps([asdict(cell) for cell in cells], indent=2))
    else:
        for line in _lines(cells):
            print(line)
    return 0


def _lines(cells: list[Cell]) -> Iterator[str]:
    yield "instances a second, median (least to greatest); milliseconds of processor time for each"
    yield f"{'':8} {'KiB':>5} {'threads':>8} {'acknowledged':>26} {'indexed':>26} {'CPU':>7}"
    for cell in cells:
        rates = [_spread([getattr(run, what) for run in cell.runs]) for what in ("acknowledged", "indexed")]
        yield (
            f"{cell.way:8} {cell.bytes >> 10:>5} {cell.threads:>8} {rates[0]:>26} {rates[1]:>26}"
            f" {cell.median('cpu'):>7.2f}"
        )


def _spread(values: list[float]) -> str:
    from statistics import median

    return f"{median(values):.0f} ({min(values):.0f} to {max(values):.0f})"
