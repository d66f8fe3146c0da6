"""``dicomnode bench study``: whole studies through the node, beside the bare model and the naive chain."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.benchmarks.study import Measured, Plan, Turns

_MAMMOGRAM_MODEL = "mammography_lesion_detector"
_CORES = 2
_SPARE = 2.0  # times the files that are sent: they lie here, and once more in the node


def add_study_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "time from sending a study until Orthanc has its report, beside the bare model and a naive chain"
    parser = commands.add_parser("study", help=text, description=text)
    numbers = {
        "slices": (300, "slices of a CT study"),
        "rows": (512, "rows and columns of a slice"),
        "repeats": (3, "turns of node, bare model and naive chain, for CT and mammograms each"),
        "studies": (3, "CT studies sent slowly"),
        "at-once": (3, "CT studies sent at the same time; 0: none"),
    }
    for name, (default, words) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{words} (default {default})")
    parser.add_argument("--rate", type=float, default=30.0, metavar="R", help="slices a second (default 30)")
    parser.add_argument(
        "--mammogram", default="3328x2560", metavar="ROWSxCOLUMNS", help="of each of four views (default 3328x2560)"
    )
    parser.add_argument(
        "--idle-seconds", type=float, default=10.0, metavar="S", help="the idle node is watched so long (default 10)"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder with bundles (default: models)")
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="on the disk to be measured (default: this one)"
    )
    parser.set_defaults(run=bench_study)


def bench_study(args: argparse.Namespace) -> int:
    """Start everything, measure, and print."""
    from dicomnode.benchmarks.stage import staged
    from dicomnode.benchmarks.studies import CT, MAMMOGRAM
    from dicomnode.benchmarks.study import measure_studies
    from dicomnode.demo.configuration import find_models
    from dicomnode.learning.benchmarks.slice_bundle import write_slice_bundle

    plan = _plan(args)
    _check_tools()
    _keep_to_cores()
    mammogram_model = find_models(args.models) / _MAMMOGRAM_MODEL
    with (
        tempfile.TemporaryDirectory(prefix="dicomnode-bench-", dir=args.folder.resolve()) as name,
        _progress() as progress,
    ):
        folder = Path(name)
        _check_space(plan, folder)
        progress("starting the node, Orthanc and the rivals")
        models = {CT: write_slice_bundle(folder / "bundles"), MAMMOGRAM: mammogram_model}
        with staged(folder, plan.shapes, models) as stage:
            version = stage.orthanc.version
            found = measure_studies(stage, plan, progress)
    if args.json:
        print(json.dumps(_values(found, plan, version), indent=2))
    else:
        for line in _lines(found, plan, version):
            print(line)
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    from dicomnode.benchmarks.studies import CT, MAMMOGRAM, Shape
    from dicomnode.benchmarks.study import Plan
    from dicomnode.errors import UsageError

    for option, least in (("slices", 1), ("rows", 16), ("repeats", 1), ("studies", 0), ("at_once", 0)):
        if (value := getattr(args, option)) < least:
            raise UsageError(f"--{option.replace('_', '-')} {value}: give {least} or more")
    if args.rate <= 0:
        raise UsageError(f"--rate {args.rate:g}: give more than 0")
    try:
        rows, columns = map(int, args.mammogram.split("x"))
    except ValueError as error:
        raise UsageError(f"--mammogram {args.mammogram}: write rows and columns, as in 3328x2560") from error
    shapes = {
        CT: Shape(CT, args.slices, args.rows, args.rows),
        MAMMOGRAM: Shape(MAMMOGRAM, 4, rows, columns),
    }
    return Plan(shapes, args.repeats, args.rate, args.studies, args.at_once, args.idle_seconds)


def _check_tools() -> None:
    import shutil

    from dicomnode.errors import UsageError

    if shutil.which("storescu") is None:
        raise UsageError("storescu is not on this machine: install DCMTK (Debian: dcmtk)")


def _keep_to_cores() -> None:
    """Whatever this process starts runs on two cores, as the targets are stated for."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])


def _check_space(plan: Plan, folder: Path) -> None:
    import shutil

    from dicomnode.benchmarks.studies import CT
    from dicomnode.errors import UsageError

    of_study = {modality: shape.images * shape.rows * shape.columns * 2 for modality, shape in plan.shapes.items()}
    needed = sum(of_study.values()) * (plan.repeats + 1) + of_study[CT] * (plan.studies + _SPARE * plan.at_once)
    free = shutil.disk_usage(folder).free - 2**30
    if needed > free:
        where = folder.parent.resolve()
        raise UsageError(f"{where} has not enough space: this takes {needed / 1e9:.1f} GB; name another with --folder")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    from rich.console import Console

    with Console(stderr=True).status("preparing") as status:
        yield status.update


def _values(found: Measured, plan: Plan, version: str) -> dict[str, Any]:
    from dicomnode.benchmarks.study import median

    turns = []
    for one in found.turns:
        keys = ("node", "after_last", "everything", "bare", "naive")
        medians = {f"{key}_median": median(getattr(one, key)) for key in keys}
        turns.append({**asdict(one), **medians, "over_bare": medians["node_median"] / medians["bare_median"]})
    return {
        "orthanc": version,
        "cores": len(os.sched_getaffinity(0)),
        "plan": asdict(plan),
        "turns": turns,
        "slow": {"seconds": found.slow, **_slow(found)},
        "at_once": None if found.at_once is None else asdict(found.at_once),
        "peak_bytes": found.peak_bytes,
        "idle_percent": found.idle_percent,
    }


def _slow(found: Measured) -> dict[str, float]:
    from dicomnode.benchmarks.study import percentile

    return {"median": percentile(found.slow, 50), "p99": percentile(found.slow, 99)} if found.slow else {}


def _lines(found: Measured, plan: Plan, version: str) -> Iterator[str]:
    cores = len(os.sched_getaffinity(0))
    yield f"from storescu until Orthanc {version} has the report; {cores} cores; seconds, median (least to greatest)"
    yield f"{'':22} {'node':>20} {'after last image':>20} {'bare model':>20} {'naive chain':>20}"
    for one in found.turns:
        cells = map(_spread, (one.node, one.after_last, one.bare, one.naive))
        yield f"{one.modality + f', {one.images} images':22} " + " ".join(f"{cell:>20}" for cell in cells)
    for one in found.turns:
        yield _against_target(one)
    if found.slow:
        slow = _slow(found)
        yield (
            f"{plan.rate:g} slices a second, {len(found.slow)} studies: the report is there {slow['median']:.2f} s"
            f" after the last slice (median), {slow['p99']:.2f} s (99th percentile)"
        )
    if found.at_once is not None:
        ratio = found.at_once.node / found.at_once.bare
        yield (
            f"{found.at_once.studies} studies at once: {found.at_once.node:.2f} s, the bare model"
            f" {found.at_once.bare:.2f} s; {ratio:.2f} times"
        )
    yield f"the node's processes together: {found.peak_bytes / 1e9:.2f} GB at most"
    if found.idle_percent is not None:
        yield f"and {found.idle_percent:.1f} % of a core while nothing happens"


def _spread(values: list[float]) -> str:
    from dicomnode.benchmarks.study import median

    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _against_target(one: Turns) -> str:
    from dicomnode.benchmarks.study import median

    node, bare = median(one.node), median(one.bare)
    return f"{one.modality}: {node / bare:.2f} times the bare model; 1.15 times and 0.6 s are {1.15 * bare + 0.6:.2f} s"
