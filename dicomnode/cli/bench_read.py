"""``dicomnode bench read``: from a series' files to a tensor, beside other readers."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.benchmarks.reading import SeriesTimes


def add_read_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "times from a series' files to a tensor, beside dcm2niix, SimpleITK (where installed), MONAI and pydicom"
    parser = commands.add_parser("read", help=text, description=text)
    parser.add_argument("--slices", type=int, default=500, metavar="N", help="uncompressed ones (default 500)")
    parser.add_argument("--compressed", type=int, default=60, metavar="N", help="in each other syntax (default 60)")
    parser.add_argument("--rows", type=int, default=512, metavar="N", help="and columns of a slice (default 512)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="of each reader, by turns (default 5)")
    parser.set_defaults(run=bench_read)


def bench_read(args: argparse.Namespace) -> int:
    """Measure and print."""
    from rich.console import Console

    from dicomnode.benchmarks.reading import measure_reading
    from dicomnode.errors import UsageError

    for option, least in (("slices", 2), ("compressed", 0), ("rows", 64), ("repeats", 1)):
        if (value := getattr(args, option)) < least:
            raise UsageError(f"--{option} {value}: give {least} or more")
    with tempfile.TemporaryDirectory(prefix="dicomnode-bench-") as name, Console(stderr=True).status("") as status:
        shape = (args.slices, args.rows)
        found = measure_reading(Path(name), shape, args.compressed, args.repeats, status.update)
    if args.json:
        print(json.dumps({"rows": args.rows, "series": list(map(_values, found))}, indent=2))
    else:
        for line in _lines(found, args.rows):
            print(line)
    return 0


def _values(one: SeriesTimes) -> dict[str, Any]:
    first = one.readers[0].median
    readers = [{**asdict(reader), "median": reader.median, "ratio": reader.median / first} for reader in one.readers]
    return {"transfer_syntax": one.transfer_syntax, "slices": one.slices, "readers": readers}


def _lines(found: list[SeriesTimes], rows: int) -> Iterator[str]:
    yield f"slices of {rows} x {rows}; seconds, median (least to greatest), and how many times the node's"
    for one in found:
        yield ""
        yield f"{one.slices} slices, {one.transfer_syntax}"
        first = one.readers[0].median
        for reader in one.readers:
            spread = f"({min(reader.seconds):.3f} to {max(reader.seconds):.3f})"
            yield f"  {reader.name:26} {reader.median:>8.3f} {spread:20} {reader.median / first:>6.2f}"
