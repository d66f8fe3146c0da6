"""Substitutes of documents: the same content in an older kind, filed on its own, and named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from dicomnode.errors import InputError
from dicomnode.evidence import PreviousEvidence, check, to_bytes
from dicomnode.evidence.identity import evidence_uids, kinds
from dicomnode.evidence.ladder import CLASS_OF_FORM, substitute_uid
from dicomnode.evidence.substitutes import Original, build_substitute
from tests.evidence_cases import documents, headers, positive, read_back
from tests.factories import make_series

REPORTS = [
    ("answer", "comprehensive"),
    ("answer", "enhanced"),
    ("lesions", "comprehensive"),
    ("lesions", "enhanced"),
    ("text", "comprehensive"),
    ("text", "basic-text"),
]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return make_series(tmp_path_factory.mktemp("series"), 3, modality="MR")


@pytest.fixture(scope="module")
def originals(paths):
    result = positive(paths)
    made = documents(result, paths).items()
    return {kind: Original(read_back(dataset), result.model.name, kind) for kind, dataset in made}


def content(document: Dataset) -> str:
    return str(document.ContentSequence)


@pytest.mark.parametrize(("kind", "form"), REPORTS)
def test_a_report_keeps_its_content_word_for_word(originals, paths, kind, form):
    original = originals[kind].dataset
    made = build_substitute(originals[kind], form, paths)
    assert made.SOPClassUID == made.file_meta.MediaStorageSOPClassUID == CLASS_OF_FORM[form]
    assert (
        made.SOPInstanceUID
        == made.file_meta.MediaStorageSOPInstanceUID
        == substitute_uid(original.SOPInstanceUID, form)
    )
    assert content(made) == content(original)
    assert made.PatientName == original.PatientName
    assert made.VerificationFlag == "UNVERIFIED"


@pytest.mark.parametrize(("kind", "form"), REPORTS)
def test_a_report_passes_the_gate_and_is_the_same_each_time(originals, paths, kind, form):
    first, second = (build_substitute(originals[kind], form, paths) for _ in range(2))
    assert check(first, headers(paths), lambda uid: True) == ()
    assert to_bytes(first) == to_bytes(second)


def test_it_names_what_it_stands_for_and_lies_in_a_series_of_its_own(originals, paths):
    original = originals["answer"].dataset
    made = build_substitute(originals["answer"], "comprehensive", paths)
    [series] = made.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert series.SeriesInstanceUID == original.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID
    taken = {evidence_uids(positive(paths), kind)[0] for kind in kinds()}
    assert made.SeriesInstanceUID not in taken
    assert build_substitute(originals["answer"], "enhanced", paths).SeriesInstanceUID != made.SeriesInstanceUID


def test_what_supersedes_names_the_substitute_of_its_predecessor(paths):
    result = positive(paths)
    before = PreviousEvidence("1.2.3", "1.2.840.10008.5.1.4.1.1.88.34", 4)
    newer = documents(replace(result, input_digest="cd" * 32), paths, previous={"answer": before})
    original = Original(read_back(newer["answer"]), result.model.name, "answer")
    made = build_substitute(original, "comprehensive", paths)
    _, own = made.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert own.SeriesInstanceUID == made.SeriesInstanceUID
    assert own.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == substitute_uid("1.2.3", "comprehensive")
    assert made.InstanceNumber == original.dataset.InstanceNumber == 5
    assert check(made, headers(paths), lambda uid: True) == ()


def test_a_report_that_the_older_class_cannot_hold_is_not_made(originals, paths):
    with pytest.raises(InputError, match="holds a NUM"):
        build_substitute(originals["answer"], "basic-text", paths)
