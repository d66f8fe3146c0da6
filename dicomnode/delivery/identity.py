"""Identity at send time: whose the study is now, by the PACS that is asked, before anything leaves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydicom import dcmread

from dicomnode.archive import Archive
from dicomnode.archive.records import Delivery
from dicomnode.delivery.correction import Corrector
from dicomnode.delivery.outcomes import OutcomeKind, SendOutcome
from dicomnode.errors import DicomNodeError, PeerError, SettingsError, describe
from dicomnode.evidence.correcting import StudyIdentity, differences, identity_of
from dicomnode.peers.asking import HeldStudy, Pacs

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """What an administrator wants.

    Attributes:
        change: Stop where the PACS tells another identity, or follow it.
        absent: Send where the PACS does not hold the study, or wait until it does.
    """

    change: Literal["stop", "follow"] = "stop"
    absent: Literal["send", "wait"] = "send"


@dataclass(slots=True)
class Sorted:
    """Deliveries of a batch: what may be sent, and what not, each with the outcome; a replaced one is in neither."""

    cleared: list[Delivery] = field(default_factory=list)
    stopped: list[tuple[Delivery, SendOutcome]] = field(default_factory=list)


class IdentityCheck:
    """Asks a PACS about the studies of a batch, once each.

    While it is away, nothing is sent: an object under the wrong patient is worse than a late one.
    """

    def __init__(
        self,
        archive: Archive,
        pacs: Callable[[], Pacs],
        policy: Policy,
        owner: str,
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare a check.

        Args:
            archive: Takes corrected objects.
            pacs: Opens the one that is asked.
            policy: What to do then.
            owner: Who holds the leases of the deliveries.
            clock: Present time.
        """
        self._pacs = pacs
        self._policy = policy
        self._corrector = Corrector(archive, owner, clock)

    def sort(self, deliveries: Sequence[Delivery]) -> Sorted:
        """Tell apart what may be sent; a change that is followed gives a new object its turn instead."""
        found = Sorted([delivery for delivery in deliveries if delivery.released])
        asked = [delivery for delivery in deliveries if not delivery.released]
        if not asked:
            return found
        try:
            held = self._ask({delivery.study_instance_uid for delivery in asked})
        except (PeerError, SettingsError, OSError) as error:
            outcome = SendOutcome(OutcomeKind.TRANSIENT, f"identity cannot be asked: {describe(error)}")
            found.stopped += [(delivery, outcome) for delivery in asked]
            return found
        for delivery in asked:
            self._judge(delivery, held[delivery.study_instance_uid], found)
        return found

    def _ask(self, study_instance_uids: set[str]) -> dict[str, HeldStudy | None]:
        with self._pacs() as pacs:
            return {uid: pacs.study(uid) for uid in sorted(study_instance_uids)}

    def _judge(self, delivery: Delivery, held: HeldStudy | None, found: Sorted) -> None:
        if held is None:
            if self._policy.absent == "send":
                found.cleared.append(delivery)
            else:
                waits = SendOutcome(OutcomeKind.TRANSIENT, "the PACS does not hold the study yet")
                found.stopped.append((delivery, waits))
            return
        told = told_by(held)
        different: tuple[str, ...] = ()
        with suppress(FileNotFoundError):  # which the sender tells
            different = differences(identity_of(dcmread(delivery.path, stop_before_pixels=True)), told)
        if not different:
            found.cleared.append(delivery)
            return
        reason = self._follow(delivery, told, different)
        if reason:
            found.stopped.append((delivery, SendOutcome(OutcomeKind.HELD, reason)))

    def _follow(self, delivery: Delivery, told: StudyIdentity, different: tuple[str, ...]) -> str:
        """Replace the object by one with the told identity; the reason if that is not done."""
        words = f"the PACS tells another {', '.join(different)} for this study"
        if self._policy.change == "stop":
            return f"identity changed: {words}"
        if not (told.patient_id and told.patient_name):
            return f"identity changed: {words}, but not both Patient ID and Patient's Name: not followed"
        try:
            self._corrector.replace(delivery, told, words)
        except DicomNodeError as error:
            return f"identity changed: {words}, but cannot be followed: {describe(error)}"
        _log.warning("delivery %d: %s; followed", delivery.delivery_id, words)
        return ""


def told_by(held: HeldStudy) -> StudyIdentity:
    """What a PACS tells of a study's identity."""
    return StudyIdentity(
        held.patient_id.strip(),
        held.issuer_of_patient_id.strip(),
        held.patient_name.strip(),
        held.patient_birth_date.strip(),
        held.accession_number.strip(),
    )
