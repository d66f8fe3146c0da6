"""`dicomnode query`: ask a PACS which studies it holds (C-FIND)."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from dicomnode.cli.destination import find_destination
from dicomnode.errors import UsageError
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.find import FoundStudy, find_studies
from dicomnode.security.tls import client_context
from dicomnode.settings import load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("query", help="ask a PACS which studies it holds (C-FIND)", description=__doc__)
    parser.add_argument("peer", metavar="PEER", help="name of a target of the settings, or HOST:PORT:AETITLE")
    parser.add_argument("match", nargs="*", metavar="KEYWORD=VALUE", help="such as StudyDate=20260101- PatientID=P1")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="most studies shown (default 100)")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for each answer (default 30)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    settings = load_settings(arguments.settings)
    target = find_destination(arguments.peer, settings)
    if target.host is None or target.port is None or target.ae_title is None:
        raise UsageError(f"{arguments.peer} is reached by DICOMweb; C-FIND needs a host, port and AE title")
    tls = client_context(target.tls, f"targets.{target.name}.tls")
    peer = DimsePeer(target.host, target.port, target.ae_title, settings.node.ae_title, arguments.timeout, tls)
    found = find_studies(peer, read_match(arguments.match), arguments.limit)
    if arguments.json:
        print(json.dumps([asdict(study) for study in found], indent=2))
    else:
        _show(found)
    return 0


def read_match(words: Sequence[str]) -> dict[str, str]:
    """Matching keys from ``KEYWORD=VALUE``.

    Raises:
        UsageError: A word has no equals sign.
    """
    pairs = [word.partition("=") for word in words]
    wrong = [keyword for keyword, equals, _ in pairs if not equals]
    if wrong:
        raise UsageError(f"{wrong[0]!r}: write KEYWORD=VALUE, such as StudyDate=20260101-")
    return {keyword: value for keyword, _, value in pairs}


def _show(found: Sequence[FoundStudy]) -> None:
    table = Table("date", "modality", "patient", "name", "description", "instances", "Study Instance UID", box=None)
    for study in found:
        modalities = "\\".join(study.modalities)
        row = (study.study_date, modalities, study.patient_id, study.patient_name, study.description)
        table.add_row(*row, study.number_of_instances, study.study_instance_uid)
    console = Console()
    console.print(table, soft_wrap=True)
    console.print(f"{len(found)} study(ies)", highlight=False)
