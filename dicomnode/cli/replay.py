"""`dicomnode replay`: run old studies again, behind live work; only results that differ are sent."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from dicomnode.archive.replays import Replay
from dicomnode.cli.existing import open_existing
from dicomnode.cli.periods import first_moment, last_moment
from dicomnode.errors import NotFoundError, UsageError
from dicomnode.settings import load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("replay", help="run old studies again, behind live work", description=__doc__)
    parser.add_argument(
        "--from",
        dest="since",
        metavar="DATE",
        type=first_moment,
        help="studies whose last image came on this day (2026-11-01) or at this time (2026-11-01T08:30) or later; UTC",
    )
    parser.add_argument("--to", dest="until", metavar="DATE", type=last_moment, help="and until the end of this day")
    parser.add_argument("--model", metavar="NAME", help="ask this model only")
    parser.add_argument("--study", metavar="UID", help="this study only")
    parser.add_argument("--silent", action="store_true", help="compute without sending")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask for the replay; the running node does it."""
    if arguments.since is None and arguments.study is None:
        raise UsageError("say which studies: --from DATE, --study UID, or both")
    with open_existing(load_settings(arguments.settings)) as archive:
        if arguments.model and archive.deployments.get(arguments.model) is None:
            raise NotFoundError(f"model {arguments.model} was never approved; `dicomnode models list` shows all")
        chosen = archive.replays.candidates(arguments.since, arguments.until, arguments.study)
        replay = Replay(arguments.model or "", arguments.silent)
        started = archive.replays.start(chosen, replay, datetime.now(UTC))
    skipped = len(chosen) - len(started)
    if arguments.json:
        print(json.dumps({"studies": list(started), "skipped": skipped}))
    else:
        print(f"{len(started)} studies run again behind live work; results that differ supersede the earlier ones")
        if skipped:
            print(f"{skipped} left out: they are open, in quarantine, or still worked on")
    return 0
