"""``dicomnode models``: list, show, check, add and switch bundles; import published weights."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnode.cli.models_tune import add_tune_parser

_RELEASES = (
    "gmic_resnet18",
    "dmv_cnn",
    "dmv_cnn_heatmaps",
    "dmv_cnn_image",
    "dmv_cnn_image_heatmaps",
    "dmv_patch_classifier",
)

if TYPE_CHECKING:
    from dicomnode.bundles import Bundle
    from dicomnode.cli.model_values import ListedModel


def add_parser(subparsers: Any) -> None:
    """Add the command and its own sub-commands to the command line."""
    parser = subparsers.add_parser(
        "models", help="list, show, check, add, switch and tune model bundles, import published weights"
    )
    commands = parser.add_subparsers(
        dest="models_command", required=True, metavar="list|show|check|add|set|tune|import"
    )
    _command(commands, "list", "every bundle in the models folder and whether it may run", list_models)
    show = _command(commands, "show", "what a bundle says of itself", show_model)
    show.add_argument("bundle", help="name in the models folder, or folder of a bundle")
    check = _command(commands, "check", "build a bundle and run it once on a generated image", check_model)
    check.add_argument("bundle", nargs="*", help="names or folders (default: every bundle in the models folder)")
    check.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: that of the settings)")
    _allow_code(check)
    add = _command(commands, "add", "copy a bundle into the models folder and approve its digest", add_model)
    add.add_argument("path", type=Path, help="folder of the bundle")
    add.add_argument("--state", choices=("off", "silent", "live"), default="silent", help="default: silent")
    add.add_argument("--replace", action="store_true", help="take the place of the bundle of that name")
    _allow_code(add)
    switch = _command(commands, "set", "approve a bundle as it lies in the models folder, and switch it", set_model)
    switch.add_argument("name", help="name in the models folder")
    switch.add_argument("state", choices=("off", "silent", "live"), help="silent: computed and shown, never sent")
    _allow_code(switch)
    add_tune_parser(commands)
    _add_import(commands)


def _add_import(commands: Any) -> None:
    text = "turn weights that other authors publish into a safetensors file under our names"
    parser = _command(commands, "import", text, import_model)
    parser.add_argument("file", type=Path, help="PyTorch state dictionary as its authors publish it")
    parser.add_argument("--as", dest="release", required=True, metavar="NAME", help=", ".join(_RELEASES))
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors", help="file to write")
    text = "of the same authors, to draw the heat maps for a network that looks at them; both go into one file"
    parser.add_argument("--patch-classifier", type=Path, metavar="FILE", help=text)


def _command(commands: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _allow_code(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-code", action="store_true", help="let $ expressions of a bundle from elsewhere run")


def list_models(args: argparse.Namespace) -> int:
    """Print every bundle and its state."""
    from dicomnode.cli.model_values import listed
    from dicomnode.settings import load_settings

    settings = load_settings(args.settings)
    models = listed(settings)
    if args.json:
        print(json.dumps([model.values() for model in models], ensure_ascii=False, indent=2))
    elif models:
        _print_table(models)
    else:
        print(f"no bundles in {settings.models.folder}; `dicomnode models add PATH` puts one there")
    return 1 if any(model.problem for model in models) else 0


def _print_table(models: list[ListedModel]) -> None:
    width = max(len(model.name) for model in models)
    for model in models:
        if model.problem:
            print(f"{model.name:<{width}}  broken    {model.problem}")
        else:
            what = f"{model.version}  {model.task}  {model.digest[:12]}"
            print(f"{model.name:<{width}}  {model.state:<8}  {what}  {model.note}".rstrip())


def show_model(args: argparse.Namespace) -> int:
    """Print what a bundle says of itself."""
    from dicomnode.cli.bundle_argument import find_bundle
    from dicomnode.cli.model_values import bundle_values
    from dicomnode.settings import load_settings

    values = bundle_values(find_bundle(args.bundle, load_settings(args.settings)))
    if args.json:
        print(json.dumps(values, ensure_ascii=False, indent=2))
    else:
        for key, value in values.items():
            print(f"{key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    return 0


def check_model(args: argparse.Namespace) -> int:
    """Run bundles once each; one that fails is reported, and the others go on."""
    from dicomnode.cli.model_values import checked
    from dicomnode.settings import load_settings

    settings = load_settings(args.settings)
    results = list(checked(args.bundle, settings, args.device or settings.infer.device, args.allow_code))
    if args.json:
        print(json.dumps([result.values() for result in results], ensure_ascii=False, indent=2))
    else:
        for result in results:
            print(f"{result.name}: {result.text}")
    return 0 if results and all(result.passed for result in results) else 1


def add_model(args: argparse.Namespace) -> int:
    """Copy a bundle into the models folder, approve its digest, set its state."""
    from dicomnode.bundles import install_bundle, is_described, load_bundle, write_template
    from dicomnode.errors import BundleError
    from dicomnode.jobs.deploying import refuse_code
    from dicomnode.settings import load_settings

    settings = load_settings(args.settings)
    path = args.path.absolute()
    if not is_described(path):
        raise BundleError(f"bundle {path.name} does not say what a node must know; fill in {write_template(path)}")
    source = load_bundle(path)
    refuse_code(source, args.allow_code)
    bundle = install_bundle(source, settings.models.folder, replace=args.replace)
    return _approve(args, bundle)


def set_model(args: argparse.Namespace) -> int:
    """Approve the present digest of a bundle and set its state."""
    from dicomnode.bundles import load_bundle
    from dicomnode.settings import load_settings

    bundle = load_bundle(load_settings(args.settings).models.folder / args.name)
    return _approve(args, bundle)


def import_model(args: argparse.Namespace) -> int:
    """Convert published weights by name, and say whose they are and under which licence."""
    from dicomnode.errors import UsageError
    from dicomnode.learning.weights import import_weights

    if args.release not in _RELEASES:
        raise UsageError(f"--as {args.release}: is none of {', '.join(_RELEASES)}")
    imported = import_weights(args.file, args.release, args.out, args.patch_classifier)
    if args.json:
        print(json.dumps(imported.values(), indent=2))
        return 0
    release = imported.release
    print(f"{imported.file}: {imported.parameters} parameters of {json.dumps(imported.values()['network'])}")
    print(f"left out: {len(imported.left_out)} tensors that no answer comes from or that are stored twice")
    print(f"source: {release.source}")
    print(
        f"licence: {release.license}. These weights are no part of dicomnode and are not shipped with it. Whoever "
        "passes them on, or offers what they compute over a network, has the duties of that licence."
    )
    return 0


def _approve(args: argparse.Namespace, bundle: Bundle) -> int:
    from dicomnode.archive import Archive
    from dicomnode.archive.records import DeploymentState
    from dicomnode.jobs.deploying import deploy
    from dicomnode.settings import load_settings

    with Archive.open(load_settings(args.settings)) as archive:
        deploy(archive, bundle, DeploymentState(args.state), datetime.now(UTC), allow_code=args.allow_code)
    if args.json:
        print(json.dumps({"name": bundle.name, "digest": bundle.digest, "state": args.state}, indent=2))
    else:
        print(f"{bundle.name} {bundle.digest[:12]} approved, {args.state}")
    return 0
