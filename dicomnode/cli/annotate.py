"""``dicomnode annotate``: what was drawn on exported pictures, as DICOM SR and SEG of their studies."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicomnode.findings import Code


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "annotate",
        help="turn annotations of exported pictures into DICOM SR and SEG",
        description="Turn COCO, KITTI or class-mask annotations of pictures from `dicomnode export` into a report of"
        " the outlines (SR) and segmentations of the masks (SEG), in the studies that the pictures came from.",
    )
    parser.add_argument("annotations", type=Path, help="COCO table (*.json), or folder with labels or masks in it")
    parser.add_argument("--geometry", type=Path, required=True, metavar="DIR", help="folder geometry of the export")
    parser.add_argument(
        "--source",
        nargs="+",
        type=Path,
        required=True,
        metavar="DICOM",
        help="the images that were exported: patient and study are in them only",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--observer", metavar="NAME", help="the person who drew, as Family^Given")
    who.add_argument("--tool", metavar="NAME", help="the tool that drew, with a person's help")
    parser.add_argument("--tool-version", default="unknown", metavar="V", help="version of the tool")
    parser.add_argument("--organisation", default="", metavar="NAME", help="of the person, or maker of the tool")
    parser.add_argument(
        "--code",
        action="append",
        default=[],
        metavar="CLASS=VALUE,SCHEME,MEANING",
        help="code of a class, such as tumour=108369006,SCT,Neoplasm; classes without one get a private code",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the objects of every study that something is drawn on."""
    from datetime import UTC, datetime

    from dicomnode import __version__
    from dicomnode.errors import UsageError
    from dicomnode.evidence import NodeIdentity
    from dicomnode.inference.files import find_inputs
    from dicomnode.learning.exchange.documents import Observer, write_documents
    from dicomnode.settings import load_settings

    inputs = find_inputs(args.source)
    if inputs.missing:
        raise UsageError(f"{inputs.missing[0]} does not exist; give DICOM files, or folders of them")
    version = args.tool_version if args.tool else ""
    written = write_documents(
        args.annotations,
        args.geometry,
        inputs.dicom,
        args.out,
        Observer(args.tool or args.observer, args.organisation, version, is_person=args.tool is None),
        datetime.now(UTC),
        NodeIdentity(load_settings(args.settings).node.ae_title, __version__),
        dict(_code(text) for text in args.code),
    )
    if args.json:
        print(json.dumps([{"files": [*map(str, one.files)], "remarks": one.remarks} for one in written], indent=2))
    else:
        for one in written:
            print("\n".join((*map(str, one.files), *one.remarks)))
    return 0


def _code(text: str) -> tuple[str, Code]:
    from dicomnode.errors import UsageError
    from dicomnode.findings import Code

    name, _, code = text.partition("=")
    parts = [part.strip() for part in code.split(",", 2)]
    if not name or len(parts) != 3 or not all(parts):
        raise UsageError(f"--code {text}: write CLASS=VALUE,SCHEME,MEANING, such as mass=4147007,SCT,Mass")
    return name, Code(*parts)
