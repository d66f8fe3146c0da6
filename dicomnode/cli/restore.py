"""`dicomnode restore`: make the folder that the settings name from a backup, every digest checked.

The restored node sends what was not delivered, and nothing that was. Where the index is PostgreSQL, restore the dump
with `pg_restore`; this command then restores the files.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from dicomnode.archive.restoring import restore
from dicomnode.errors import SettingsError
from dicomnode.node.supervisor import ROLES, running_roles
from dicomnode.settings import load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("restore", help="make a node's folder from a backup", description=__doc__)
    parser.add_argument("source", type=Path, metavar="SRC", help="folder of the backup")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Restore."""
    settings = load_settings(arguments.settings)
    data_dir = settings.node.data_dir
    running = [role for role, presence in running_roles(data_dir, ROLES).items() if presence is not None]
    if running:
        raise SettingsError(f"a node runs on {data_dir} (role {running[0]}): stop it, and restore into a new folder")
    manifest = restore(arguments.source, data_dir)
    if arguments.json:
        print(json.dumps(asdict(manifest)))
        return 0
    print(f"{data_dir}: {manifest.studies} studies, {manifest.files} files as of {manifest.created}, digests right")
    if not manifest.index:
        print("the index is on a server: restore its dump with pg_restore before the node starts")
    return 0
