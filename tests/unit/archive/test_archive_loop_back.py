"""What a node wrote starts no work when it comes back, whichever node it comes to and whatever that node remembers."""

from __future__ import annotations

import pytest

from dicomnode.archive.records import StudyState
from dicomnode.conformance.sample import sample_documents
from dicomnode.errors import InputError
from dicomnode.evidence import to_bytes
from dicomnode.evidence.ladder import substitute_kinds
from dicomnode.evidence.substitutes import Original, build_substitute
from tests.archives import NOW, at, complete, make_file, open_archive, put
from tests.evidence_cases import read_back


@pytest.fixture(scope="module")
def objects():
    """Every kind of object that a node sends, notes of recalls and substitutes among them, as files."""
    documents = {kind: read_back(dataset) for kind, dataset in sample_documents("ANOTHER").items()}
    substitutes = {}
    for name, kind, form in substitute_kinds():
        if kind in documents and form not in ("presentation", "picture"):  # drawn ones want the source images
            try:
                substitutes[name] = build_substitute(Original(documents[kind], "model", kind), form, [])
            except InputError:
                continue  # not everything can be said in every form
    assert len(substitutes) >= 5
    return {kind: to_bytes(dataset) for kind, dataset in (documents | substitutes).items()}


def test_a_node_that_never_saw_the_study_does_nothing(objects, tmp_path):
    with open_archive(tmp_path / "fresh") as archive:
        for kind, data in objects.items():
            assert put(archive, data).status == "own", kind
        assert archive.studies.open_studies() == []
        assert archive.jobs.unrouted() == []
        assert {record.state for record in archive.studies.list()} == {StudyState.COMPLETE}
        assert {record.generation for record in archive.studies.list()} == {0}


def test_a_node_that_has_the_study_does_not_open_it_again(objects, tmp_path):
    study = str(read_study(next(iter(objects.values()))))
    with open_archive(tmp_path / "node") as archive:
        put(archive, make_file("1.2.3.1", study, PatientID="ID", PatientName="Name^Patient"))
        generation = complete(archive, study)
        archive.jobs.add_all(study, generation, [], [], NOW)
        for data in objects.values():
            assert put(archive, data, at(5)).status == "own"
        assert archive.studies.record(study).state is StudyState.COMPLETE
        assert archive.studies.record(study).source_instances == 1
        assert archive.jobs.unrouted() == []
        assert [series.modality for series in archive.studies.get(study).series] == ["MR"]


def read_study(data: bytes) -> str:
    from io import BytesIO

    from pydicom import dcmread

    return str(dcmread(BytesIO(data), stop_before_pixels=True).StudyInstanceUID)
