"""Gathers the alarms that are on at this moment: from the index, the disk and the settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dicomnode.archive import Archive
from dicomnode.archive.tallies import day_of
from dicomnode.errors import ArchiveError, describe
from dicomnode.peers.knocking import peers_of
from dicomnode.security.health import certificate_problems
from dicomnode.settings import Settings
from dicomnode.settings.roles import ROLES
from dicomnode.watch.alarm import Alarm, AlarmKind
from dicomnode.watch.work_alarms import work_alarms
from dicomnode.words import marked

_MIB = 1 << 20
_STRANGERS = "?"
_CLOCKS_APART_SECONDS = 30.0
_AUDIT_WAITING = 1000
_UNTOLD_FOR = timedelta(days=3)
_SINKS = ("file", "syslog")


def gather_alarms(archive: Archive, settings: Settings, now: datetime) -> list[Alarm]:
    """Every alarm that is on, grave ones first; an index that cannot be asked is one itself."""
    try:
        found = [*_roles(archive, now), *_disk(archive, settings), *_peers(archive, settings)]
        found += [*work_alarms(archive, settings, now), *_audit(archive, settings), *_intake(archive, now)]
        found += _untold(archive, settings, now)
    except ArchiveError as error:
        sentence = marked("The index does not answer.")
        remedy = marked("Look at its disk or its server; `dicomnode doctor` says more.")
        found = [Alarm(AlarmKind.INDEX, "", None, sentence, remedy, detail=describe(error), grave=True)]
    found += _certificates(settings, now)
    return sorted(found, key=lambda alarm: not alarm.grave)


def _roles(archive: Archive, now: datetime) -> Iterator[Alarm]:
    seen = archive.node_leases.roles(now)
    for role in ROLES:
        of_role = [item for item in seen if item.role == role]
        if not any(item.runs for item in of_role):
            since = max((item.seen for item in of_role), default=None)
            sentence = marked("The role %(role)s does not run.")
            remedy = marked("The log says why it ended; `dicomnode serve` starts it again.")
            yield Alarm(AlarmKind.ROLE, role, since, sentence, remedy, {"role": role}, grave=True)
    ahead = max((item.seen - now for item in seen), default=timedelta(0)).total_seconds()
    if ahead > _CLOCKS_APART_SECONDS:
        sentence = marked("The clocks of the node's machines are %(seconds)s seconds apart.")
        remedy = marked("Let all of them follow the same time server (NTP).")
        yield Alarm(AlarmKind.CLOCK, "", None, sentence, remedy, {"seconds": round(ahead)})


def _disk(archive: Archive, settings: Settings) -> Iterator[Alarm]:
    space = archive.space.look()
    fields: dict[str, str | int] = {"free": space.free // _MIB}
    remedy = marked("Make room, or let the node forget old studies: [retention] in the settings.")
    if space.refusal:
        sentence = marked("Instances are refused for now; %(free)s MiB of the disk are free.")
        yield Alarm(AlarmKind.DISK_FULL, "", None, sentence, remedy, fields, space.refusal, grave=True)
    elif space.free < settings.watch.disk_warning_mib * _MIB:
        sentence = marked("Only %(free)s MiB of the disk are free; below %(mark)s MiB instances are refused.")
        fields["mark"] = settings.storage.refuse_below_mib
        yield Alarm(AlarmKind.DISK_LOW, "", None, sentence, remedy, fields)


def _peers(archive: Archive, settings: Settings) -> Iterator[Alarm]:
    known = set(peers_of(settings))
    for echo in archive.echoes.list():
        if (echo.kind, echo.name) in known and not echo.good:
            sentence = marked("%(peer)s did not answer as it should when it was asked last.")
            remedy = marked("Check that it runs, its address, its certificates, and that it knows the node's AE title.")
            subject = f"{echo.kind} {echo.name}"
            yield Alarm(AlarmKind.PEER_AWAY, subject, echo.at, sentence, remedy, {"peer": echo.name}, echo.detail)


def _audit(archive: Archive, settings: Settings) -> Iterator[Alarm]:
    used = {"file": settings.audit.file, "syslog": settings.audit.syslog_host is not None}
    for sink in _SINKS:
        waiting = archive.audit.waiting(sink) if used[sink] else 0
        if waiting > _AUDIT_WAITING:
            sentence = marked("%(count)s audit messages wait; they go to: %(sink)s.")
            remedy = marked("Look at the disk of the audit file, or at the audit record repository.")
            yield Alarm(AlarmKind.AUDIT, sink, None, sentence, remedy, {"count": waiting, "sink": sink})


def _intake(archive: Archive, now: datetime) -> Iterator[Alarm]:
    for tally in archive.tallies.of_day(day_of(now.astimezone(UTC))):
        if tally.peer == _STRANGERS and tally.rejected:
            sentence = marked("Associations of strangers that were rejected today: %(count)s.")
            remedy = marked("The audit says whence they came; name those that may send in [[peers]].")
            yield Alarm(AlarmKind.STRANGERS, "", None, sentence, remedy, {"count": tally.rejected})
        if tally.conflicts:
            sentence = marked("Instances of %(peer)s with a known UID and other content today: %(count)s.")
            remedy = marked("They are kept aside; whoever made them should not use a UID twice.")
            fields: dict[str, str | int] = {"peer": tally.peer, "count": tally.conflicts}
            yield Alarm(AlarmKind.CONFLICTS, tally.peer, None, sentence, remedy, fields)


def _untold(archive: Archive, settings: Settings, now: datetime) -> Iterator[Alarm]:
    known = {channel.name for channel in settings.notifications}
    for channel, count in archive.notifications.given_up(now - _UNTOLD_FOR).items():
        if channel in known:
            sentence = marked("Messages that %(channel)s did not take for a day, so that nobody got them: %(count)s.")
            remedy = marked("`dicomnode notify test %(channel)s` says what is wrong.")
            fields: dict[str, str | int] = {"channel": channel, "count": count}
            yield Alarm(AlarmKind.NOTIFICATIONS, channel, None, sentence, remedy, fields)


def _certificates(settings: Settings, now: datetime) -> Iterator[Alarm]:
    for line in certificate_problems(settings, now):
        sentence = marked("A certificate or key needs attention: %(setting)s.")
        remedy = marked("Put a valid one in its place; roles that run read it anew by themselves.")
        setting = line.partition(":")[0]
        yield Alarm(AlarmKind.CERTIFICATE, setting, None, sentence, remedy, {"setting": setting}, line)
