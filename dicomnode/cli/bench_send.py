"""``dicomnode bench send``: how fast results leave, beside storescu."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.benchmarks.sending import Sent


def add_send_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "rate at which the outbox sends CT slices to Orthanc, with 1 and 4 associations, beside 1 and 4 storescu"
    parser = commands.add_parser("send", help=text, description=text)
    parser.add_argument("--instances", type=int, default=200, metavar="N", help="sent each time (default 200)")
    parser.add_argument("--rows", type=int, default=512, metavar="N", help="and columns of a slice (default 512)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="rounds (default 3)")
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="on the disk to be measured (default: this one)"
    )
    parser.set_defaults(run=bench_send)


def bench_send(args: argparse.Namespace) -> int:
    """Measure and print."""
    from rich.console import Console

    from dicomnode.benchmarks.sending import SEVERAL, measure_sending
    from dicomnode.errors import UsageError

    for option, least in (("instances", SEVERAL), ("rows", 16), ("repeats", 1)):
        if (value := getattr(args, option)) < least:
            raise UsageError(f"--{option} {value}: give {least} or more")
    instances = args.instances // SEVERAL * SEVERAL
    place = args.folder.resolve()
    with (
        tempfile.TemporaryDirectory(prefix="dicomnode-bench-", dir=place) as name,
        Console(stderr=True).status("starting Orthanc") as status,
    ):
        found = measure_sending(Path(name), instances, args.rows, args.repeats, status.update)
    if args.json:
        print(
            json.dumps({"rows": args.rows, "senders": [{**asdict(one), "rate": one.rate} for one in found]}, indent=2)
        )
    else:
        for line in _lines(found, args.rows):
            print(line)
    return 0


def _lines(found: list[Sent], rows: int) -> Iterator[str]:
    yield f"{found[0].instances} slices of {rows} x {rows} from disk to the same Orthanc, by turns"
    yield f"{'':22} {'instances/s':>12} {'least':>8} {'greatest':>9}"
    for one in found:
        rates = [one.instances / seconds for seconds in one.seconds]
        yield f"{one.name:22} {one.rate:>12.0f} {min(rates):>8.0f} {max(rates):>9.0f}"
    several, ours = found[1], found[-1]
    yield f"the node with several connections sends {ours.rate / several.rate:.2f} times as fast as {several.name}"
