"""``dicomnode export``: DICOM to 16-bit PNG with geometry, for annotation tools and trainings elsewhere."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.learning.exchange.exporting import Exported


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write DICOM images as PNG with geometry, and annotations to go on with",
        description="Write each frame to OUT/images as PNG (16 bits grey, 8 bits colour; bright means much) and its"
        " geometry to OUT/geometry as JSON. Names are UIDs; nothing about the patient is written. `dicomnode annotate`"
        " turns what is drawn on the pictures back into DICOM.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="DICOM", help="DICOM file, or folder of them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--format",
        choices=("coco", "kitti", "masks"),
        help="also write annotations: the regions of binary segmentations among the files, none for other pictures",
    )
    parser.add_argument("--classes", nargs="+", default=[], metavar="NAME", help="classes that the annotations offer")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export every file; one that cannot be used is reported, and the others go on."""
    from dicomnode.errors import UsageError
    from dicomnode.inference.files import find_inputs
    from dicomnode.learning.exchange.exporting import export_files

    if args.classes and args.format is None:
        raise UsageError("--classes: say in which --format annotations are to be written")
    inputs = find_inputs(args.paths)
    if inputs.missing:
        raise UsageError(f"{inputs.missing[0]} does not exist; give DICOM files, or folders of them")
    exported = export_files(inputs.dicom, args.out, args.format, args.classes)
    for path, reason in exported.problems:
        print(f"error: {reason if str(path) in reason else f'{path}: {reason}'}", file=sys.stderr)
    _tell(exported, args)
    return 0 if exported.pictures and not exported.problems else 1


def _tell(exported: Exported, args: argparse.Namespace) -> None:
    if args.json:
        pictures = [picture.picture for picture in exported.pictures]
        content = {"pictures": pictures, "regions": exported.regions}
        content["problems"] = [{"path": str(path), "text": reason} for path, reason in exported.problems]
        print(json.dumps(content, indent=2))
        return
    regions = f", {exported.regions} regions as {args.format}" if args.format else ""
    print(f"{len(exported.pictures)} pictures{regions} in {args.out}")
