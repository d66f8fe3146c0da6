"""Identity at send time: a PACS that tells the same, another, nothing, or is away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom import dcmread

from dicomnode.archive.records import DeliveryState
from dicomnode.delivery.identity import IdentityCheck, Policy
from dicomnode.delivery.outbox import Outbox, make_courier
from dicomnode.delivery.outcomes import OutcomeKind, SendOutcome
from dicomnode.errors import PeerUnavailableError
from dicomnode.evidence.correcting import StudyIdentity, differences, identity_of
from dicomnode.peers.asking import HeldStudy
from dicomnode.settings import TargetSettings
from tests.deliveries import Opened
from tests.factories import make_series
from tests.ladder_cases import answered

TARGET = TargetSettings(name="pacs", url="http://127.0.0.1:1", maximum_backoff_seconds=60)
OURS = StudyIdentity("P1", "", "Doe^Jane", "19600102", "A1")
MERGED = replace(OURS, patient_id="P9", issuer_of_patient_id="HOSPITAL", patient_name="Дое^Джейн")


class Taking:
    """A target that takes everything, and remembers whose it was."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, StudyIdentity]] = []

    def send(self, documents):
        for document in documents:
            self.taken.append((document.sop_instance_uid, identity_of(dcmread(document.path))))
            yield document, SendOutcome(OutcomeKind.SUCCESS, "0x0000 success")

    def rest(self) -> None:
        pass

    def close(self) -> None:
        pass


class Telling(Opened):
    """A PACS that tells an identity, None (no such study) or an error."""

    def __init__(self) -> None:
        self.told: StudyIdentity | Exception | None = OURS

    def study(self, uid: str) -> HeldStudy | None:
        if isinstance(self.told, Exception):
            raise self.told
        if self.told is None:
            return None
        told = self.told
        names = (told.patient_id, told.issuer_of_patient_id, told.patient_name, told.patient_birth_date)
        return HeldStudy(uid, *names, told.accession_number, None)


@pytest.fixture
def evidence(archive, tmp_path):
    whose = {"PatientID": "P1", "PatientName": "Doe^Jane", "PatientBirthDate": "19600102", "AccessionNumber": "A1"}
    study = answered(archive, make_series(tmp_path / "files", 2, **whose))
    return archive.evidence.list(study)


@pytest.fixture
def pacs():
    return Telling()


@pytest.fixture
def taking():
    return Taking()


@pytest.fixture
def outbox(archive, pacs, taking, clock, evidence):
    def make(**policy) -> Outbox:
        check = IdentityCheck(archive, lambda: pacs, Policy(**policy), "me", clock)
        courier = make_courier(archive, TARGET, "DICOMNODE", clock)
        return Outbox(archive, TARGET, taking, courier, "me", clock, lambda: 1.0, check)

    return make


def states(archive) -> list[DeliveryState]:
    return [delivery.state for delivery in archive.deliveries.list()]


def test_what_is_still_whose_it_was_is_sent(archive, outbox, evidence):
    outbox().send_due()
    assert states(archive) == [DeliveryState.DELIVERED] * len(evidence)


def test_another_patient_stops_everything_until_somebody_decides(archive, outbox, pacs, taking, clock, evidence):
    pacs.told = MERGED
    outbox().send_due()
    assert taking.taken == []
    held = archive.deliveries.list()
    assert {delivery.state for delivery in held} == {DeliveryState.HELD}
    assert {delivery.status for delivery in held} == {
        "identity changed: the PACS tells another Patient ID, Patient's Name for this study"
    }
    lines = [entry.text for entry in archive.traces.list(held[0].study_instance_uid) if entry.event == "held"]
    assert len(lines) == len(evidence)
    assert not any("P9" in line or "Doe" in line for line in lines)
    clock.seconds += 1e6
    assert outbox().send_due() == 0
    archive.deliveries.release(held[0].delivery_id, clock())
    archive.deliveries.retry(clock(), delivery_id=held[1].delivery_id)
    outbox().send_due()
    assert states(archive)[:2] == [DeliveryState.DELIVERED, DeliveryState.HELD]
    pacs.told = OURS
    archive.deliveries.retry(clock(), target="pacs")
    outbox().send_due()
    assert states(archive) == [DeliveryState.DELIVERED] * len(evidence)


