"""Sends a message: JSON to a web hook, everything else by Apprise. Addresses hold passwords, and are never told."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from io import StringIO

import apprise
import requests

from dicomnode.errors import DicomNodeError, PeerRefusedError, PeerUnavailableError, SettingsError
from dicomnode.settings import read_secret
from dicomnode.settings.notifications import NotificationSettings
from dicomnode.watch.notices.wording import Message

_SECONDS = 15.0
_LONGEST_PROBLEM = 200
_SHORTEST_SECRET = 4
_WEB = ("https://", "http://")


def send(channel: NotificationSettings, event: str, values: Mapping[str, str], message: Message) -> None:
    """Send a message.

    Raises:
        DicomNodeError: It was not taken; says why, without the address.
    """
    url = read_secret(channel.url, f"notifications.{channel.name}.url")
    if url.startswith(_WEB):
        _post(url, {**values, "event": event, "subject": message.subject, "text": message.body})
    else:
        _by_apprise(url, channel.name, message)


def _post(url: str, content: Mapping[str, str]) -> None:
    try:
        answer = requests.post(url, json=content, timeout=_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        # What requests says of an error quotes the address
        raise PeerUnavailableError(f"the web hook cannot be reached ({type(error).__name__})") from None
    if not HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
        raise PeerRefusedError(f"the web hook answered {answer.status_code}", answer.status_code)


def _by_apprise(url: str, name: str, message: Message) -> None:
    asset = apprise.AppriseAsset(app_id="dicomnode", app_desc="dicomnode", secure_logging=True)
    sender = apprise.Apprise(asset=asset)
    with _overheard() as said:
        if not sender.add(url):
            raise SettingsError(f"notifications.{name}.url: Apprise knows no such address")
        if not sender.notify(title=message.subject, body=message.body):
            raise DicomNodeError(_without(url, said.getvalue())[:_LONGEST_PROBLEM] or "it was not taken")


@contextmanager
def _overheard() -> Iterator[StringIO]:
    """What Apprise logs, which may quote addresses, kept out of the node's log."""
    logger = logging.getLogger("apprise")
    said = StringIO()
    handler = logging.StreamHandler(said)
    before, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def _without(url: str, words: str) -> str:
    """The words in one line, without any longer part of the address."""
    for part in sorted(re.split(r"[^\w.-]+", url), key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            words = words.replace(part, "...")
    return " ".join(words.split())
