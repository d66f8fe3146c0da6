"""``dicomnode bench evidence``: what writing reports and segmentations costs, beside highdicom alone."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.benchmarks.evidence import Written

_GROUPS = (1, 10, 100)


def add_evidence_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "times of writing an SR of 1, 10 and 100 lesions and a SEG, beside highdicom as its examples use it"
    parser = commands.add_parser("evidence", help=text, description=text)
    parser.add_argument("--slices", type=int, default=300, metavar="N", help="of the CT study (default 300)")
    parser.add_argument("--rows", type=int, default=512, metavar="N", help="and columns of a slice (default 512)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="documents of each kind (default 5)")
    parser.set_defaults(run=bench_evidence)


def bench_evidence(args: argparse.Namespace) -> int:
    """Measure and print."""
    from rich.console import Console

    from dicomnode.benchmarks.evidence import measure_evidence
    from dicomnode.errors import UsageError

    for option, least in (("slices", 1), ("rows", 64), ("repeats", 1)):
        if (value := getattr(args, option)) < least:
            raise UsageError(f"--{option} {value}: give {least} or more")
    with tempfile.TemporaryDirectory(prefix="dicomnode-bench-") as name, Console(stderr=True).status("") as status:
        found = measure_evidence(Path(name), args.slices, args.rows, _GROUPS, args.repeats, status.update)
    if args.json:
        print(json.dumps({"slices": args.slices, "rows": args.rows, "documents": list(map(_values, found))}, indent=2))
    else:
        for line in _lines(found, args):
            print(line)
    return 0


def _values(one: Written) -> dict[str, Any]:
    ratio = one.node_median / one.naive_median
    return {**asdict(one), "node_median": one.node_median, "naive_median": one.naive_median, "ratio": ratio}


def _lines(found: list[Written], args: argparse.Namespace) -> Iterator[str]:
    yield f"about a CT of {args.slices} slices of {args.rows} x {args.rows}; seconds, median (least to greatest)"
    yield f"{'':20} {'bytes':>10} {'node':>26} {'highdicom alone':>26} {'ratio':>6}"
    for one in found:
        cells = [f"{cell:>26}" for cell in (_spread(one.node), _spread(one.naive))]
        yield f"{one.name:20} {one.bytes:>10,} {' '.join(cells)} {one.node_median / one.naive_median:>6.2f}"


def _spread(values: tuple[float, ...]) -> str:
    from statistics import median

    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"
