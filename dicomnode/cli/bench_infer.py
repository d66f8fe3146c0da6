"""``dicomnode bench infer``: images per second of networks by themselves and through the node's device pool."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.benchmarks.inference import Load, Rates, WayRates

_BUNDLE = "brain_mri_tumor_classifier"


def add_infer_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "images per second of a bundle's network in each way it can compute, by itself and through the node's pool"
    parser = commands.add_parser("infer", help=text, description=text)
    parser.add_argument("--bundle", nargs="+", default=[_BUNDLE], metavar="B", help=f"names or folders ({_BUNDLE})")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--ways", nargs="+", default=[], metavar="WAY", help="some of them (default: all)")
    for name, default, what in (
        ("--batch-size", 8, "images in a batch"),
        ("--images", 32, "images of each study"),
        ("--studies", 4, "studies at once"),
        ("--repeats", 5, "repetitions, in turns"),
    ):
        parser.add_argument(name, type=int, default=default, metavar="N", help=f"{what} (default {default})")
    parser.add_argument("--allow-code", action="store_true", help="let $ expressions of a bundle from elsewhere run")
    parser.set_defaults(run=bench_infer)


def bench_infer(args: argparse.Namespace) -> int:
    """Measure each bundle and print."""
    from dicomnode.benchmarks.inference import measure_bundle
    from dicomnode.bundles import software
    from dicomnode.cli.bundle_argument import find_bundle
    from dicomnode.inference.device_figures import device_figures
    from dicomnode.inference.devices import choose_device
    from dicomnode.settings import load_settings

    load, settings = _load(args), load_settings(args.settings)
    device = device_figures(choose_device(args.device)).description
    bundles = [find_bundle(name, settings) for name in args.bundle]
    found = {
        bundle.name: measure_bundle(bundle, load, lambda text: print(text, file=sys.stderr), allow_code=args.allow_code)
        for bundle in bundles
    }
    if args.json:
        values = {name: [asdict(way) for way in ways] for name, ways in found.items()}
        print(json.dumps({"device": device, "software": software(), "load": asdict(load), "bundles": values}, indent=2))
        return 0
    print(f"{device}; {load.studies} studies of {load.images} images, batches of {load.batch_size}; images per second")
    for name, ways in found.items():
        print("\n".join(_lines(name, ways)))
    return 0


def _load(args: argparse.Namespace) -> Load:
    from dicomnode.benchmarks.inference import Load
    from dicomnode.bundles import Way
    from dicomnode.errors import UsageError

    for name in ("batch_size", "images", "studies", "repeats"):
        if getattr(args, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(args, name)}: give 1 or more")
    unknown = [name for name in args.ways if name not in list(Way)]
    if unknown:
        raise UsageError(f"--ways {unknown[0]}: is none of {', '.join(Way)}")
    ways = tuple(Way(name) for name in args.ways)
    return Load(args.device, args.batch_size, args.images, args.studies, args.repeats, ways)


def _lines(name: str, ways: list[WayRates]) -> Iterator[str]:
    yield ""
    yield f"{name:24} {'bare':>24} {'pool':>24} {'share of bare':>20} {'with preparation':>24} {'GPU, %':>7}"
    for way in ways:
        if way.problem:
            yield f"  {way.way:22} {way.problem}"
            continue
        cells = (_cell(way.bare, 24, 1), _cell(way.pool, 24, 1), _cell(way.share, 20, 2))
        busy = "-" if way.utilisation is None else f"{way.utilisation:.0f}"
        yield f"  {way.way:22} {' '.join(cells)} {_cell(way.with_preparation, 24, 1)} {busy:>7}"


def _cell(rates: Rates | None, width: int, digits: int) -> str:
    if rates is None:
        return " " * width
    return f"{rates.median:.{digits}f} ({rates.least:.{digits}f} to {rates.greatest:.{digits}f})".rjust(width)
