"""How the documents are filed: UIDs, series, numbers, equipment, predecessors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dicomnode.dicom.uids import valid_uid
from dicomnode.evidence import (
    PreviousEvidence,
    check,
    evidence_instance_uid,
    evidence_series_uid,
    evidence_uids,
    to_bytes,
)
from dicomnode.evidence.identity import ROLES, device_uid, series_description, series_number
from dicomnode.findings import Outcome
from tests.evidence_cases import (
    MODEL,
    NODE,
    built,
    documents,
    headers,
    positive,
    read_back,
    unanswered,
)
from tests.factories import make_series


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return make_series(tmp_path, 5)


def test_same_result_gives_the_same_bytes(paths: list[Path]) -> None:
    first = [to_bytes(made.dataset) for made in built(positive(paths), paths)]
    assert first == [to_bytes(made.dataset) for made in built(positive(paths), list(reversed(paths)))]


def test_no_series_is_shared_and_uids_follow_the_parts(paths: list[Path]) -> None:
    result = positive(paths)
    made = built(result, paths)
    assert len({item.series_instance_uid for item in made}) == len({item.sop_instance_uid for item in made}) == 4
    for item in made:
        series = evidence_series_uid(result.study_instance_uid, MODEL.name, item.role)
        assert item.series_instance_uid == item.dataset.SeriesInstanceUID == series
        expected = evidence_instance_uid(series, result.input_digest, MODEL.digest, item.role)
        assert item.sop_instance_uid == item.dataset.SOPInstanceUID == expected
        assert evidence_uids(result, item.role) == (series, expected)
        assert valid_uid(expected)


@pytest.mark.parametrize("change", [{"input_digest": "cd" * 32}, {"model": replace(MODEL, digest="ef" * 32)}])
def test_other_input_or_model_makes_another_object_in_the_same_series(
    paths: list[Path], change: dict[str, object]
) -> None:
    before, after = built(positive(paths), paths), built(positive(paths, **change), paths)
    assert [item.series_instance_uid for item in before] == [item.series_instance_uid for item in after]
    assert not {item.sop_instance_uid for item in before} & {item.sop_instance_uid for item in after}


def test_unprocessed_run_does_not_take_the_uid_of_the_later_answer(paths: list[Path]) -> None:
    failed, refused = (evidence_uids(unanswered(paths, o), "answer")[1] for o in (Outcome.FAILED, Outcome.REFUSED))
    assert len({failed, refused, evidence_uids(positive(paths), "answer")[1]}) == 3


def test_superseding_documents_count_on_and_name_their_predecessor(paths: list[Path]) -> None:
    before = {item.role: item for item in built(positive(paths), paths)}
    previous = {
        role: PreviousEvidence(item.sop_instance_uid, str(item.dataset.SOPClassUID), 3) for role, item in before.items()
    }
    for item in built(positive(paths, input_digest="cd" * 32), paths, previous=previous):
        assert item.instance_number == item.dataset.InstanceNumber == 4
        assert check(read_back(item.dataset), headers(paths)) == ()
        if item.role != "segmentation":
            series = item.dataset.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
            assert series.SeriesInstanceUID == item.series_instance_uid
            reference = series.ReferencedSOPSequence[0]
            assert reference.ReferencedSOPInstanceUID == before[item.role].sop_instance_uid


def test_the_same_object_made_again_keeps_its_number(paths: list[Path]) -> None:
    result = positive(paths)
    uid = evidence_uids(result, "answer")[1]
    again = built(result, paths, previous={"answer": PreviousEvidence(uid, "1.2.840.10008.5.1.4.1.1.88.34", 2)})[0]
    assert again.instance_number == 2
    assert "PredecessorDocumentsSequence" not in again.dataset


def test_documents_share_no_element(paths: list[Path]) -> None:
    made = documents(positive(paths), paths)
    made["answer"].PatientID = "CHANGED"
    assert made["text"].PatientID == made["segmentation"].PatientID == "TEST-1"


def test_contributing_equipment_names_model_and_node(paths: list[Path]) -> None:
    for dataset in documents(positive(paths), paths).values():
        model, node = dataset.ContributingEquipmentSequence
        assert (model.Manufacturer, model.ManufacturerModelName, model.SoftwareVersions) == (
            MODEL.manufacturer,
            MODEL.name,
            MODEL.version,
        )
        assert model.DeviceUID == device_uid(MODEL) != device_uid(replace(MODEL, digest="ef" * 32))
        assert (node.Manufacturer, node.StationName) == ("dicomnode", NODE.ae_title)


@pytest.mark.parametrize("name", ["m", "x" * 80])
def test_series_description_fits_and_number_is_stable(name: str) -> None:
    model = replace(MODEL, name=name)
    for role in ROLES:
        description = series_description(model, role)
        assert len(description) <= 64
        assert description.startswith(f"AI {name[:10]}")
        assert description.endswith("(unverified)")
        assert series_number(name, role) == series_number(name, role) >= 9001
    assert len({series_number(name, role) for role in ROLES}) == len(ROLES)
