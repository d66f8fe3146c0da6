"""The outbox: what is due goes to its target until the target says that it has it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from threading import Event

from dicomnode.archive import Archive
from dicomnode.archive.records import Delivery, DeliveryState
from dicomnode.delivery.backoff import backoff
from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.document import Document, Sender
from dicomnode.delivery.outcomes import OutcomeKind, SendOutcome
from dicomnode.delivery.stow import StowSender
from dicomnode.errors import describe
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.http import WebAccess
from dicomnode.security.tls import client_context
from dicomnode.settings import TargetSettings

_log = logging.getLogger(__name__)
_IDLE_SECONDS = 0.25
_BATCH = 32
_LEASE_MARGIN = timedelta(seconds=10)

_STATES = {
    OutcomeKind.SUCCESS: DeliveryState.DELIVERED,
    OutcomeKind.WARNING: DeliveryState.WARNING,
    OutcomeKind.TRANSIENT: DeliveryState.WAITING,
    OutcomeKind.PERMANENT: DeliveryState.REFUSED,
}


def make_sender(target: TargetSettings, calling_ae_title: str, clock: Callable[[], datetime]) -> Sender:
    """The way to a target that its settings name."""
    what = f"targets.{target.name}"
    if target.url is not None:
        access = WebAccess.of(what, target.tls, target.authorization)
        return StowSender(target.url, target.timeout_seconds, clock, access)
    if target.host is None or target.port is None or target.ae_title is None:
        raise ValueError(f"target {target.name} has neither url nor address")
    tls = client_context(target.tls, f"{what}.tls")
    peer = DimsePeer(target.host, target.port, target.ae_title, calling_ae_title, target.timeout_seconds, tls)
    return CStoreSender(peer)


class Outbox:
    """Sends what is queued for one target, in the order in which it was queued.

    A transient failure is tried again without end, with a capped pause; only the target's own word
    makes a delivery delivered, and only its refusal of the object makes it refused.
    """

    def __init__(
        self,
        archive: Archive,
        target: TargetSettings,
        sender: Sender,
        owner: str,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        """Prepare an outbox.

        Args:
            archive: Holds the deliveries.
            target: Where to.
            sender: How; from `make_sender`.
            owner: Names this process in leases; from `DeliveryStore.claim_name`.
            clock: Present time, with time zone.
            jitter: Random numbers, 0..1.
        """
        self._archive = archive
        self._target = target
        self._sender = sender
        self._owner = owner
        self._clock = clock
        self._jitter = jitter
        self._lease = 2 * timedelta(seconds=target.timeout_seconds) + _LEASE_MARGIN
        self._lease_until = clock()

    def run(self, stop: Event) -> None:
        """Send until told to stop."""
        try:
            while not stop.is_set():
                if self.send_due() == 0:
                    stop.wait(_IDLE_SECONDS)
        finally:
            self._sender.close()

    def send_due(self) -> int:
        """Send one batch of what is due; returns how many objects were tried."""
        leased = self._lease_batch()
        if not leased:
            return 0
        waiting = {delivery.sop_instance_uid: delivery for delivery in leased}
        jitter = self._jitter()  # one for the batch, so that the documents of one result stay together
        try:
            for document, outcome in self._sender.send([_document(delivery) for delivery in leased]):
                self._mark(waiting.pop(document.sop_instance_uid), outcome, jitter)
                self._renew(waiting.values())
            rest = SendOutcome(OutcomeKind.TRANSIENT, "not sent yet")
        except OSError as error:
            rest = SendOutcome(OutcomeKind.TRANSIENT, describe(error))
        for delivery in waiting.values():
            self._mark(delivery, rest, jitter)
        return len(leased)

    def _lease_batch(self) -> Sequence[Delivery]:
        now = self._clock()
        due = self._archive.deliveries.due(self._target.name, now, _BATCH)
        self._lease_until = now + self._lease
        taken = [
            self._archive.deliveries.lease(delivery.delivery_id, self._owner, self._lease_until, now)
            for delivery in due
        ]
        return [delivery for delivery in taken if delivery is not None]

    def _renew(self, waiting: Collection[Delivery]) -> None:
        """Keep what is still to be sent from being sent by another process that cannot see whether this one lives."""
        now = self._clock()
        if waiting and self._lease_until - now < self._lease / 2:
            self._lease_until = now + self._lease
            self._archive.deliveries.renew([item.delivery_id for item in waiting], self._owner, self._lease_until)

    def _mark(self, delivery: Delivery, outcome: SendOutcome, jitter: float) -> None:
        now = self._clock()
        pause = backoff(delivery.attempts, self._target.maximum_backoff_seconds, jitter)
        again = now + timedelta(seconds=max(pause, outcome.retry_after or 0.0))
        state = _STATES[outcome.kind]
        self._archive.deliveries.mark(
            delivery.delivery_id,
            self._owner,
            state,
            outcome.status,
            again,
            now,
            answer=outcome.answer,
            prove=self._target.proof != "none",
        )
        level = logging.INFO if outcome.arrived else logging.WARNING
        _log.log(
            level,
            "delivery %d to %s: %s (%s), attempt %d",
            delivery.delivery_id,
            self._target.name,
            state,
            outcome.status,
            delivery.attempts,
        )


def _document(delivery: Delivery) -> Document:
    return Document(delivery.path, delivery.sop_class_uid, delivery.sop_instance_uid, delivery.transfer_syntax_uid)
