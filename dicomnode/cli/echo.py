"""`dicomnode echo`: ask a PACS whether it answers (C-ECHO)."""

from __future__ import annotations

import argparse
import json

from dicomnode.cli.destination import find_destination
from dicomnode.errors import UsageError
from dicomnode.peers.echo import echo
from dicomnode.security.tls import client_context
from dicomnode.settings import load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("echo", help="ask a PACS whether it answers (C-ECHO)", description=__doc__)
    parser.add_argument("peer", metavar="PEER", help="name of a target of the settings, or HOST:PORT:AETITLE")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="for each answer (default 10)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Echo once; exit status 1 if there is no answer."""
    settings = load_settings(arguments.settings)
    peer = find_destination(arguments.peer, settings)
    if peer.host is None or peer.port is None or peer.ae_title is None:
        raise UsageError(f"{arguments.peer} is reached by DICOMweb; C-ECHO needs a host, port and AE title")
    tls = client_context(peer.tls, f"targets.{peer.name}.tls")
    result = echo(peer.host, peer.port, peer.ae_title, settings.node.ae_title, arguments.timeout, tls)
    if arguments.json:
        print(json.dumps({"answered": result.answered, "text": result.text, "seconds": round(result.seconds, 4)}))
    else:
        print(f"{result.text} after {1000 * result.seconds:.0f} ms")
    return 0 if result.answered else 1
