"""What is handed to a sender: the object itself where the target takes it, else what stands for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pydicom.uid import UID

from dicomnode.archive import Archive
from dicomnode.archive.capabilities import Capabilities
from dicomnode.archive.records import Delivery, DeliveryState, Evidence
from dicomnode.archive.substitutes import Substitute
from dicomnode.delivery.capabilities import Knowledge
from dicomnode.delivery.document import Document
from dicomnode.delivery.fallback import Action, Decision, Offer, decide
from dicomnode.delivery.outcomes import OutcomeKind, SendOutcome
from dicomnode.dicom.kinds import sop_class_name
from dicomnode.errors import ArchiveFullError, describe
from dicomnode.evidence.ladder import Form

# A target may have learnt to take more since: before it gets less than it should, it is asked again.
_OLDEST = timedelta(days=1)

Prepared = tuple[Delivery, Document | SendOutcome]


class Courier:
    """Prepares the deliveries of one target for its sender, and learns from what becomes of them."""

    def __init__(
        self,
        archive: Archive,
        knowledge: Knowledge,
        clock: Callable[[], datetime],
        *,
        fallback: bool,
        unwanted: Collection[Form] = (),
    ) -> None:
        """Prepare.

        Args:
            archive: Holds evidence and substitutes.
            knowledge: What the target takes.
            clock: Present time, with time zone.
            fallback: Whether the target wants older kinds of object where it does not take the newer ones.
            unwanted: Forms that it does not want all the same.
        """
        self._archive = archive
        self._knowledge = knowledge
        self._clock = clock
        self._fallback = fallback
        self._unwanted = dict.fromkeys(unwanted, "its settings want none")

    def prepare(self, deliveries: Sequence[Delivery]) -> list[Prepared]:
        """What to send for each leased delivery, or why nothing is sent for it."""
        if not deliveries:
            return []
        capabilities = self._knowledge.current()
        return [(delivery, self._prepared(delivery, capabilities)) for delivery in deliveries]

    def learn(self, document: Document, outcome: SendOutcome) -> SendOutcome:
        """What the outcome of sending a document means for its delivery.

        A target that refuses a kind of object is remembered as such, and the delivery tried again: then an older kind
        goes, or it ends with every reason.
        """
        if outcome.arrived and document.note:
            return replace(outcome, status=f"{outcome.status}; {document.note}")
        if not outcome.of_class or not self._fallback:
            return outcome
        self._knowledge.refused(document.sop_class_uid, outcome.status)
        return replace(outcome, kind=OutcomeKind.TRANSIENT)

    def _prepared(self, delivery: Delivery, capabilities: Capabilities) -> Document | SendOutcome:
        offer = Offer("", delivery.sop_class_uid, delivery.transfer_syntax_uid)
        decision = decide(offer, capabilities)
        evidence = None if decision.action is Action.SEND else self._archive.evidence.get(delivery.sop_instance_uid)
        if evidence is None:
            return _itself(delivery, decision)
        try:
            return self._instead(delivery, evidence, self._knowledge.current(_OLDEST))
        except ArchiveFullError as error:
            return SendOutcome(OutcomeKind.TRANSIENT, str(error))

    def _instead(self, delivery: Delivery, evidence: Evidence, capabilities: Capabilities) -> Document | SendOutcome:
        """Go down the ladder until something fits."""
        offer = self._offer(delivery, evidence)
        while True:
            decision = decide(offer, capabilities, fallback=self._fallback)
            if decision.action is Action.SEND:
                return _itself(delivery, decision)
            if decision.action is not Action.SUBSTITUTE or decision.form is None:
                return _nothing(decision)
            reason = "the target " + ", ".join(decision.reasons)
            from dicomnode.delivery.substituting import substitute_for  # takes in highdicom, and is seldom needed

            try:
                made = substitute_for(self._archive, evidence, decision.form, reason, self._clock())
            except ArchiveFullError:
                raise
            except Exception as error:  # noqa: BLE001  whatever is wrong with one form, the next may do
                offer = replace(offer, impossible={**offer.impossible, decision.form: describe(error)})
                continue
            return _in_place(made, evidence, decision, reason)

    def _offer(self, delivery: Delivery, evidence: Evidence) -> Offer:
        """The object, and which others of its result the target gets."""
        of_result = {
            other.sop_instance_uid: other.role
            for other in self._archive.evidence.list(evidence.study_instance_uid)
            if other.job_id == evidence.job_id
        }
        companions = frozenset(
            of_result[other.sop_instance_uid]
            for other in self._archive.deliveries.list(evidence.study_instance_uid)
            if other.target == delivery.target
            and other.delivery_id != delivery.delivery_id
            and other.state is not DeliveryState.REFUSED
            and other.sop_instance_uid in of_result
        )
        return Offer(evidence.role, delivery.sop_class_uid, delivery.transfer_syntax_uid, companions, self._unwanted)


def _itself(delivery: Delivery, decision: Decision) -> Document:
    stored, sent = delivery.transfer_syntax_uid, decision.transfer_syntax_uid or delivery.transfer_syntax_uid
    note = "" if sent == stored else f"in {UID(sent).name}; the target does not take it in {UID(stored).name}"
    return Document(
        delivery.path,
        delivery.sop_class_uid,
        delivery.sop_instance_uid,
        stored,
        "" if sent == stored else sent,
        note,
    )


def _in_place(made: Substitute, evidence: Evidence, decision: Decision, reason: str) -> Document:
    sent = decision.transfer_syntax_uid
    note = (
        f"sent {sop_class_name(made.sop_class_uid)} {made.sop_instance_uid} in place of "
        f"{sop_class_name(evidence.sop_class_uid)} {evidence.sop_instance_uid}: {reason}"
    )
    return Document(
        made.path,
        made.sop_class_uid,
        made.sop_instance_uid,
        made.transfer_syntax_uid,
        "" if sent == made.transfer_syntax_uid else sent,
        note,
    )


def _nothing(decision: Decision) -> SendOutcome:
    reasons = "the target " + ", ".join(decision.reasons)
    if decision.action is Action.COVERED:
        words = f"not sent: {reasons}; the {decision.covered_by} document, which it gets, says the same"
        return SendOutcome(OutcomeKind.COVERED, words)
    return SendOutcome(OutcomeKind.PERMANENT, f"not sent: {reasons}; nothing is left to send in its place")
