"""``dicomnode bench``: what parts of the node cost on this machine."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from dicomnode.cli.bench_arrivals import add_arrivals_parser
from dicomnode.cli.bench_evidence import add_evidence_parser
from dicomnode.cli.bench_infer import add_infer_parser
from dicomnode.cli.bench_query import add_query_parser
from dicomnode.cli.bench_read import add_read_parser
from dicomnode.cli.bench_receive import add_receive_parser
from dicomnode.cli.bench_retrieve import add_retrieve_parser
from dicomnode.cli.bench_send import add_send_parser
from dicomnode.cli.bench_start import add_start_parser
from dicomnode.cli.bench_study import add_study_parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dicomnode.learning.benchmarks import Conditions, Measurement, PublishedCost, Spread


def add_parser(subparsers: Any) -> None:
    """Add the command and its own sub-commands to the command line."""
    parser = subparsers.add_parser("bench", help="measure what parts of the node cost on this machine")
    commands = parser.add_subparsers(dest="bench_command", required=True, metavar="COMMAND")
    text = "parameters, memory, time and operations of mammography networks, beside the figures of the GMIC paper"
    networks = commands.add_parser("networks", help=text, description=text)
    networks.add_argument("--networks", nargs="+", metavar="NAME", help="some of the table (default: all)")
    networks.add_argument(
        "--size", type=_size, metavar="ROWSxCOLUMNS", help="of the images (default: 2944x1920 on a GPU, else 736x480)"
    )
    networks.add_argument("--images", type=int, metavar="N", help="images of a pass (default: 4 on a GPU, else 1)")
    networks.add_argument("--repeats", type=int, metavar="N", help="timed passes (default: 10 on a GPU, else 3)")
    networks.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    networks.set_defaults(run=bench_networks)
    add_arrivals_parser(commands)
    add_evidence_parser(commands)
    add_infer_parser(commands)
    add_query_parser(commands)
    add_read_parser(commands)
    add_receive_parser(commands)
    add_retrieve_parser(commands)
    add_send_parser(commands)
    add_start_parser(commands)
    add_study_parser(commands)


def _size(text: str) -> tuple[int, int]:
    try:
        rows, columns = (int(part) for part in text.split("x"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write rows and columns as in 2944x1920") from error
    if min(rows, columns) < 192:
        raise argparse.ArgumentTypeError(f"{text}: images have at least 192 rows and columns")
    return rows, columns


def bench_networks(args: argparse.Namespace) -> int:
    """Measure the networks one by one and print ours beside theirs."""
    from dicomnode.errors import UsageError
    from dicomnode.learning.benchmarks import CANDIDATES, measure_all

    names = args.networks or list(CANDIDATES)
    unknown = [name for name in names if name not in CANDIDATES]
    if unknown:
        raise UsageError(f"--networks {unknown[0]}: is none of {', '.join(CANDIDATES)}")
    conditions = _conditions(args)
    measured = measure_all(names, conditions)
    if args.json:
        print(json.dumps(_values(conditions, list(measured)), indent=2))
        return 0
    for line in _lines(conditions, measured):
        print(line, flush=True)
    return 0


def _conditions(args: argparse.Namespace) -> Conditions:
    from dicomnode.errors import UsageError
    from dicomnode.learning.benchmarks import default_conditions
    from dicomnode.learning.engine.precision import choose_device

    given = {"size": args.size, "images": args.images, "repeats": args.repeats}
    changes = {key: value for key, value in given.items() if value is not None}
    for key in ("images", "repeats"):
        if changes.get(key, 1) < 1:
            raise UsageError(f"--{key} {changes[key]}: give 1 or more")
    return dataclasses.replace(default_conditions(choose_device(args.device)), **changes)


def _values(conditions: Conditions, measured: list[Measurement]) -> dict[str, Any]:
    from dicomnode.learning.benchmarks import PUBLISHED, SOURCE

    rows = [{**dataclasses.asdict(one), "published": dataclasses.asdict(PUBLISHED[one.network])} for one in measured]
    return {"conditions": dataclasses.asdict(conditions), "published_source": SOURCE, "networks": rows}


def _lines(conditions: Conditions, measured: Iterable[Measurement]) -> Iterator[str]:
    from dicomnode.learning.benchmarks import PUBLISHED, PUBLISHED_SIZE, SOURCE

    rows, columns = conditions.size
    yield (
        f"ours: {conditions.device}, {conditions.threads} threads, {rows} x {columns} pixels, float32, median of "
        f"{conditions.repeats} passes (least to greatest)"
    )
    if conditions.size != PUBLISHED_SIZE:
        yield "      not the published size, so memory and times are no comparison with theirs; multiply-adds are"
    yield f"theirs: {SOURCE}"
    yield ""
    head = ("parameters, M", "memory, GB", "forward, ms", "backward, ms", "multiply-adds, G")
    yield f"{'':18} images  {head[0]:>15} {head[1]:>15} {head[2]:>28} {head[3]:>28} {head[4]:>18}"
    for one in measured:
        yield from _row(one, PUBLISHED[one.network])
    yield ""
    yield "multiply-adds: of an exam of four images at the published size, ours too"
    yield "parameters, theirs: with the statistics of batch norm and, for GMIC, a convolution that nothing reads;"
    yield "  in brackets ours counted the same way"
    yield "~ quoted at second hand, not checked against the paper itself; theirs of faster_rcnn has a larger body"


def _row(one: Measurement, theirs: PublishedCost) -> Iterator[str]:
    adds = one.multiply_adds_billions
    cells = (
        f"{one.parameters / 1e6:.2f}",
        f"{one.memory_gb:.2f}",
        _time(one.forward),
        _time(one.backward),
        "-" if adds is None else f"{adds:.0f}",
    )
    yield _cells(one.network, str(one.images), cells)
    mark = "" if theirs.is_confirmed else "~"
    published = theirs.multiply_adds_billions
    cells = (
        f"{theirs.parameters_millions:.2f} ({one.counted_as_published / 1e6:.2f})",
        f"{mark}{theirs.memory_gb:.2f}",
        f"{mark}{theirs.forward_ms:.0f}",
        f"{mark}{theirs.backward_ms:.0f}",
        "-" if published is None else f"{published:.0f}",
    )
    yield _cells("  theirs", "4", cells)


def _cells(name: str, images: str, cells: tuple[str, str, str, str, str]) -> str:
    return f"{name:18} {images:>6}  {cells[0]:>15} {cells[1]:>15} {cells[2]:>28} {cells[3]:>28} {cells[4]:>18}"


def _time(spread: Spread) -> str:
    return f"{spread.median:.0f} ({spread.least:.0f} to {spread.greatest:.0f})"
