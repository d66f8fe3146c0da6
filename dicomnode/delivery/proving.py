"""Following what was sent until its target commits to it, or shows it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from pydicom.uid import generate_uid

from dicomnode.archive import Archive
from dicomnode.archive.records import Proof, ProofState
from dicomnode.delivery.backoff import backoff
from dicomnode.errors import PeerError, PeerRefusedError, PeerUnavailableError, SettingsError, describe
from dicomnode.peers.asking import Pacs
from dicomnode.peers.commitment import Answerer, CommitmentReport, Referenced
from dicomnode.peers.commitment_reports import write_report
from dicomnode.settings import TargetSettings

_log = logging.getLogger(__name__)
_IDLE_SECONDS = 2.0
_SHORTEST_PAUSE_SECONDS = 0.5
_BATCH = 100
_LOOKS = 8  # with the pauses between them: about four minutes
_UNREPORTED = 3
_LONGEST_PATIENCE = 86400.0
_REFUSAL_KEPT = timedelta(hours=1)

Commit = Callable[[str, Sequence[Referenced], Answerer], None]
"""Asks for storage commitment: transaction UID, objects, and what takes a report on the same association."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How a target can be asked; None where it cannot.

    Attributes:
        commit: By storage commitment.
        look: By opening a PACS that shows what the target took.
    """

    commit: Commit | None
    look: Callable[[], Pacs] | None


class Prover:
    """Asks for proof of what was sent to one target.

    While the target or its PACS is away, it waits, as long as that takes. An object that the target says
    it does not have is sent again.
    """

    def __init__(
        self,
        archive: Archive,
        target: TargetSettings,
        ways: Ways,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        """Prepare a prover.

        Args:
            archive: Holds the deliveries.
            target: Where they went.
            ways: How it is asked; with both, commitment comes first.
            clock: Present time, with time zone.
            jitter: Random numbers, 0..1.
        """
        self._archive = archive
        self._target = target
        self._ways = ways
        self._clock = clock
        self._jitter = jitter
        self._refused_until: datetime | None = None

    def run(self, stop: Event) -> None:
        """Ask until told to stop."""
        waiter = self._archive.wakeups.waiter()
        while not stop.is_set():
            if self.prove_due() == 0:
                waiter.wait(stop, _IDLE_SECONDS)
                stop.wait(_SHORTEST_PAUSE_SECONDS)  # nothing is due the moment it was sent

    def prove_due(self) -> int:
        """Ask once for what is due; returns how many objects that was."""
        due = self._archive.proofs.due(self._target.name, self._clock(), _BATCH)
        for proof in due:
            if proof.state is ProofState.FAILED:
                self._send_again(proof)
        waiting = [proof for proof in due if proof.state is not ProofState.FAILED]
        shown = [proof for proof in waiting if self._is_shown(proof)]
        asked = [proof for proof in waiting if proof not in shown]
        if self._ways.commit is not None and asked and not self._commit(self._ways.commit, asked):
            shown += asked
        self._look(shown)
        return len(due)

    def _is_shown(self, proof: Proof) -> bool:
        """Whether an object is looked for, because commitment is not offered or no report ever came."""
        if self._ways.commit is None or (self._refused_until is not None and self._clock() < self._refused_until):
            return True
        return self._ways.look is not None and proof.state is ProofState.REQUESTED and proof.attempts >= _UNREPORTED

    def _commit(self, commit: Commit, proofs: Sequence[Proof]) -> bool:
        """Ask for storage commitment; false if the target does not offer it, and there is another way."""
        transaction_uid = str(generate_uid(prefix=None))
        now = self._clock()
        delivery_ids = [proof.delivery_id for proof in proofs]
        until = now + self._patience(min(proof.attempts for proof in proofs))
        taken = self._archive.proofs.request(self._target.name, delivery_ids, transaction_uid, until, now)
        objects = [Referenced(p.sop_class_uid, p.sop_instance_uid) for p in proofs if p.delivery_id in taken]
        if not objects:
            return True
        try:
            commit(transaction_uid, objects, self._take_report)
        except PeerRefusedError as error:
            return self._not_offered(taken, error)
        except (PeerUnavailableError, OSError) as error:
            self._wait(proofs, error)
        return True

    def _take_report(self, report: CommitmentReport) -> int:
        return write_report(self._archive, report, self._clock)

    def _not_offered(self, delivery_ids: Sequence[int], error: PeerRefusedError) -> bool:
        now = self._clock()
        if self._target.proof == "commitment":
            again = now + timedelta(seconds=self._target.maximum_backoff_seconds)
            self._archive.proofs.later(delivery_ids, describe(error), again, answered=False)
            _log.warning("target %s: %s", self._target.name, describe(error))
            return True
        self._refused_until = now + _REFUSAL_KEPT
        _log.info("target %s: %s; what it took is looked for instead", self._target.name, describe(error))
        return False

    def _look(self, proofs: Sequence[Proof]) -> None:
        if not proofs:
            return
        if self._ways.look is None:
            for proof in proofs:
                self._settle(proof, ProofState.UNPROVEN, "the target offers no storage commitment")
            return
        done = 0
        try:
            with self._ways.look() as pacs:
                for proof in proofs:
                    held = pacs.holds(proof.study_instance_uid, proof.series_instance_uid, proof.sop_instance_uid)
                    self._seen(proof, held)
                    done += 1
        except PeerRefusedError as error:
            self._not_shown(proofs[done:], error)
        except (PeerUnavailableError, SettingsError, OSError) as error:
            self._wait(proofs[done:], error)

    def _seen(self, proof: Proof, held: bool) -> None:
        if held:
            self._settle(proof, ProofState.VISIBLE, "seen by asking")
        elif proof.attempts + 1 >= _LOOKS:
            status = f"not visible after {proof.attempts + 1} look(s)"
            self._settle(proof, ProofState.FAILED, status)
        else:
            at = self._clock() + timedelta(seconds=self._pause(proof.attempts + 1))
            self._archive.proofs.later([proof.delivery_id], "not visible yet", at, answered=True)

    def _not_shown(self, proofs: Sequence[Proof], error: PeerRefusedError) -> None:
        """The target answers no questions: that is final only if nobody asked for proof."""
        if self._target.proof is None and self._target.pacs is None:
            for proof in proofs:
                self._settle(proof, ProofState.UNPROVEN, describe(error))
        else:
            self._wait(proofs, error)

    def _settle(self, proof: Proof, state: ProofState, status: str) -> None:
        self._archive.proofs.settle(proof.delivery_id, state, status, self._clock())
        _log.info("delivery %d to %s: %s (%s)", proof.delivery_id, self._target.name, state, status)

    def _wait(self, proofs: Sequence[Proof], error: PeerError | SettingsError | OSError) -> None:
        at = self._clock() + timedelta(seconds=self._target.maximum_backoff_seconds * (0.1 + 0.1 * self._jitter()))
        self._archive.proofs.later([proof.delivery_id for proof in proofs], describe(error), at, answered=False)
        _log.warning("target %s cannot be asked for proof: %s", self._target.name, describe(error))

    def _send_again(self, proof: Proof) -> None:
        now = self._clock()
        at = now + timedelta(seconds=self._pause(proof.send_attempts))
        if self._archive.proofs.send_again(proof.delivery_id, at, now):
            _log.warning("delivery %d to %s: %s; sent again", proof.delivery_id, self._target.name, proof.status)

    def _pause(self, attempts: int) -> float:
        return backoff(max(1, attempts), self._target.maximum_backoff_seconds, self._jitter())

    def _patience(self, attempts: int) -> timedelta:
        """How long a report may take: longer each time, since some archives report once a day."""
        seconds = self._target.commitment_timeout_seconds
        return timedelta(seconds=min(seconds * 2.0 ** min(attempts, 16), max(seconds, _LONGEST_PATIENCE)))