def test_a_change_is_followed_by_new_objects_that_pass_the_gate_and_supersede(archive, outbox, pacs, taking, evidence):
    pacs.told = MERGED
    follows = outbox(change="follow")
    follows.send_due()
    assert taking.taken == []
    assert states(archive) == [DeliveryState.REPLACED] * len(evidence) + [DeliveryState.WAITING] * len(evidence)
    follows.send_due()
    assert [whose for _, whose in taking.taken] == [MERGED] * len(evidence)
    listed = archive.evidence.list(archive.deliveries.list()[0].study_instance_uid)
    current = {item.role: dcmread(item.path) for item in listed if item.instance_number == 2}
    old = {item.role: item for item in evidence}
    assert set(current) == set(old)
    assert all(new.SpecificCharacterSet == "ISO_IR 192" for new in current.values())
    before = current["lesions"].PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert [item.ReferencedSOPInstanceUID for item in before] == [old["lesions"].sop_instance_uid]
    former = {item.sop_instance_uid for item in evidence}
    for new in current.values():
        new.pop("PredecessorDocumentsSequence", None)
        cited = {str(element.value) for element in new.iterall() if element.keyword == "ReferencedSOPInstanceUID"}
        assert not cited & former, "documents of the corrected result cite each other"
    pacs.told = replace(MERGED, patient_id="P10")
    assert follows.send_due() == 0


def test_two_changes_in_a_row_are_both_followed(archive, outbox, pacs, taking, evidence):
    follows = outbox(change="follow")
    for number in ("P8", "P9"):
        pacs.told = replace(MERGED, patient_id=number)
        follows.send_due()
    follows.send_due()
    assert [whose.patient_id for _, whose in taking.taken] == ["P9"] * len(evidence)
    numbers = [item.instance_number for item in archive.evidence.list(archive.deliveries.list()[0].study_instance_uid)]
    assert sorted(numbers) == sorted([1, 2, 3] * len(evidence))


def test_a_change_that_is_told_by_half_is_not_followed(archive, outbox, pacs, taking):
    pacs.told = replace(MERGED, patient_name="")
    outbox(change="follow").send_due()
    assert set(states(archive)) == {DeliveryState.HELD}
    assert taking.taken == []


def test_while_the_pacs_is_away_nothing_leaves(archive, outbox, pacs, taking, clock, evidence):
    pacs.told = PeerUnavailableError("PACS: cannot connect")
    for _ in range(5):
        assert outbox().send_due() == len(evidence)
        assert set(states(archive)) == {DeliveryState.WAITING}
        clock.seconds += 61
    pacs.told = OURS
    outbox().send_due()
    assert set(states(archive)) == {DeliveryState.DELIVERED}


@pytest.mark.parametrize(("absent", "state"), [("send", DeliveryState.DELIVERED), ("wait", DeliveryState.WAITING)])
def test_a_study_that_the_pacs_does_not_hold_is_sent_or_waited_for(archive, outbox, pacs, absent, state):
    pacs.told = None
    outbox(absent=absent).send_due()
    assert set(states(archive)) == {state}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (OURS, ()),
        (replace(OURS, patient_name="DOE^JANE^^^"), ()),
        (replace(OURS, patient_name="Doe^Jane=ドウ^ジェーン"), ()),
        (replace(OURS, patient_name="", patient_birth_date="", accession_number=""), ()),
        (replace(OURS, issuer_of_patient_id="HOSPITAL"), ()),
        (replace(OURS, patient_id=""), ()),
        (replace(OURS, patient_name="Doe^John"), ("Patient's Name",)),
        (replace(OURS, patient_birth_date="19600103"), ("Patient's Birth Date",)),
        (replace(OURS, accession_number="A2"), ("Accession Number",)),
        (MERGED, ("Patient ID", "Patient's Name")),
    ],
)
def test_only_what_contradicts_counts(told, expected):
    assert differences(OURS, told) == expected
    assert differences(replace(OURS, patient_id=""), replace(OURS, patient_id="P1")) == ("Patient ID",)
