"""``dicomnode predict``: files in; JSON, SR, SEG and overlay pictures out; no server."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.bundles import Bundle
    from dicomnode.cli.predict_report import Report
    from dicomnode.inference.files import Inputs, Problem
    from dicomnode.inference.loaded import LoadedModel
    from dicomnode.inference.predict_files import Predicted
    from dicomnode.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "predict",
        help="run a model on files, without a server",
        description="Run a bundle on DICOM files, each series on its own (mammography exams as a whole), and on PNG, "
        "JPEG and TIFF pictures.",
    )
    parser.add_argument("bundle", help="folder of a bundle, or the name of one in the models folder of the settings")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="DICOM file, picture, or folder of them")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write results.json, overlays, and SR and SEG of studies"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: that of the settings)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="images in one forward pass")
    parser.add_argument(
        "--spacing",
        type=float,
        metavar="MM",
        help="pixel spacing of the pictures, for a model that looks at tiles of slides; DICOM files state their own",
    )
    parser.add_argument(
        "--allow-code", action="store_true", help="let $ expressions of a bundle from elsewhere run on this machine"
    )
    parser.add_argument(
        "--grad-cam", action="store_true", help="with --out: draw where a classifier's answer comes from (Grad-CAM)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict on every input; one that fails is reported, and the others go on."""
    from dicomnode.cli.bundle_argument import find_bundle
    from dicomnode.inference.files import find_inputs
    from dicomnode.settings import load_settings

    settings = load_settings(args.settings)
    bundle = find_bundle(args.bundle, settings)
    inputs = find_inputs(args.paths)
    report = _predict(args, settings, bundle, inputs)
    if args.json:
        print(report.to_json())
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "results.json").write_text(report.to_json() + "\n", encoding="utf-8")
    return 1 if report.failed else 0


def _predict(args: argparse.Namespace, settings: Settings, bundle: Bundle, inputs: Inputs) -> Report:
    from dicomnode.cli.predict_report import Report
    from dicomnode.errors import UsageError
    from dicomnode.inference.files import Problem
    from dicomnode.inference.predict_files import Predicted

    total = len(inputs.pictures) + len(inputs.dicom)
    if args.grad_cam and args.out is None:
        raise UsageError("--grad-cam draws pictures; say where to with --out DIR")
    with Report(args.out, settings, quiet=args.json, total=total) as report:
        for path in inputs.missing:
            report.fail(Problem(path, f"{path} does not exist; give a DICOM file, a picture, or a folder of them"))
        if not total and not inputs.missing:
            report.fail(Problem(args.paths[0], f"{args.paths[0]} holds neither DICOM files nor pictures"))
        model = _load(args, settings, bundle) if total else None
        for item in _results(args, settings, model, inputs) if model is not None else ():
            if isinstance(item, Predicted):
                _add(report, item, model if args.grad_cam else None)
            else:
                report.fail(item)
    return report


def _add(report: Report, item: Predicted, explained_by: LoadedModel | None) -> None:
    from dicomnode.errors import DicomNodeError
    from dicomnode.inference.files import Problem

    try:
        report.add(item, explained_by)
    except DicomNodeError as error:
        report.fail(Problem(item.path, f"{item.path}: no documents written: {error}"))


def _results(
    args: argparse.Namespace, settings: Settings, predictor: LoadedModel, inputs: Inputs
) -> Iterator[Predicted | Problem]:
    from dicomnode.inference.decoding.processes import one_per_core
    from dicomnode.inference.predict_files import predict_pictures, predict_studies
    from dicomnode.inference.predict_tiles import predict_tile_pictures
    from dicomnode.inference.predictor import Predictor

    created = datetime.now(UTC)
    tiling = predictor.bundle.node.tiling
    if isinstance(predictor, Predictor) and tiling is not None:
        yield from predict_tile_pictures(predictor, tiling, inputs.pictures, args.spacing, created)
    else:
        yield from predict_pictures(predictor, inputs.pictures, created)
    with closing(one_per_core()) as decoders:
        yield from predict_studies(predictor, inputs.dicom, settings, created, decoders)


def _load(args: argparse.Namespace, settings: Settings, bundle: Bundle) -> LoadedModel:
    from dicomnode.bundles import Way
    from dicomnode.errors import UsageError
    from dicomnode.inference.devices import choose_device
    from dicomnode.inference.loaded import load_model
    from dicomnode.inference.tuning.choice import way_on

    if args.batch_size is not None and args.batch_size < 1:
        raise UsageError(f"--batch-size {args.batch_size}: give 1 or more")
    if args.spacing is not None and (bundle.node.tiling is None or not 0 < args.spacing < 1):
        why = (
            "the model does not look at tiles; leave it out" if bundle.node.tiling is None else "give mm, such as 0.004"
        )
        raise UsageError(f"--spacing {args.spacing:g}: {why}")
    device = choose_device(args.device or settings.infer.device)
    return load_model(
        bundle,
        device,
        args.batch_size or settings.infer.batch_size,
        settings.node.deterministic,
        way=way_on(bundle, device) if settings.infer.tuned else Way.EAGER,
        allow_code=args.allow_code,
    )
