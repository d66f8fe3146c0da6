"""``dicomnode review``: look through a table of pictures in the browser and correct it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "review",
        help="look through a table of pictures and correct it, in the browser",
        description="Show image, mask and crop of each row of a case description table of CBIS-DDSM, or of a table with"
        " the columns path and label. Exchange mask and crop, give another label, draw another box: changes go to"
        " <TABLE>_reviewed.csv beside the table, which stays as it is; training takes the reviewed table.",
    )
    parser.add_argument("table", type=Path, metavar="TABLE", help="the table (CSV)")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the pictures")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; there is no login (%(default)s)")
    parser.add_argument("--port", type=int, default=8090, metavar="N", help="TCP port, 0 for a free one (%(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve the page until stopped."""
    from dicomnode.errors import UsageError
    from dicomnode.learning.data.reviewing import open_review
    from dicomnode.web.review import serve_review

    if not 0 <= args.port < 65536:
        raise UsageError(f"--port {args.port}: give a number from 0 to 65535")
    print("looking for the files of the table; masks that were not read before take a while", flush=True)
    review = open_review(args.table, args.data)

    def ready(port: int) -> None:
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"review {review.name} at http://{host}:{port}/, changes go to {review.reviewed_table}", flush=True)

    serve_review(review, args.host, args.port, ready)
    return 0
