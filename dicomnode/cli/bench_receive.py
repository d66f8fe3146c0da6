"""``dicomnode bench receive``: C-STORE to the node, to DCMTK's storescp and to Orthanc, by turns."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.benchmarks.receive import Column, Plan, Receiver

_CORES = 2
_NODE, _FORKING, _ALONE, _ORTHANC = "node", "storescp --fork", "storescp", "Orthanc"
_UNSAFE, _STOCK = "node, not durable", "node, pynetdicom"
_EVERY = (_NODE, _UNSAFE, _STOCK, _FORKING, _ALONE, _ORTHANC)
_SPARE_BYTES = 2 << 30


def add_receive_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "rates of C-STORE to the node, to DCMTK's storescp and to Orthanc on this machine, by turns"
    parser = commands.add_parser("receive", help=text, description=text)
    numbers = {
        "slices": (500, "CT slices of 512 KiB in a run"),
        "mammograms": (12, "mammograms of 24 MB in a run"),
        "tiny": (2000, "images of 11 KiB in a run"),
        "repeats": (3, "turns of all receivers"),
        "processes": (1, "processes of the node that receive"),
    }
    for name, (default, words) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{words} (default {default})")
    parser.add_argument(
        "--associations", type=int, nargs="+", default=[1, 4, 8], metavar="N", help="at once (default 1 4 8)"
    )
    parser.add_argument("--receivers", nargs="+", choices=_EVERY, default=list(_EVERY), help="some of them")
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="on the disk to be measured (default: this one)"
    )
    parser.set_defaults(run=bench_receive)


def bench_receive(args: argparse.Namespace) -> int:
    """Start everything, measure, and print."""
    from dicomnode.benchmarks.receive import file_system_of, measure_load, storescu_command

    plan = _plan(args)
    storescu_command()
    file_system = file_system_of(args.folder)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    _check_space(plan, args.folder)
    columns: list[Column] = []
    with _progress() as progress:
        for load in plan.loads:
            progress("starting the receivers")
            with tempfile.TemporaryDirectory(prefix="dicomnode-bench-", dir=args.folder.resolve()) as name:
                folder = Path(name)
                with _receivers(args.receivers, folder, args.processes) as receivers:
                    columns += measure_load(load, receivers, plan, folder / "files", progress)
    if args.json:
        print(json.dumps(_values(columns, args, file_system), indent=2))
    else:
        for line in _lines(columns, args.receivers, file_system):
            print(line)
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    from dicomnode.benchmarks.receive import Plan
    from dicomnode.benchmarks.receive_files import loads
    from dicomnode.errors import UsageError

    for option, least in (("slices", 0), ("mammograms", 0), ("tiny", 0), ("repeats", 1), ("processes", 1)):
        if (value := getattr(args, option)) < least:
            raise UsageError(f"--{option} {value}: give {least} or more")
    if min(args.associations) < 1:
        raise UsageError("--associations: give 1 or more of them")
    return Plan(loads(args.slices, args.mammograms, args.tiny), tuple(args.associations), args.repeats)


def _check_space(plan: Plan, folder: Path) -> None:
    import shutil

    from dicomnode.errors import UsageError

    runs = plan.repeats * len(plan.associations)
    needed = max((load.bytes * (4 * runs + 3) for load in plan.loads), default=0) + _SPARE_BYTES
    if needed > shutil.disk_usage(folder).free:
        raise UsageError(f"{folder} has not enough space: this takes {needed / 1e9:.1f} GB; name another with --folder")


@contextmanager
def _receivers(names: list[str], folder: Path, processes: int) -> Iterator[list[Receiver]]:
    from dicomnode.benchmarks.receivers import node_receiver, orthanc_receiver, storescp_receiver

    own = {"engine": "own", "processes": processes}
    with ExitStack() as running:
        start: dict[str, Callable[[Path], AbstractContextManager[Receiver]]] = {
            _NODE: lambda place: node_receiver(_NODE, place, {"receive": own}),
            _UNSAFE: lambda place: node_receiver(_UNSAFE, place, {"receive": own, "storage": {"durable": False}}),
            _STOCK: lambda place: node_receiver(_STOCK, place, {"receive": {"engine": "pynetdicom"}}),
            _FORKING: lambda place: storescp_receiver(_FORKING, place, "--fork"),
            _ALONE: lambda place: storescp_receiver(_ALONE, place),
            _ORTHANC: orthanc_receiver,
        }
        yield [running.enter_context(start[name](folder / f"receiver{place}")) for place, name in enumerate(names)]


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    from rich.console import Console

    with Console(stderr=True).status("preparing") as status:
        yield status.update


def _values(columns: list[Column], args: argparse.Namespace, file_system: str) -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "file_system": file_system,
        "repeats": args.repeats,
        "processes": args.processes,
        "columns": [
            {
                "load": column.load,
                "associations": column.associations,
                "instances": column.instances,
                "receivers": [
                    {
                        "name": name,
                        "rates": rates,
                        "median": column.median(name),
                        "found_after_seconds": column.settled[name],
                        "ratios": {other: column.ratio(name, other) for other in column.rates},
                    }
                    for name, rates in column.rates.items()
                ],
            }
            for column in columns
        ],
    }


def _lines(columns: list[Column], names: list[str], file_system: str) -> Iterator[str]:
    cores = len(os.sched_getaffinity(0))
    yield f"instances a second by storescu on {file_system}, {cores} cores; median (least to greatest)"
    peers = [name for name in (_FORKING, _ALONE, _ORTHANC) if name in names]
    for column in columns:
        yield ""
        many = "association" if column.associations == 1 else "associations"
        yield f"{column.load}, {column.associations} {many}, {column.instances} instances"
        for name in names:
            rates = column.rates[name]
            line = f"  {name:18} {column.median(name):8.0f} ({min(rates):.0f} to {max(rates):.0f})"
            beside = [f"{column.ratio(name, peer):.2f} x {peer}" for peer in peers if peer != name]
            beside.append(f"found after {max(column.settled[name]):.2f} s")
            yield f"{line:48} {', '.join(beside)}"
