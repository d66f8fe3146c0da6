"""``dicomnode models tune``: the fastest way for a bundle's network to compute here, of those whose answers agree."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.bundles import Bundle, Tuning
    from dicomnode.inference.tuning.trying import Trial


def add_tune_parser(commands: Any) -> None:
    """Add the sub-command."""
    text = "measure the ways for a network to compute on this device, and have the node use the fastest that agrees"
    parser = commands.add_parser(
        "tune",
        help=text,
        description="Try plain float32, channels last, bfloat16, torch.compile, and CUDA graphs on a GPU or OpenVINO "
        "on a CPU; measure speed, and agreement on the bundle's reference images. The result goes into "
        "configs/tuning.json of the bundle, whose digest stays as it is; serve, predict and evaluate use the way that "
        "was chosen. What differs by more than the bundle's limits, or changes a class or a finding, is not used.",
    )
    parser.add_argument("bundle", nargs="+", help="name in the models folder, or folder of a bundle")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: that of the settings)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="images in a batch (default: that of the settings)")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="timed passes of each way (default 7)")
    parser.add_argument("--ways", nargs="+", default=[], metavar="WAY", help="some of them, such as bfloat16 openvino")
    parser.add_argument(
        "--longest-start",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="choose no way whose first answer takes longer (default 10): compiling may take a minute",
    )
    parser.add_argument("--dry-run", action="store_true", help="measure and print, and leave the bundle as it is")
    parser.add_argument("--allow-code", action="store_true", help="let $ expressions of a bundle from elsewhere run")
    parser.set_defaults(run=tune_models)


def tune_models(args: argparse.Namespace) -> int:
    """Tune each bundle and print what was found."""
    from dicomnode.bundles import write_tuning
    from dicomnode.cli.bundle_argument import find_bundle
    from dicomnode.inference.devices import choose_device
    from dicomnode.inference.tuning.trying import tune
    from dicomnode.settings import load_settings

    settings = load_settings(args.settings)
    device = choose_device(args.device or settings.infer.device)
    trial, today = _trial(args, settings.infer.batch_size), datetime.now(UTC).date()
    found = []
    for name in args.bundle:
        bundle = find_bundle(name, settings)
        tuning = tune(bundle, device, trial, today, lambda text: print(text, file=sys.stderr), store=not args.dry_run)
        if not args.dry_run:
            write_tuning(bundle.path, tuning)
        found.append((bundle, tuning))
    if args.json:
        print(json.dumps([_values(bundle, tuning) for bundle, tuning in found], indent=2))
        return 0
    for bundle, tuning in found:
        print("\n".join(_lines(bundle, tuning)))
    return 0


def _trial(args: argparse.Namespace, batch_size: int) -> Trial:
    from dicomnode.bundles import Way
    from dicomnode.errors import UsageError
    from dicomnode.inference.tuning.trying import Trial

    unknown = [name for name in args.ways if name not in list(Way)]
    if unknown:
        raise UsageError(f"--ways {unknown[0]}: is none of {', '.join(Way)}")
    size = batch_size if args.batch_size is None else args.batch_size
    for name, value in (("--batch-size", size), ("--repeats", args.repeats)):
        if value < 1:
            raise UsageError(f"{name} {value}: give 1 or more")
    ways = tuple(Way(name) for name in args.ways)
    return Trial(size, args.repeats, args.longest_start, ways, args.allow_code)


def _values(bundle: Bundle, tuning: Tuning) -> dict[str, Any]:
    from pydantic import TypeAdapter

    from dicomnode.bundles import Tuning

    values: dict[str, Any] = TypeAdapter(Tuning).dump_python(tuning, mode="json")
    for way, tried in zip(values["ways"], tuning.ways, strict=True):
        way["not_used_because"] = tried.why_not(bundle.node.agreement)
    return {"bundle": bundle.name, **values}


def _lines(bundle: Bundle, tuning: Tuning) -> Iterator[str]:
    yield f"{bundle.name}: {tuning.chosen} on {tuning.device}, batches of {tuning.batch_size}"
    yield f"  {'':20} {'images/s':>9} {'least to greatest':>20} {'first, s':>9} {'difference':>11}"
    for way in tuning.ways:
        spread = f"{way.slowest:.1f} to {way.fastest:.1f}"
        why = way.why_not(bundle.node.agreement)
        if way.problem:
            yield f"  {way.way:20} {why}"
            continue
        figures = (
            f"{way.images_per_second:>9.1f} {spread:>20} {way.start_seconds:>9.1f} {way.largest_difference:>11.2g}"
        )
        yield f"  {way.way:20} {figures}{f'  not used: {why}' if why else ''}"
