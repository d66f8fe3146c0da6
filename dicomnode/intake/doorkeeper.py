"""What the listener's engines share: who comes in, what it may do, and what becomes of what it brings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.errors import ArchiveError, DicomNodeError, describe
from dicomnode.intake.admission import (
    CONGESTION,
    UNKNOWN,
    Admitted,
    Caller,
    Load,
    Peer,
    Rejected,
    admit,
    hosts_to_ask,
    rules_of,
)
from dicomnode.intake.alerts import Alerts
from dicomnode.intake.arriving import Arrival, Shelf, StoreRequest
from dicomnode.intake.callers import addresses_of
from dicomnode.intake.seats import Seats
from dicomnode.intake.sending import Sending
from dicomnode.intake.tallying import Tallies
from dicomnode.intake.watch import Call, Link, Patience, Watch
from dicomnode.peers.commitment import CommitmentReport
from dicomnode.peers.commitment_reports import write_report
from dicomnode.settings import Settings

_LOG = logging.getLogger(__name__)
_GRACE_SECONDS = 5.0


class Visit:
    """One connection and its association.

    Attributes:
        call: As the watch sees it.
        sending: As completion sees it.
        origin: Where its instances come from, once it asked for an association.
    """

    def __init__(self, call: Call, sending: Sending) -> None:
        self.call = call
        self.sending = sending
        self.origin = Origin(Way.C_STORE)

    @property
    def peer(self) -> Peer:
        """Who it is; a stranger before it was admitted."""
        return self.call.peer or Peer(UNKNOWN, "")


class Doorkeeper:
    """Called by the threads of all associations, whichever engine runs them.

    Args:
        settings: The node's settings.
        archive: Where instances go.
        clock: Present time.
        seats: Of all processes that receive, if there are several.
    """

    def __init__(
        self, settings: Settings, archive: Archive, clock: Callable[[], datetime], seats: Seats | None = None
    ) -> None:
        self._seats = seats
        self._archive = archive
        self._clock = clock
        self._rules = rules_of(settings)
        self._tallies = Tallies(archive.tallies, clock)
        self._alerts = Alerts(archive.audit, clock)
        self._shelf = Shelf(archive, self._tallies, clock)
        receive = settings.receive
        patience = Patience(
            receive.network_timeout_seconds, receive.idle_timeout_seconds, receive.maximum_instance_bytes
        )
        self.watch = Watch(patience, lambda peer: self._tallies.count(peer, dropped=1))
        self._guard = threading.Lock()

    @contextmanager
    def beside(self, stop: threading.Event) -> Iterator[None]:
        """Run what runs beside the associations, until stopped; on leaving, what they counted is written."""
        self._tallies.flush()  # what was sent earlier today counts from the first association on
        parts = (self.watch.run, self._tallies.run)
        threads = [threading.Thread(target=part, args=(stop,), daemon=True) for part in parts]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join(_GRACE_SECONDS)

    def opened(self, link: Link) -> Visit:
        """Note a new connection."""
        return Visit(self.watch.opened(link), Sending(self._archive, self._clock))

    def refused_handshake(self, address: str, reason: str) -> None:
        """Keep it for the administrator that somebody's TLS handshake failed."""
        _LOG.warning("TLS handshake with %s failed: %s", address, reason)
        self._tallies.count(UNKNOWN, rejected=1)
        self._alerts.tell(UNKNOWN, address, f"TLS handshake with {address} failed: {reason}")

    def asked(self, visit: Visit, caller: Caller) -> Admitted | Rejected:
        """Decide whether an association may be, and what it may do."""
        visit.origin = Origin(Way.C_STORE, caller.ae_title.strip(), caller.called_ae_title.strip(), caller.address)
        try:
            decision = self._decide(visit, caller)
        except (DicomNodeError, OSError) as error:
            decision = Rejected(*CONGESTION, f"whether it may be cannot be told: {describe(error)}")
        if isinstance(decision, Rejected):
            self._note(caller, decision)
        return decision

    def arrival(self, visit: Visit, request: StoreRequest) -> Arrival:
        """Begin to take an instance."""
        return Arrival(self._shelf, request, visit.origin, visit.peer, visit.sending)

    def reported(self, report: CommitmentReport) -> int:
        """Take a target's word on whether it keeps what was sent to it; gives the status for it."""
        return write_report(self._archive, report, self._clock)

    def released(self, visit: Visit) -> None:
        """Note that the sender asked for the release of its association: it sent what it had to send."""
        visit.sending.released()

    def left(self, visit: Visit) -> None:
        """Let another have its place."""
        self.watch.closed(visit.call)
        if self._seats is not None:
            with self._guard:
                self._seats.tell(self.watch.counts())

    def closed(self, visit: Visit) -> None:
        """Let completion know that nothing more comes this way."""
        self.left(visit)
        with suppress(ArchiveError):  # a restart closes it, and the deadline does so in any case
            visit.sending.close()

    def _decide(self, visit: Visit, caller: Caller) -> Admitted | Rejected:
        addresses = {host: addresses_of(host) for host in hosts_to_ask(caller.ae_title, self._rules)}
        no_space = self._archive.space.look().refusal
        seats = self._seats
        # Two that come at once must not both be the last that there is room for
        with self._guard, nullcontext() if seats is None else seats.held():
            counts = self.watch.counts() if seats is None else seats.counts()
            decision = admit(caller, self._rules, Load(counts, self._tallies.today(), no_space), addresses)
            if isinstance(decision, Admitted):
                self.watch.admitted(visit.call, decision.peer)
                if seats is not None:
                    seats.tell(self.watch.counts())
        return decision

    def _note(self, caller: Caller, rejected: Rejected) -> None:
        _LOG.warning("association of %r from %s rejected: %s", caller.ae_title, caller.address, rejected.reason)
        self._tallies.count(rejected.peer, rejected=1)
        if rejected.alert:
            text = f"association from {caller.address} rejected: {rejected.reason}"
            self._alerts.tell(rejected.peer, caller.address, text)
