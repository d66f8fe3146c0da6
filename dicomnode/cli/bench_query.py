"""``dicomnode bench query``: what searches and arrivals cost on archives of growing size."""

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
    from dicomnode.benchmarks.measuring import Size, Times
    from dicomnode.settings import Settings

_LEAST = 1000
_SCHEMA = "bench_"


def add_query_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "times of QIDO-RS answers and pages on an archive of generated rows, and of arrivals"
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
    """Measure with a hundredth, a tenth and all of the instances, and print."""
    from dicomnode.benchmarks.measuring import Plan, fill, measure

    sizes, plan = _sizes(args.instances), Plan(_at_least(args.repeats, 1, "--repeats"))
    with (
        tempfile.TemporaryDirectory(prefix="dicomnode-bench-") as folder,
        _databases(args.database_url, sizes) as urls,
        _progress() as progress,
    ):
        archives = {size: _settings(Path(folder) / str(size), urls[size]) for size in sizes}
        for size, settings in archives.items():
            fill(settings, size, plan, progress)
        measured = measure(archives, plan, progress)
    if args.json:
        print(json.dumps({"index": _index(args.database_url), "sizes": [asdict(size) for size in measured]}, indent=2))
        return 0
    for line in _lines(args.database_url, measured):
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


@contextmanager
def _databases(url: str, sizes: tuple[int, ...]) -> Iterator[dict[int, str]]:
    """A URL for each archive: of a schema in an empty PostgreSQL database, or an empty one for SQLite.

    Raises:
        UsageError: The database holds something.
    """
    from dicomnode.archive.generated import drop_schema, make_schema, tables_in
    from dicomnode.errors import UsageError

    if not url:
        yield dict.fromkeys(sizes, "")
        return
    if found := tables_in(url):
        raise UsageError(
            f"--database-url: the database holds {len(found)} table(s), such as {found[0]}: give an empty one"
        )
    try:
        yield {size: make_schema(url, f"{_SCHEMA}{size}") for size in sizes}
    finally:
        for size in sizes:
            drop_schema(url, f"{_SCHEMA}{size}")


def _settings(folder: Path, url: str) -> Settings:
    from dicomnode.settings import Settings

    return Settings.model_validate(
        {
            "node": {"data_dir": folder},
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


def _lines(url: str, measured: list[Size]) -> Iterator[str]:
    last = measured[-1]
    yield f"{_index(url)}, {last.instances:,} instances in {last.studies:,} studies; answers over HTTP, milliseconds"
    yield ""
    yield f"{'':40} {'requests':>8} {'p50':>8} {'p95':>8} {'p99':>8} {'CPU, p50':>9}"
    yield from map(_row, (*last.times, last.searches))
    yield ""
    yield "as the archive grows, milliseconds"
    yield f"{'instances':>12} {'an arrival':>11} {'completion':>11} {'searches for studies, p50':>26} {'p95':>8}"
    for size in measured:
        yield (
            f"{size.instances:>12,} {size.arrival:>11.1f} {size.completion:>11.1f}"
            f" {size.searches.p50:>26.1f} {size.searches.p95:>8.1f}"
        )
    yield "an arrival: of an instance of 2 kB, until it is durable and indexed; completion: of a study; medians"
    yield "CPU: of client and web role together, without a database server's"


def _row(times: Times) -> str:
    values = f"{times.p50:>8.1f} {times.p95:>8.1f} {times.p99:>8.1f} {times.cpu:>9.1f}"
    return f"{times.name:40} {times.requests:>8} {values}"
