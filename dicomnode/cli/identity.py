"""`dicomnode identity`: studies whose instances name different patients, and whose they are."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console

from dicomnode.archive.settling import NamedIdentity
from dicomnode.cli.existing import open_existing
from dicomnode.settings import load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("identity", help="settle whose a study is", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    listed = actions.add_parser("list", help="studies that no model runs on, because their instances disagree")
    listed.set_defaults(run=list_conflicts)
    shown = actions.add_parser("show", help="the patients that the instances of a study name (on the screen only)")
    shown.add_argument("study", metavar="STUDY", help="Study Instance UID")
    shown.set_defaults(run=show)
    settled = actions.add_parser("settle", help=_SETTLE)
    settled.add_argument("study", metavar="STUDY", help="Study Instance UID")
    settled.add_argument("--as", dest="right", metavar="INSTANCE", help=_AS)
    others = settled.add_mutually_exclusive_group(required=True)
    others.add_argument("--release", action="store_true", help="the others are of the same person: use them")
    others.add_argument("--discard", action="store_true", help="the others are of somebody else: keep them aside")
    settled.set_defaults(run=settle)


_SETTLE = "say whose the study is; it is then analysed anew, and files stay as they are"
_AS = "SOP Instance UID of an instance that names the right patient; absent: the study's own patient is right"


def list_conflicts(arguments: argparse.Namespace) -> int:
    """Print the studies."""
    with open_existing(load_settings(arguments.settings)) as archive:
        found = archive.settling.conflicts()
    if arguments.json:
        print(json.dumps([{"study": study, "reason": reason} for study, reason in found], indent=2))
    for study, reason in found if not arguments.json else ():
        print(f"study {study}: {reason}")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Print who is named."""
    with open_existing(load_settings(arguments.settings)) as archive:
        found = archive.settling.identities(arguments.study)
    if arguments.json:
        print(json.dumps([asdict(identity) for identity in found], indent=2, ensure_ascii=False))
        return 0
    console = Console(soft_wrap=True)
    for identity in found:
        console.print(_line(identity), markup=False, highlight=False)
    return 0


def settle(arguments: argparse.Namespace) -> int:
    """Write the decision."""
    with open_existing(load_settings(arguments.settings)) as archive:
        others = archive.settling.settle(
            arguments.study, arguments.right, release=arguments.release, now=datetime.now(UTC)
        )
    fate = "released into the study" if arguments.release else "kept aside"
    if arguments.json:
        print(json.dumps({"study": arguments.study, "others": others, "released": arguments.release}))
    else:
        print(f"settled: {others} instance(s) that name another patient are {fate}; the study is analysed anew")
    return 0


def _line(identity: NamedIdentity) -> str:
    whose = f"Patient ID {identity.patient_id!r}, issuer {identity.issuer_of_patient_id!r}"
    person = f"{identity.patient_name}, born {identity.patient_birth_date or 'unknown'}"
    count = f"{len(identity.instances)} instance(s), {identity.aside} kept aside, such as {identity.instances[0]}"
    return f"{whose}: {person}: {count}"
