"""``dicomnode bench query``: what searches cost on a large archive, and what arrivals cost as it grows."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.web.benchmarks.measuring import Stage, Times

_LEAST = 1000


def add_query_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "times of QIDO-RS answers and pages on an archive of generated rows, and of arrivals as it grows"
    parser = commands.add_parser("query", help=text, description=text)
    parser.add_argument(
        "--instances", type=int, default=1_000_000, metavar="N", help="rows of instances (default 1000000)"
    )
    parser.add_argument("--repeats", type=int, default=100, metavar="N", help="requests of each kind (default 100)")
    parser.add_argument(
        "--database-url",
        default="",
        metavar="URL",
        help="an empty PostgreSQL database, emptied again afterwards (default: SQLite in a temporary folder)",
    )
    parser.set_defaults(run=bench_query)


def bench_query(args: argparse.Namespace) -> int:
    """Measure at a hundredth, a tenth and all of the instances, and print."""
    from dicomnode.archive.generated import drop_tables
    from dicomnode.web.benchmarks.measuring import Plan, measure

    plan = Plan(_sizes(args.instances), _at_least(args.repeats, 1, "--repeats"))
    with tempfile.TemporaryDirectory(prefix="dicomnode-bench-") as folder, _progress() as progress:
        settings = _settings(Path(folder), _empty(args.database_url))
        try:
            stages = list(measure(settings, plan, progress))
        finally:
            if args.database_url:
                drop_tables(args.database_url)
    if args.json:
        print(json.dumps({"index": _index(args.database_url), "stages": [asdict(stage) for stage in stages]}, indent=2))
        return 0
    for line in _lines(args.database_url, stages):
        print(line)
    return 0


def _sizes(instances: int) -> tuple[int, ...]:
    whole = _at_least(instances, _LEAST, "--instances")
    return tuple(size for size in (whole // 100, whole // 10, whole) if size >= _LEAST)


def _at_least(value: int, least: int, option: str) -> int:
    from dicomnode.errors import UsageError

    if value < least:
        raise UsageError(f"{option} {value}: give {least} or more")
    return value


def _empty(url: str) -> str:
    """The URL, once it is sure that nothing is lost by using it.

    Raises:
        UsageError: The database holds something.
    """
    from dicomnode.archive.generated import tables_in
    from dicomnode.errors import UsageError

    if url and (found := tables_in(url)):
        raise UsageError(
            f"--database-url: the database holds {len(found)} table(s), such as {found[0]}: give an empty one,"
            " since all is removed from it in the end"
        )
    return url


def _settings(folder: Path, url: str) -> Any:
    from dicomnode.settings import Settings

    return Settings.model_validate(
        {
            "node": {"data_dir": folder / "data"},
            "archive": {"database_url": url},
            "models": {"folder": folder},
            "web": {"port": 0, "requests_per_minute": 10**7, "accounts": {"required": False}},
        }
    )


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda text, done, total: bar.update(task, description=text, completed=done, total=total)


def _index(url: str) -> str:
    return "PostgreSQL" if url else "SQLite"


def _lines(url: str, stages: list[Stage]) -> Iterator[str]:
    last = stages[-1]
    yield f"{_index(url)}, {last.instances:,} instances in {last.studies:,} studies; answers over HTTP, milliseconds"
    yield ""
    yield f"{'':40} {'requests':>8} {'p50':>8} {'p95':>8} {'p99':>8}"
    yield from map(_row, (*last.times, last.searches))
    yield ""
    yield "as the archive grows"
    yield f"{'instances':>12} {'arrivals/s':>11} {'completion, ms':>15} {'searches for studies, p50':>26} {'p95':>8}"
    for stage in stages:
        yield (
            f"{stage.instances:>12,} {stage.arrivals_per_second:>11.0f} {stage.completion:>15.1f}"
            f" {stage.searches.p50:>26.1f} {stage.searches.p95:>8.1f}"
        )
    yield "arrivals: of one sender, 2 kB each, stored durably; median of batches"


def _row(times: Times) -> str:
    return f"{times.name:40} {times.requests:>8} {times.p50:>8.1f} {times.p95:>8.1f} {times.p99:>8.1f}"
