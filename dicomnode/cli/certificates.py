"""`dicomnode certificates`: a test authority, certificates of it for node and peers, and its revocation list."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from dicomnode.errors import UsageError
from dicomnode.security.certificates import Authority, has_authority


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "certificates",
        help="make a test authority and certificates for TLS",
        description="Make an authority in FOLDER (once), certificates that it signs, and its revocation list. Meant "
        "for trying TLS out; a hospital's own authority takes its place. Keys are readable by their owner only; "
        "no file is overwritten.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to; made if it is missing")
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="make node.pem for this name or address; repeatable"
    )
    parser.add_argument(
        "--client", action="append", default=[], metavar="NAME", help="make NAME.pem for a peer; repeatable"
    )
    parser.add_argument("--revoke", action="append", default=[], type=Path, metavar="FILE", help="take one back")
    parser.add_argument("--days", type=int, default=365, metavar="N", help="valid for so many days (default 365)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make what was asked for, and say what goes into the settings."""
    folder, now, days = arguments.folder.absolute(), datetime.now(UTC), arguments.days
    if not (arguments.host or arguments.client or arguments.revoke):
        raise UsageError("nothing to make: give --host for the node, --client for a peer, or --revoke FILE")
    clients = _safe(arguments.client)
    authority = Authority.open(folder) if has_authority(folder) else Authority.create(folder, now, 10 * days)
    made = [authority.issue(name, [], now, days) for name in clients]
    if arguments.host:
        made.append(authority.issue("node", arguments.host, now, days))
    for path in arguments.revoke:
        authority.revoke(path, now, days)
    if arguments.json:
        print(json.dumps({"folder": str(folder), "made": [str(path) for path in made]}))
    else:
        _show(folder, made, bool(arguments.host))
    return 0


def _safe(names: list[str]) -> list[str]:
    for name in names:
        if not name or name in ("ca", "node", "revoked") or Path(name).name != name:
            raise UsageError(f"--client {name!r} cannot become a file's name; choose another")
    return names


def _show(folder: Path, made: list[Path], with_node: bool) -> None:
    for path in made:
        print(f"made {path} and {path.with_suffix('.key').name}")
    print(f"authority {folder / 'ca.pem'}, revocation list {folder / 'revoked.pem'}")
    if with_node:
        server = f'certificate = "{folder}/node.pem", key = "{folder}/node.key"'
        client = f'client_ca = "{folder}/ca.pem", revocation_list = "{folder}/revoked.pem"'
        print("for the settings (leave client_ca and revocation_list out to let anybody call without a certificate):")
        print(f"[receive]\ntls = {{ {server}, {client} }}\n[web]\ntls = {{ {server} }}")
