"""The four roles: what each is made of, built from the settings."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from dicomnode.archive import Archive
from dicomnode.dicom.audit import AuditKind, AuditOutcome
from dicomnode.errors import ArchiveError, SettingsError
from dicomnode.node.clock_watch import ClockWatch
from dicomnode.node.presence import Presence, announce, withdraw
from dicomnode.node.sharing import holding
from dicomnode.node.stopping import Stopper, run_together
from dicomnode.settings import Settings

_log = logging.getLogger(__name__)
_ROUND_SECONDS = 2.0
_LONGEST_PAUSE = timedelta(hours=1)
"""A time further ahead than this was written before the clock was put back."""
_STUDIES_COMPARED_AT_ONCE = 2

Part = Callable[[threading.Event], None]


def run_role(role: str, settings: Settings, stopper: Stopper) -> bool:
    """Run one role in this process until stopped.

    Args:
        role: One of `settings.roles.ROLES`.
        settings: The node's settings.
        stopper: Ends it; set up here to listen to signals.

    Returns:
        Whether it ended because it was asked to, and not because a part of it failed.

    Raises:
        SettingsError: Another node uses the same data, or another process has the role.
    """
    # Only what the role needs is imported: the listener is there within a second, without torch.
    parts = {"receive": _receive, "dispatch": _dispatch, "infer": _infer, "web": _web}[role]
    with Archive.open(settings) as archive, holding(role, settings, archive, now) as keep_lease:
        try:
            wake = partial(_wake_to_stop, archive)
            built: dict[str, Part] = {**parts(settings, archive), "lease": keep_lease, "wake-ups": wake}
            # From here on a signal is waited for; before, while modules are imported, it ends the process at once
            stopper.on_signals()
            archive.audit.add("role started", f"{role}, process {os.getpid()}", now(), kind=AuditKind.START)
            went_well, all_ended = run_together(built, stopper)
            outcome = AuditOutcome.SUCCESS if went_well else AuditOutcome.SERIOUS_FAILURE
            with suppress(ArchiveError):  # the index may be what it ended for
                detail = f"{role}, process {os.getpid()}"
                archive.audit.add("role stopped", detail, now(), kind=AuditKind.STOP, outcome=outcome)
        finally:
            withdraw(settings.node.data_dir, role, os.getpid())
        if not all_ended:
            _log.warning("role %s: a part is still busy; its work resumes at the next start", role)
    return went_well


def now() -> datetime:
    """Present time in UTC."""
    return datetime.now(UTC)


def _wake_to_stop(archive: Archive, stop: threading.Event) -> None:
    stop.wait()
    archive.wakeups.wake()


def _announce(settings: Settings, role: str, port: int | None = None) -> None:
    announce(settings.node.data_dir, Presence(role, os.getpid(), port))
    _log.info("role %s is ready%s", role, "" if port is None else f" on port {port}")


def _receive(settings: Settings, archive: Archive) -> Mapping[str, Part]:
    from dicomnode.node.receiving import Receiving

    receiving = Receiving(settings, archive, now)

    def listen(stop: threading.Event) -> None:
        receiving.run(stop, partial(_announce, settings, "receive"))

    return {"listener": listen}


def _dispatch(settings: Settings, archive: Archive) -> Mapping[str, Part]:
    from dicomnode.delivery.outbox import Outbox, make_courier, make_sender
    from dicomnode.delivery.proving import Prover
    from dicomnode.delivery.ways import identity_check, proof_ways
    from dicomnode.intake.poller import Poller
    from dicomnode.intake.retention import Retention
    from dicomnode.peers.dicomweb import DicomWebPeer
    from dicomnode.peers.http import WebAccess

    owner = archive.deliveries.claim_name()
    parts: dict[str, Part] = {"completion and routing": _rounds(settings, archive)}
    for target in settings.targets:
        sender = make_sender(target, settings.node.ae_title, now)
        courier = make_courier(archive, target, settings.node.ae_title, now)
        check = identity_check(archive, target, settings.pacs, settings.node.ae_title, owner, now)
        outbox = Outbox(archive, target, sender, courier, owner, now, random.random, check)
        parts[f"outbox {target.name}"] = outbox.run
        if target.proof != "none":
            ways = proof_ways(target, settings.pacs, settings.node.ae_title)
            parts[f"proof {target.name}"] = Prover(archive, target, ways, now, random.random).run
    for poller in settings.pollers:
        access = WebAccess.of(f"pollers.{poller.name}", poller.tls, poller.authorization)
        parts[f"poller {poller.name}"] = Poller(poller, archive, DicomWebPeer(poller.url, access=access)).run
    parts["priors"] = _priors(settings, archive)
    if settings.completion.ask:
        compare = _completeness(settings, archive)
        parts |= {f"completeness {number}": compare for number in range(1, _STUDIES_COMPARED_AT_ONCE + 1)}
    archive.retention.settle()
    if settings.retention.days is not None:
        parts["retention"] = Retention(archive, settings.retention, settings.targets, now).run
    parts |= _audit_parts(settings, archive)
    parts |= _telling_parts(settings, archive)
    _announce(settings, "dispatch")
    return parts


def _completeness(settings: Settings, archive: Archive) -> Part:
    from dicomnode.intake.comparing import Comparing
    from dicomnode.intake.completeness import Completeness
    from dicomnode.peers.pacs import open_pacs

    named = {pacs.name: pacs for pacs in settings.pacs}
    asked = [named[name] for name in settings.completion.ask]
    comparing = Comparing(archive, asked, partial(open_pacs, calling_ae_title=settings.node.ae_title), now)
    return Completeness(archive, settings.completion, comparing, now, random.SystemRandom()).run


def _priors(settings: Settings, archive: Archive) -> Part:
    from dicomnode.bundles import Bundle
    from dicomnode.bundles.metadata import Priors
    from dicomnode.intake.priors import PriorFetching
    from dicomnode.jobs.deployed import Shelf
    from dicomnode.peers.pacs import open_pacs

    shelf = Shelf(settings.models.folder)

    def wanted(model_name: str) -> Priors | None:
        bundles = (bundle for bundle in shelf.bundles() if isinstance(bundle, Bundle))
        return next((bundle.node.accepts.priors for bundle in bundles if bundle.name == model_name), None)

    asked = partial(open_pacs, calling_ae_title=settings.node.ae_title)
    return PriorFetching(archive, settings.pacs, asked, wanted, now, settings.completion.deadline_seconds).run


def _audit_parts(settings: Settings, archive: Archive) -> Mapping[str, Part]:
    from dicomnode.node.auditing import AuditFile, AuditSyslog

    parts: dict[str, Part] = {}
    if settings.audit.file:
        parts["audit file"] = AuditFile(archive, settings).run
    if settings.audit.syslog_host is not None:
        parts["audit syslog"] = AuditSyslog(archive, settings).run
    return parts


def _telling_parts(settings: Settings, archive: Archive) -> Mapping[str, Part]:
    """What is asked and told beside results: echoes, messages to people, times to a collector."""
    parts: dict[str, Part] = {}
    if settings.watch.echo_minutes > 0:
        from dicomnode.watch.echoing import EchoRounds

        parts["echoes"] = EchoRounds(archive, settings, now).run
    if settings.notifications:
        from dicomnode.watch.notices.notifier import Notifier
        from dicomnode.watch.notices.sending import send

        parts["notifications"] = Notifier(archive, settings, send, now, random.random).run
    if settings.telemetry.endpoint is not None:
        parts["telemetry"] = _telemetry(settings, archive)
    return parts


def _telemetry(settings: Settings, archive: Archive) -> Part:
    try:
        from dicomnode.watch.spans.exporting import Telemetry, make_exporter
    except ImportError as error:
        raise SettingsError(f"telemetry.endpoint needs `pip install dicomnode[telemetry]`: {error}") from error
    return Telemetry(archive, settings, make_exporter(settings.telemetry), now, random.random).run


def _rounds(settings: Settings, archive: Archive) -> Part:
    from dicomnode.intake.completion import close_due_studies
    from dicomnode.jobs.deployed import Shelf, deployed_models
    from dicomnode.jobs.dispatch import route_unrouted

    models = partial(deployed_models, Shelf(settings.models.folder), archive.deployments)

    def rounds(stop: threading.Event) -> None:
        watch = ClockWatch(now, time.monotonic)
        archive.clock.settle(now(), _LONGEST_PAUSE)
        waiter = archive.wakeups.waiter()
        while not stop.is_set():
            if watch.went_back():
                _log.warning("the clock was put back: what waits for a later time is done now")
                archive.clock.settle(now(), timedelta(0))
            pause = _ROUND_SECONDS
            if not settings.completion.ask:  # else they are closed by who compares them
                pause = min(pause, close_due_studies(archive, settings.completion, now()).pause_seconds)
            route_unrouted(archive, models, settings, now)
            waiter.wait(stop, pause)

    return rounds


def _infer(settings: Settings, archive: Archive) -> Mapping[str, Part]:
    from dicomnode.node.inferring import Inferring

    inferring = Inferring(settings, archive, now)
    _announce(settings, "infer")
    return inferring.parts()


def _web(settings: Settings, archive: Archive) -> Mapping[str, Part]:
    from dicomnode.node.reviewing import review_of
    from dicomnode.web.access.first_account import make_first_account
    from dicomnode.web.server import serve_web

    make_first_account(archive, settings.web, now())

    def listen(stop: threading.Event) -> None:
        serve_web(archive, settings, partial(_announce, settings, "web"), stop, review_of(settings.web.review))

    return {"web server": listen}
