"""``dicomnode bench retrieve``: WADO-RS of a whole study, from the node and from Orthanc, by turns."""

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
    from dicomnode.benchmarks.retrieval import Retrieval

_START_SECONDS = 120.0


def add_retrieve_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "times of WADO-RS of a generated CT study, from the node and from Orthanc on this machine, by turns"
    parser = commands.add_parser("retrieve", help=text, description=text)
    parser.add_argument("--instances", type=int, default=500, metavar="N", help="slices of 512 x 512 (default 500)")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="retrievals of each (default 7)")
    parser.set_defaults(run=bench_retrieve)


def bench_retrieve(args: argparse.Namespace) -> int:
    """Fill both, measure both, and print."""
    from dicomnode.benchmarks.retrieval import Server, generated_slices, measure_retrieval
    from dicomnode.demo.orthanc import OrthancProcess
    from dicomnode.errors import UsageError

    for option, value in (("--instances", args.instances), ("--repeats", args.repeats)):
        if value < 1:
            raise UsageError(f"{option} {value}: give 1 or more")
    with tempfile.TemporaryDirectory(prefix="dicomnode-bench-") as name, _progress() as progress:
        folder = Path(name)
        with OrthancProcess(folder / "orthanc") as orthanc:
            progress(f"generating {args.instances} slices")
            _fill(folder, generated_slices(args.instances), orthanc.keep)
            with _node(folder) as url:
                servers = (Server("node", url), Server("Orthanc", f"{orthanc.url}/dicom-web"))
                found = measure_retrieval(servers, args.instances, args.repeats, progress)
            version = orthanc.version
    if args.json:
        values = {"instances": args.instances, "orthanc": version, "servers": list(map(_values, found))}
        print(json.dumps(values, indent=2))
    else:
        for line in _lines(found, args.instances, version):
            print(line)
    return 0


def _fill(folder: Path, files: Iterator[bytes], keep_there: Callable[[bytes], None]) -> None:
    """Put every file into the node's archive and into its rival."""
    from datetime import UTC, datetime
    from io import BytesIO

    from dicomnode.archive import Archive
    from dicomnode.archive.records import Origin, Way
    from dicomnode.dicom.header import read_header

    with Archive.open(_settings(folder)) as archive:
        for content in files:
            keep_there(content)
            with archive.instances.new_file() as staged:
                staged.write(content)
                archive.instances.commit(staged, read_header(BytesIO(content)), Origin(Way.STOW), datetime.now(UTC))


@contextmanager
def _node(folder: Path) -> Iterator[str]:
    """The web role as a process of its own, as it runs in service."""
    from dicomnode.demo.processes import System

    text = (
        f'[node]\ndata_dir = "{folder / "data"}"\n[models]\nfolder = "{folder / "models"}"\n'
        "[web]\nport = 0\naccounts = { required = false }\n"
    )
    path = folder / "dicomnode.toml"
    path.write_text(text)
    with System("node", path, folder / "data", ("web",), folder / "node.log") as system:
        yield f"http://127.0.0.1:{system.wait_ready(_START_SECONDS)['web'].port}/dicom-web"


def _settings(folder: Path) -> Any:
    from dicomnode.settings import Settings

    (folder / "models").mkdir()
    return Settings.model_validate({"node": {"data_dir": folder / "data"}, "models": {"folder": folder / "models"}})


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    from rich.console import Console

    with Console(stderr=True).status("starting Orthanc") as status:
        yield status.update


def _values(found: Retrieval) -> dict[str, Any]:
    return {**asdict(found), "median": found.median, "least": min(found.seconds), "greatest": max(found.seconds)}


def _lines(found: list[Retrieval], instances: int, version: str) -> Iterator[str]:
    yield f"WADO-RS of {instances} CT slices of 512 x 512, as stored, one request, by turns with Orthanc {version}"
    yield f"{'':10} {'median, s':>10} {'least':>8} {'greatest':>9} {'MB/s':>7} {'repeats':>8}"
    for one in found:
        rate = one.bytes / one.median / 1e6
        yield (
            f"{one.name:10} {one.median:>10.2f} {min(one.seconds):>8.2f} {max(one.seconds):>9.2f}"
            f" {rate:>7.0f} {len(one.seconds):>8}"
        )
    ours, theirs = found
    yield f"the node takes {ours.median / theirs.median:.2f} times what Orthanc takes"
