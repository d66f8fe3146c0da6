"""Rejection notes and withdrawn reports: what they say, and what the gate says of them."""

from __future__ import annotations

import copy

import pytest

from dicomnode.evidence import check, to_bytes
from dicomnode.evidence.rejection import rejection_note
from dicomnode.evidence.withdrawal import withdrawn_report
from dicomnode.evidence.withdrawn import Cause
from tests.evidence_cases import documents, positive, read_back
from tests.factories import make_series
from tests.withdrawals import sent, withdrawal

KNOWN = lambda uid: True  # noqa: E731


@pytest.fixture
def result(tmp_path):
    """The documents of a positive result, as read from their files."""
    paths = make_series(tmp_path / "in", 3, PatientName="Петров^Иван=山田^太郎", SpecificCharacterSet="ISO_IR 192")
    made = documents(positive(paths), paths)
    return {kind: read_back(dataset) for kind, dataset in made.items()}


@pytest.mark.parametrize(
    ("cause", "title", "modifiers"),
    [(Cause.QUALITY, "113001", ["111218"]), (Cause.SAFETY, "113037", [])],
)
def test_a_rejection_note_names_every_object(result, cause, title, modifiers):
    made = rejection_note(withdrawal(result, cause=cause), result["answer"], 1)
    note = read_back(made.dataset)
    assert check(note, None, KNOWN) == ()
    assert (note.Modality, note.ConceptNameCodeSequence[0].CodeValue) == ("KO", title)
    assert note.ContentTemplateSequence[0].TemplateIdentifier == "2010"
    assert (note.PatientName, note.StudyInstanceUID) == (result["text"].PatientName, result["text"].StudyInstanceUID)
    codes = [item.ConceptCodeSequence[0].CodeValue for item in note.ContentSequence if item.ValueType == "CODE"]
    assert [code for code in codes if code in ("111218",)] == modifiers
    kinds = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID: item.ValueType
        for item in note.ContentSequence
        if "ReferencedSOPSequence" in item
    }
    assert set(kinds) == {item.SOPInstanceUID for item in result.values()}
    assert kinds[result["segmentation"].SOPInstanceUID] == "IMAGE"
    assert kinds[result["text"].SOPInstanceUID] == "COMPOSITE"
    assert "CompletionFlag" not in note


@pytest.mark.parametrize("kind", ["answer", "text", "lesions"])
def test_a_withdrawn_report_supersedes_in_its_own_series(result, kind):
    before = result[kind]
    made = withdrawn_report(withdrawal(result), before, kind)
    note = read_back(made.dataset)
    assert check(note, None, KNOWN) == ()
    assert (note.SeriesInstanceUID, note.InstanceNumber) == (before.SeriesInstanceUID, before.InstanceNumber + 1)
    assert note.SOPClassUID == before.SOPClassUID
    assert (note.SeriesNumber, note.SeriesDescription) == (before.SeriesNumber, before.SeriesDescription)
    assert (note.CompletionFlag, note.VerificationFlag, note.PreliminaryFlag) == ("COMPLETE", "UNVERIFIED", "FINAL")
    [named] = note.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert named.ReferencedSOPInstanceUID == before.SOPInstanceUID
    said = " ".join(str(element.value) for element in note.iterall() if element.keyword == "TextValue")
    assert "was withdrawn. Do not use it." in said
    assert "Reason: wrong calibration" in said
    listed = note.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    uids = {item.ReferencedSOPInstanceUID for series in listed for item in series.ReferencedSOPSequence}
    assert result["segmentation"].SOPInstanceUID in uids
    assert note.PatientName == before.PatientName


def test_the_same_recall_gives_the_same_bytes(result):
    def bytes_of():
        objects = (
            rejection_note(withdrawal(result), result["answer"], 1),
            withdrawn_report(withdrawal(result), result["text"], "text"),
        )
        return [to_bytes(item.dataset) for item in objects]

    assert bytes_of() == bytes_of()


def test_targets_that_hold_different_objects_get_different_notes(result):
    some = sent({"answer": result["answer"]})
    one = rejection_note(withdrawal(result), result["answer"], 1)
    other = rejection_note(withdrawal(result, objects=some), result["answer"], 2)
    assert one.sop_instance_uid != other.sop_instance_uid
    assert one.series_instance_uid == other.series_instance_uid


def _untitle(note):
    note.ConceptNameCodeSequence[0].CodeValue = "113000"


def _unmodified(note):
    note.ContentSequence = [item for item in note.ContentSequence if item.ValueType != "CODE"]


def _one_less(note):
    note.ContentSequence = list(note.ContentSequence)[:-1]


@pytest.mark.parametrize(
    ("change", "problem"),
    [(_untitle, "rejects nothing"), (_unmodified, "Document Title Modifier"), (_one_less, "do not name the same")],
)
def test_the_gate_refuses_a_wrong_rejection_note(result, change, problem):
    note = copy.deepcopy(rejection_note(withdrawal(result), result["answer"], 1).dataset)
    change(note)
    assert any(problem in said for said in check(note, None, KNOWN))


def _without_predecessor(note):
    del note.PredecessorDocumentsSequence


def _silent(note):
    conclusions = note.ContentSequence[-1]
    conclusions.ContentSequence = [item for item in conclusions.ContentSequence if item.ValueType != "TEXT"]


def _preliminary(note):
    note.PreliminaryFlag = "PRELIMINARY"


def _verified(note):
    note.VerificationFlag = "VERIFIED"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_without_predecessor, "names no predecessor"),
        (_silent, "do not say that the result was withdrawn"),
        (_preliminary, "PreliminaryFlag"),
        (_verified, "VerificationFlag"),
    ],
)
def test_the_gate_refuses_a_wrong_withdrawn_report(result, change, problem):
    note = copy.deepcopy(withdrawn_report(withdrawal(result), result["answer"], "answer").dataset)
    change(note)
    assert any(problem in said for said in check(note, None, KNOWN))


def test_a_reason_that_names_the_patient_does_not_pass(result):
    named = withdrawal(result, reason="mixed up with Петров Иван")
    note = withdrawn_report(named, result["text"], "text").dataset
    assert "TextValue holds the patient's name or ID" in check(note, None, KNOWN)
