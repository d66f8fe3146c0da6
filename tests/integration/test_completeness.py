"""Studies of which the modality sent a part, compared with a real PACS and made whole."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import requests
from pydicom import Dataset, dcmread

from dicomnode.archive.checks import CheckState
from dicomnode.archive.records import DeliveryState, JobState
from dicomnode.evidence import evidence_series_uid
from dicomnode.intake.comparing import Comparing
from dicomnode.peers.pacs import open_pacs
from dicomnode.settings import PacsSettings
from tests.archives import make_file, open_archive, put
from tests.integration.studies import brain_study, storescu, study_uid
from tests.node_fixtures import Node
from tests.peers_fixtures import Orthanc, wait_for

CLASSIFIER = "brain_mri_tumor_classifier"
pytestmark = pytest.mark.orthanc


def dimse(orthanc: Orthanc) -> dict[str, object]:
    return {"name": "pacs", "ae_title": orthanc.ae_title, "host": "127.0.0.1", "port": orthanc.port}


@pytest.mark.parametrize("way", ["wado", "c-get"])
def test_a_real_pacs_gives_what_is_missing(orthanc: Orthanc, tmp_path: Path, way: str) -> None:
    for number in range(1, 5):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(make_file(f"1.2.3.{number}", "1.2.3"))
        orthanc.upload(path)
    place = {"name": "pacs", "url": orthanc.dicom_web_url} if way == "wado" else dimse(orthanc)
    settings = PacsSettings.model_validate(place | {"retrieve": way})
    with open_archive(tmp_path / "data") as archive:
        put(archive, make_file("1.2.3.2", "1.2.3"))
        asked = partial(open_pacs, calling_ae_title="DICOMNODE")
        compared = Comparing(archive, [settings], asked, lambda: datetime.now(UTC)).compare("1.2.3", threading.Event())
        assert (compared.state, compared.expected, compared.gained) == (CheckState.WHOLE, 4, 3)
        assert archive.studies.record("1.2.3").source_instances == 4


@pytest.mark.dcmtk
@pytest.mark.timeout(600)
def test_a_late_image_makes_a_new_result_that_names_the_one_before(orthanc, node_factory, tmp_path) -> None:
    """The node has the PACS move what the modality left out, twice; the second answer supersedes the first."""
    node = node_factory(
        {
            "receive": {"accept_unknown_peers": True},
            "completion": {"ask": ["archive"]},
            "pacs": [{**dimse(orthanc), "name": "archive", "retrieve": "c-move"}],
            "targets": [dimse(orthanc)],
        },
        deploy=(CLASSIFIER,),
    )
    orthanc.add_modality("node", "DICOMNODE", node.dicom_port)
    paths = brain_study(tmp_path / "study", "sent-in-part")
    study = study_uid(paths)
    for path in paths[:4]:
        orthanc.upload(path)
    storescu(paths[:1], node.dicom_port)
    first = _answer(node, orthanc, study, 1)
    assert _referenced(first) == _uids(paths[:4])

    for path in paths[4:]:
        orthanc.upload(path)
    storescu(paths[5:], node.dicom_port)
    second = _answer(node, orthanc, study, 2)
    assert _referenced(second) == _uids(paths)
    (predecessor,) = second.PredecessorDocumentsSequence
    named = predecessor.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert named == first.SOPInstanceUID
    assert second.InstanceNumber > first.InstanceNumber
    with node.archive() as archive:
        lines = [entry.text for entry in archive.traces.list(study) if entry.event in ("complete", "reopened")]
    assert "pacs archive lists 4 images, all of them are here (3 fetched from it)" in lines[0]
    assert lines[1].startswith("a late instance arrived")
    assert "pacs archive lists 6 images, all of them are here (1 fetched from it)" in lines[2]


def _answer(node: Node, orthanc: Orthanc, study: str, generation: int) -> Dataset:
    """The newest answer that the PACS holds, once the study's generation is analysed and delivered."""

    def delivered() -> bool:
        with node.archive() as archive:
            done = [job for job in archive.jobs.list(study, JobState.DONE) if job.generation == generation]
            deliveries = archive.deliveries.list(study)
        return bool(done) and all(item.state is DeliveryState.DELIVERED for item in deliveries)

    wait_for(delivered, 240, f"generation {generation}:\n{node.command('trace', study).stdout}")
    series = evidence_series_uid(study, CLASSIFIER, "answer")
    query = {"Level": "Instance", "Query": {"SeriesInstanceUID": series}}
    found = requests.post(f"{orthanc.url}/tools/find", json=query, timeout=20).json()
    answers = []
    for instance in found:
        path = node.folder / "answer.dcm"
        path.write_bytes(orthanc.file(instance))
        answers.append(dcmread(path))
    return max(answers, key=lambda item: int(item.InstanceNumber))


def _uids(paths: list[Path]) -> set[str]:
    return {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths}


def _referenced(document: Dataset) -> set[str]:
    evidence = document.CurrentRequestedProcedureEvidenceSequence
    series = [series for study in evidence for series in study.ReferencedSeriesSequence]
    return {str(item.ReferencedSOPInstanceUID) for one in series for item in one.ReferencedSOPSequence}
