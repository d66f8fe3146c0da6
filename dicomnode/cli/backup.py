"""`dicomnode backup`: copy the index and the files of a node, which may run meanwhile.

A second run into the same folder copies what is new. Where the index is PostgreSQL, run `pg_dump` first: this command
then copies the files.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from dicomnode.archive.backup import back_up
from dicomnode.cli.existing import open_existing
from dicomnode.settings import load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("backup", help="back up a running node", description=__doc__)
    parser.add_argument("target", type=Path, metavar="DEST", help="folder of the backup, best on another disk")
    parser.add_argument(
        "--hard-links", action="store_true", help="link files instead of copying them, where the file system can"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Back up."""
    settings = load_settings(arguments.settings)
    now = datetime.now(UTC)
    with open_existing(settings) as archive:  # brings an older index up to date
        manifest = back_up(
            settings.database_url, settings.node.data_dir, arguments.target, now, hard_links=arguments.hard_links
        )
        archive.audit.add("backup", f"{manifest.studies} studies, {manifest.files} files", now)
    if arguments.json:
        print(json.dumps(asdict(manifest)))
        return 0
    print(
        f"{manifest.studies} studies, {manifest.instances} instances, {manifest.evidence} results: "
        f"{manifest.files} files, {manifest.bytes >> 20} MiB, {manifest.copied} of them new"
    )
    if not manifest.index:
        print("the index is on a server: keep the dump that pg_dump made before this together with these files")
    return 0
