"""Watches the index for what somebody wants to be told, and tells them; a part of the role dispatch."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Event

from dicomnode.archive import Archive
from dicomnode.archive.notifications import Notification
from dicomnode.delivery.backoff import backoff
from dicomnode.errors import DicomNodeError, describe
from dicomnode.settings import Settings
from dicomnode.settings.notifications import NotificationSettings
from dicomnode.watch.alarm import Alarm
from dicomnode.watch.alarms import gather_alarms
from dicomnode.watch.notices.notice import Notice, notice_of_alarm, notice_of_job
from dicomnode.watch.notices.wording import Message, put_into_words

_LOG = logging.getLogger(__name__)
_ROUND_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 900.0
_PATIENCE = timedelta(days=1)
_BATCH = 20
# A job's time is taken before the transaction that ends it, which may have to wait for others
_OVERLAP = timedelta(minutes=2)
_MARK_EVERY = timedelta(minutes=1)
_ALARMS = "notifications: alarms"

Send = Callable[[NotificationSettings, str, Mapping[str, str], Message], None]


class Notifier:
    """Tells each channel what it wants to know, once; what is not taken is tried again for a day."""

    def __init__(
        self,
        archive: Archive,
        settings: Settings,
        send: Send,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        """Prepare a notifier.

        Args:
            archive: Holds what happened, and the messages.
            settings: With the channels.
            send: Sends a message, or raises.
            clock: Present time, with time zone.
            jitter: Random numbers, 0..1.
        """
        self._archive = archive
        self._settings = settings
        self._channels = {channel.name: channel for channel in settings.notifications}
        self._send = send
        self._clock = clock
        self._jitter = jitter
        self._trouble = ""

    def run(self, stop: Event) -> None:
        """Watch and tell until told to stop."""
        while not stop.is_set():
            try:
                self.look()
                self.send_due(stop)
                self._trouble = ""
            except Exception as error:  # noqa: BLE001  whatever becomes of messages, studies go their way
                if self._trouble != str(error):
                    _LOG.error("notifications are found and sent later: %s", describe(error))
                self._trouble = str(error)
            stop.wait(_ROUND_SECONDS)

    def look(self) -> None:
        """Write a message for everything that happened since, and that a channel wants to be told."""
        now = self._clock()
        episodes = self._episodes(gather_alarms(self._archive, self._settings, now), now)
        for channel in self._channels.values():
            for notice in self._news(channel, now):
                self._add(channel, notice, now)
            for alarm, since in episodes:
                told = notice_of_alarm(alarm, since, channel, now)
                if told is not None:
                    self._add(channel, told, now)

    def send_due(self, stop: Event) -> None:
        """Send what waits, one after the other."""
        for item in self._archive.notifications.due(self._channels, self._clock(), _BATCH):
            if stop.is_set():
                return
            channel, now = self._channels[item.channel], self._clock()
            quiet_until = end_of_quiet(channel, now)
            if quiet_until is not None:
                self._archive.notifications.postponed(item.notification_id, quiet_until)
            else:
                self._send_one(item, channel, now)

    def _send_one(self, item: Notification, channel: NotificationSettings, now: datetime) -> None:
        try:
            message = put_into_words(item.event, item.content, channel, self._settings.node.ae_title)
            self._send(channel, item.event, item.content, message)
        except DicomNodeError as error:
            self._not_taken(item, describe(error), now)
            return
        self._archive.notifications.sent(item.notification_id, now)
        _LOG.info("notification %d (%s) sent to %s", item.notification_id, item.event, item.channel)

    def _not_taken(self, item: Notification, problem: str, now: datetime) -> None:
        if now - item.created >= _PATIENCE:
            self._archive.notifications.give_up(item.notification_id, problem)
            _LOG.error("notification %d to %s is given up after a day: %s", item.notification_id, item.channel, problem)
            return
        pause = backoff(item.attempts + 1, _LONGEST_PAUSE_SECONDS, self._jitter())
        self._archive.notifications.failed(item.notification_id, problem, now + timedelta(seconds=pause))
        if item.attempts == 0:
            _LOG.warning("notification %d to %s is tried again: %s", item.notification_id, item.channel, problem)

    def _add(self, channel: NotificationSettings, notice: Notice, now: datetime) -> None:
        self._archive.notifications.add(channel.name, notice.event, notice.subject, notice.values, now, now)

    def _news(self, channel: NotificationSettings, now: datetime) -> list[Notice]:
        """What a channel is told of jobs that ended since it was looked after last; a new one begins now."""
        name = f"notifications: {channel.name}"
        text = self._archive.watermarks.get(name)
        mark = now if text is None else min(now, datetime.fromisoformat(text))
        ended = self._archive.notifications.ended_jobs(max(mark - _OVERLAP, now - _PATIENCE)) if text else []
        if text is None or now - mark >= _MARK_EVERY:
            self._archive.watermarks.set(name, now.isoformat())
        return [notice for job in ended if (notice := notice_of_job(job, channel)) is not None]

    def _episodes(self, alarms: Sequence[Alarm], now: datetime) -> list[tuple[Alarm, datetime]]:
        """Each alarm with the time at which it came on; kept in the index, so that a restart makes no new ones."""
        before: dict[str, str] = json.loads(self._archive.watermarks.get(_ALARMS) or "{}")
        keys = [f"{alarm.kind} {alarm.subject}" for alarm in alarms]
        since = {key: before.get(key, now.isoformat()) for key in keys}
        if since != before:
            self._archive.watermarks.set(_ALARMS, json.dumps(since))
        return [(alarm, datetime.fromisoformat(since[key])) for alarm, key in zip(alarms, keys, strict=True)]


def end_of_quiet(channel: NotificationSettings, now: datetime) -> datetime | None:
    """When the quiet hours end that it is in; None outside of them."""
    hours = channel.quiet
    if hours is None:
        return None
    begin, end = hours
    local = now.astimezone()
    present = local.time().replace(tzinfo=None)
    is_quiet = begin <= present < end if begin < end else present >= begin or present < end
    if not is_quiet:
        return None
    ends = local.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
    return (ends if ends > local else ends + timedelta(days=1)).astimezone(now.tzinfo)
