"""`dicomnode audit`: list, verify and export the audit trail."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from dicomnode.archive import Archive
from dicomnode.cli.existing import open_existing
from dicomnode.dicom.audit import AuditEntry
from dicomnode.dicom.audit_message import audit_message
from dicomnode.errors import UsageError
from dicomnode.node.auditing import FILE, SYSLOG, reporter, trail_problems
from dicomnode.settings import Settings, load_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("audit", help="list, verify and export the audit trail", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="the newest entries")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="how many (default 50)")
    listing.set_defaults(act=_list)
    verify = actions.add_parser("verify", help="check the digests of index and file; exit status 1 if one is wrong")
    verify.set_defaults(act=_verify)
    export = actions.add_parser("export", help="write every entry as a message of PS3.15 A.5, one a line")
    export.add_argument("--out", type=Path, metavar="FILE", help="a new file; absent: standard output")
    export.set_defaults(act=_export)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    settings = load_settings(arguments.settings)
    act: Callable[[argparse.Namespace, Archive, Settings], int] = arguments.act
    with open_existing(settings) as archive:
        return act(arguments, archive, settings)


def _list(arguments: argparse.Namespace, archive: Archive, _settings: Settings) -> int:
    entries = list(reversed(archive.audit.list(arguments.limit)))
    if arguments.json:
        print(json.dumps([_json(entry) for entry in entries], indent=2))
        return 0
    for entry in entries:
        who = f" by {entry.actor}" if entry.actor else ""
        outcome = f" [{entry.outcome.name.lower().replace('_', ' ')}]" if entry.outcome else ""
        print(
            f"{entry.audit_id} {entry.at:%Y-%m-%dT%H:%M:%SZ} {entry.kind}{outcome}: {entry.event}{who}: {entry.detail}"
        )
    return 0


def _json(entry: AuditEntry) -> dict[str, object]:
    return {
        "id": entry.audit_id,
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "event": entry.event,
        "actor": entry.actor,
        "outcome": int(entry.outcome),
        "studies": {item.study_instance_uid: dict(item.sop_classes) for item in entry.objects},
        "detail": entry.detail,
        "digest": entry.digest,
    }


def _verify(arguments: argparse.Namespace, archive: Archive, settings: Settings) -> int:
    problems = trail_problems(archive, settings)
    sinks = [*([FILE] if settings.audit.file else []), *([SYSLOG] if settings.audit.syslog_host else [])]
    waiting = {sink: archive.audit.waiting(sink) for sink in sinks}
    if arguments.json:
        print(json.dumps({"whole": not problems, "problems": problems, "waiting": waiting}))
    else:
        for line in problems:
            print(line)
        behind = "".join(f"; {count} wait for the {sink}" for sink, count in waiting.items() if count)
        print(f"the audit trail is {'broken' if problems else 'whole'}{behind}")
    return 1 if problems else 0


def _export(arguments: argparse.Namespace, archive: Archive, settings: Settings) -> int:
    messages = (audit_message(entry, reporter(settings)) + "\n" for entry in archive.audit.all())
    if arguments.out is None:
        sys.stdout.writelines(messages)
        return 0
    try:
        with arguments.out.open("x", encoding="utf-8") as file:
            file.writelines(messages)
    except FileExistsError:
        raise UsageError(f"{arguments.out} exists and is not overwritten") from None
    return 0
