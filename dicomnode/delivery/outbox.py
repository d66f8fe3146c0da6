"""The outbox: what is due goes to its target until the target says that it has it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from threading import Event

from dicomnode.archive import Archive
from dicomnode.archive.delivery_ends import Ended
from dicomnode.archive.records import Delivery, DeliveryState
from dicomnode.delivery.address import address_of
from dicomnode.delivery.backoff import backoff
from dicomnode.delivery.capabilities import Knowledge
from dicomnode.delivery.courier import Courier
from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.document import Document, Sender
from dicomnode.delivery.identity import IdentityCheck
from dicomnode.delivery.lanes import Lanes, in_bunches
from dicomnode.delivery.outcomes import OutcomeKind, SendOutcome
from dicomnode.delivery.stow import StowSender
from dicomnode.errors import describe
from dicomnode.evidence.ladder import Form
from dicomnode.peers.http import WebAccess
from dicomnode.settings import TargetSettings

_log = logging.getLogger(__name__)
_IDLE_SECONDS = 1.0
_BATCH = 32
_LEASE_MARGIN = timedelta(seconds=10)

# A delivery, its outcome, and the SOP Instance UID of what was sent for it, if anything was
_Ended = tuple[Delivery, SendOutcome, str | None]

_STATES = {
    OutcomeKind.SUCCESS: DeliveryState.DELIVERED,
    OutcomeKind.WARNING: DeliveryState.WARNING,
    OutcomeKind.TRANSIENT: DeliveryState.WAITING,
    OutcomeKind.PERMANENT: DeliveryState.REFUSED,
    OutcomeKind.COVERED: DeliveryState.COVERED,
    OutcomeKind.HELD: DeliveryState.HELD,
}


def make_sender(target: TargetSettings, calling_ae_title: str, clock: Callable[[], datetime]) -> Sender:
    """The way to a target that its settings name."""
    senders = [_make_sender(target, calling_ae_title, clock) for _ in range(target.connections)]
    return senders[0] if len(senders) == 1 else Lanes(senders)


def _make_sender(target: TargetSettings, calling_ae_title: str, clock: Callable[[], datetime]) -> Sender:
    address = address_of(target, calling_ae_title)
    if isinstance(address, str):
        access = WebAccess.of(f"targets.{target.name}", target.tls, target.authorization)
        return StowSender(address, target.timeout_seconds, clock, access)
    return CStoreSender(address, keep_open=True, deflate=target.deflate)


def make_courier(
    archive: Archive, target: TargetSettings, calling_ae_title: str, clock: Callable[[], datetime]
) -> Courier:
    """What prepares objects for a target."""
    knowledge = Knowledge(archive, target.name, address_of(target, calling_ae_title), clock)
    wanted: dict[Form, bool] = {
        "presentation": target.send.presentation_state,
        "picture": target.send.picture,
    }
    unwanted = [form for form, is_wanted in wanted.items() if not is_wanted]
    return Courier(archive, knowledge, clock, fallback=target.fallback, unwanted=unwanted)


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
        courier: Courier,
        owner: str,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        identity: IdentityCheck | None = None,
    ) -> None:
        """Prepare an outbox.

        Args:
            archive: Holds the deliveries.
            target: Where to.
            sender: How; from `make_sender`.
            courier: Prepares what is sent; from `make_courier`.
            owner: Names this process in leases; from `DeliveryStore.claim_name`.
            clock: Present time, with time zone.
            jitter: Random numbers, 0..1.
            identity: Asks whose a study is before anything of it is sent; None where nobody can be asked.
        """
        self._identity = identity
        self._archive = archive
        self._target = target
        self._sender = sender
        self._courier = courier
        self._owner = owner
        self._clock = clock
        self._jitter = jitter
        self._lease = 2 * timedelta(seconds=target.timeout_seconds) + _LEASE_MARGIN
        self._lease_until = clock()

    def run(self, stop: Event) -> None:
        """Send until told to stop."""
        waiter = self._archive.wakeups.waiter()
        try:
            while not stop.is_set():
                if self.send_due() == 0:
                    self._sender.rest()
                    waiter.wait(stop, _IDLE_SECONDS)
        finally:
            self._sender.close()

    def send_due(self) -> int:
        """Send one batch of what is due; returns how many objects were tried."""
        leased = self._lease_batch()
        if not leased:
            return 0
        jitter = self._jitter()  # one for the batch, so that the documents of one result stay together
        documents: list[Document] = []
        waiting: dict[str, Delivery] = {}
        for delivery, prepared in self._courier.prepare(self._cleared(leased, jitter)):
            if isinstance(prepared, SendOutcome):
                self._mark([(delivery, prepared, None)], jitter)
            else:
                documents.append(prepared)
                waiting[prepared.sop_instance_uid] = delivery
        try:
            for bunch in in_bunches(self._sender, documents):
                self._mark([self._learnt(waiting, *sent) for sent in bunch], jitter)
                self._renew(waiting.values())
            rest = SendOutcome(OutcomeKind.TRANSIENT, "not sent yet")
        except OSError as error:
            rest = SendOutcome(OutcomeKind.TRANSIENT, describe(error))
        self._mark([(delivery, rest, None) for delivery in waiting.values()], jitter)
        return len(leased)

    def _learnt(self, waiting: dict[str, Delivery], document: Document, outcome: SendOutcome) -> _Ended:
        uid = document.sop_instance_uid
        return waiting.pop(uid), self._courier.learn(document, outcome), uid

    def _cleared(self, leased: Sequence[Delivery], jitter: float) -> Sequence[Delivery]:
        """Those whose study still is whose it was."""
        if self._identity is None:
            return leased
        found = self._identity.sort(leased)
        self._mark([(delivery, outcome, None) for delivery, outcome in found.stopped], jitter)
        return found.cleared

    def _lease_batch(self) -> Sequence[Delivery]:
        now = self._clock()
        due = self._archive.deliveries.due(self._target.name, now, _BATCH * self._target.connections)
        self._lease_until = now + self._lease
        numbers = [delivery.delivery_id for delivery in due]
        return self._archive.deliveries.lease_all(numbers, self._owner, self._lease_until, now) if numbers else ()

    def _renew(self, waiting: Collection[Delivery]) -> None:
        """Keep what is still to be sent from being sent by another process that cannot see whether this one lives."""
        now = self._clock()
        if waiting and self._lease_until - now < self._lease / 2:
            self._lease_until = now + self._lease
            self._archive.deliveries.renew([item.delivery_id for item in waiting], self._owner, self._lease_until)

    def _mark(self, ended: Sequence[_Ended], jitter: float) -> None:
        if not ended:
            return
        now = self._clock()
        self._archive.deliveries.mark_all(self._owner, [self._end(*one, jitter, now) for one in ended], now)
        for delivery, outcome, _ in ended:
            _log.log(
                logging.INFO if outcome.arrived else logging.WARNING,
                "delivery %d to %s: %s (%s), attempt %d",
                delivery.delivery_id,
                self._target.name,
                _STATES[outcome.kind],
                outcome.status,
                delivery.attempts,
            )

    def _end(self, delivery: Delivery, outcome: SendOutcome, sent: str | None, jitter: float, now: datetime) -> Ended:
        pause = backoff(delivery.attempts, self._target.maximum_backoff_seconds, jitter)
        return Ended(
            delivery.delivery_id,
            _STATES[outcome.kind],
            outcome.status,
            now + timedelta(seconds=max(pause, outcome.retry_after or 0.0)),
            outcome.answer,
            self._target.proof != "none",
            None if sent == delivery.sop_instance_uid else sent,
        )
