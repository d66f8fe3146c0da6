"""`dicomnode notify`: see whether messages reach those whom they should, and which ones did not.

Examples:
  dicomnode notify test radiology     sends a test message by the channel of that name
  dicomnode notify list               the newest messages, and why some wait
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from dicomnode.archive.notifications import Notification
from dicomnode.cli.existing import open_existing
from dicomnode.errors import DicomNodeError, SettingsError, describe
from dicomnode.settings import NotificationSettings, Settings, load_settings
from dicomnode.watch.notices.wording import TEST, put_into_words


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "notify", help="test who is told", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    test = actions.add_parser("test", help="send a test message")
    test.add_argument("channel", metavar="NAME", help="of a channel of the settings")
    test.set_defaults(run=_test)
    listed = actions.add_parser("list", help="the newest messages")
    listed.add_argument("--limit", type=int, default=50, metavar="N", help="so many of them (default 50)")
    listed.set_defaults(run=_list)


def _test(arguments: argparse.Namespace) -> int:
    """Exit status 1 if it was not taken."""
    settings = load_settings(arguments.settings)
    channel = _channel(settings, arguments.channel)
    # Apprise takes a while to load, and is needed here only
    from dicomnode.watch.notices.sending import send

    message = put_into_words(TEST, {}, channel, settings.node.ae_title)
    try:
        send(channel, TEST, {}, message)
    except DicomNodeError as error:
        problem = describe(error)
    else:
        problem = ""
    if arguments.json:
        print(json.dumps({"channel": channel.name, "sent": not problem, "problem": problem}))
    else:
        print(f"{channel.name}: {problem or 'the test message was taken'}")
    return int(bool(problem))


def _channel(settings: Settings, name: str) -> NotificationSettings:
    found = next((channel for channel in settings.notifications if channel.name == name), None)
    if found is None:
        known = ", ".join(channel.name for channel in settings.notifications) or "none are set"
        raise SettingsError(f"no [[notifications]] is named {name!r}; known: {known}")
    return found


def _list(arguments: argparse.Namespace) -> int:
    with open_existing(load_settings(arguments.settings)) as archive:
        found = archive.notifications.newest(arguments.limit)
    if arguments.json:
        print(json.dumps([_values(item) for item in found], indent=2))
    else:
        _show(found)
    return 0


def _values(item: Notification) -> dict[str, object]:
    return {
        "channel": item.channel,
        "event": item.event,
        "subject": item.subject,
        "created": item.created.isoformat(),
        "sent": None if item.sent_at is None else item.sent_at.isoformat(),
        "attempts": item.attempts,
        "given_up": item.given_up,
        "problem": item.problem,
    }


def _show(found: Sequence[Notification]) -> None:
    table = Table("written", "channel", "event", "about", "state", box=None, pad_edge=False)
    for item in found:
        state = "sent" if item.sent_at else "given up" if item.given_up else "waits"
        problem = f": {item.problem}" if item.problem else ""
        created = f"{item.created:%Y-%m-%d %H:%M:%S}"
        table.add_row(created, item.channel, item.event, item.subject, f"{state}{problem}")
    Console(soft_wrap=True, highlight=False, markup=False).print(table)
