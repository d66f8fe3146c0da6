"""`dicomnode probe`: ask a target what it takes, and show what will be sent in place of what it does not."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from pydicom.uid import UID
from rich.console import Console
from rich.table import Table

from dicomnode.archive import Archive
from dicomnode.archive.capabilities import Capabilities
from dicomnode.cli.destination import find_destination
from dicomnode.delivery.address import address_of
from dicomnode.delivery.capabilities import ask
from dicomnode.delivery.fallback import ENCODABLE, outlook
from dicomnode.dicom.kinds import sop_class_name
from dicomnode.evidence.ladder import SENDABLE
from dicomnode.peers.probe import SERVICES
from dicomnode.settings import Settings, TargetSettings, load_settings, shown_url


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("probe", help="ask a target what it takes", description=__doc__)
    parser.add_argument("target", metavar="TARGET", help="name of a target of the settings, or HOST:PORT:AETITLE")
    parser.add_argument(
        "--cached", action="store_true", help="show what is known, without asking; only for a target of the settings"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask and keep the answer; exit status 1 if there is none."""
    settings = load_settings(arguments.settings)
    target = find_destination(arguments.target, settings)
    found = _cached(settings, target) if arguments.cached else _asked(settings, target)
    if found is None:
        print(f"{target.name} was never asked; leave out --cached")
        return 1
    if arguments.json:
        print(json.dumps(_json(found, target), indent=2))
    else:
        _show(Console(soft_wrap=True), found, target)
    return 0


def _asked(settings: Settings, target: TargetSettings) -> Capabilities:
    found = ask(address_of(target, settings.node.ae_title), datetime.now(UTC))
    if target in settings.targets:
        with Archive.open(settings) as archive:
            archive.capabilities.put(target.name, found)
    return found


def _cached(settings: Settings, target: TargetSettings) -> Capabilities | None:
    with Archive.open(settings) as archive:
        return archive.capabilities.get(target.name)


def _json(found: Capabilities, target: TargetSettings) -> dict[str, object]:
    return {
        "target": target.name,
        "address": shown_url(found.address),
        "asked_at": found.probed_at.isoformat(),
        "implementation_class_uid": found.implementation_class_uid,
        "implementation_version_name": found.implementation_version_name,
        "maximum_length": found.maximum_length,
        "accepted": None if found.accepted is None else {uid: list(v) for uid, v in found.accepted.items()},
        "refused": dict(found.refused),
        "documents": dict(outlook(found, fallback=target.fallback)),
    }


def _show(console: Console, found: Capabilities, target: TargetSettings) -> None:
    console.print(f"{target.name}: {shown_url(found.address)}, asked {_age(found)}")
    if found.accepted is None:
        console.print("A DICOMweb server tells nothing beforehand; what it refuses is learnt when it is sent.")
    else:
        peer = f"{found.implementation_version_name or 'no version'} ({found.implementation_class_uid or 'no class'})"
        limit = f"{found.maximum_length} bytes" if found.maximum_length else "no limit"
        console.print(f"implementation {peer}, largest PDU {limit}")
        console.print(_accepted(found))
    for uid, words in found.refused.items():
        console.print(f"refused {sop_class_name(uid)}: {words}")
    for kind, words in outlook(found, fallback=target.fallback):
        console.print(f"{kind}: {words}")


def _accepted(found: Capabilities) -> Table:
    table = Table("SOP class", *(UID(syntax).name.removesuffix(" VR Little Endian") for syntax in ENCODABLE))
    for sop_class in (*SENDABLE, *SERVICES):
        accepted = found.syntaxes(sop_class) or ()
        table.add_row(sop_class_name(sop_class), *("yes" if syntax in accepted else "-" for syntax in ENCODABLE))
    return table


def _age(found: Capabilities) -> str:
    seconds = max(0, round((datetime.now(UTC) - found.probed_at).total_seconds()))
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
