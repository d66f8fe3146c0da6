"""The main job, with real peers: DCMTK as the modality, Orthanc as the PACS, dciodvfy and dsrdump as judges."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pydicom import Dataset, dcmread

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState, JobKind, JobState, StudyState
from dicomnode.errors import NotFoundError
from dicomnode.evidence import evidence_series_uid
from tests.factories import make_series
from tests.integration.studies import brain_study, judged_by_dciodvfy, picture_study, storescu, study_uid
from tests.node_fixtures import BUNDLES, Node
from tests.peers_fixtures import Orthanc, running_orthanc, wait_for

CLASSIFIER, DETECTOR = "brain_mri_tumor_classifier", "brain_mri_lesion_detector"
SR, SEG = "1.2.840.10008.5.1.4.1.1.88", "1.2.840.10008.5.1.4.1.1.66.4"

pytestmark = [pytest.mark.orthanc, pytest.mark.dcmtk, pytest.mark.dciodvfy, pytest.mark.timeout(300)]


class Loop:
    """A node and the Orthanc that it answers to."""

    def __init__(self, node: Node, orthanc: Orthanc) -> None:
        self.node = node
        self.orthanc = orthanc

    def settled(self, study: str, jobs: int, seconds: float = 120.0) -> None:
        """Wait until a study has that many finished jobs, and every delivery of it ended."""

        def ended() -> bool:
            with self.node.archive() as archive:
                states = [job.state for job in archive.jobs.list(study)]
                waiting = [
                    item.state
                    for item in archive.deliveries.list(study)
                    if item.state in (DeliveryState.WAITING, DeliveryState.SENDING)
                ]
            unfinished = (JobState.WAITING, JobState.LEASED)
            return len(states) >= jobs and not waiting and not any(state in unfinished for state in states)

        wait_for(ended, seconds, f"study {study}:\n{self.node.command('trace', study).stdout}")

    def results(self, study: str, folder: Path) -> list[Dataset]:
        """What Orthanc holds of a study besides images, each also written to `folder` and judged."""
        folder.mkdir(parents=True, exist_ok=True)
        query = {"Level": "Instance", "Query": {"StudyInstanceUID": study}}
        found = requests.post(f"{self.orthanc.url}/tools/find", json=query, timeout=20).json()
        results = []
        for number, instance in enumerate(found):
            path = folder / f"{number}.dcm"
            path.write_bytes(self.orthanc.file(instance))
            dataset = dcmread(path)
            if dataset.Modality in ("SR", "SEG"):
                assert judged_by_dciodvfy(path) == [], dataset.SeriesDescription
                results.append(dataset)
        return results


def settings_for(orthanc: Orthanc, way: str = "dimse", **more: Any) -> dict[str, Any]:
    dimse = {"name": "pacs", "ae_title": orthanc.ae_title, "host": "127.0.0.1", "port": orthanc.port}
    target = dimse if way == "dimse" else {"name": "pacs", "url": orthanc.dicom_web_url}
    rules = [{"model": "*"}, {"model": CLASSIFIER, "called_ae_title": "BRAIN"}]
    return {"targets": [target], "rules": rules, **more}


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """One node with both models live, answering by C-STORE to one Orthanc, for the tests of this module."""
    folder = tmp_path_factory.mktemp("loop")
    with running_orthanc(folder / "orthanc") as orthanc:
        node = Node(folder / "node", settings_for(orthanc), BUNDLES).deploy(CLASSIFIER, DETECTOR)
        try:
            yield Loop(node.start(), orthanc)
        finally:
            node.stop()


def roles_of(results: list[Dataset], study: str, model: str) -> set[str]:
    """Which documents of a model are among the results, told by their series."""
    series = {str(item.SeriesInstanceUID) for item in results}
    roles = ("answer", "text", "lesions", "segmentation")
    return {role for role in roles if evidence_series_uid(study, model, role) in series}


def test_study_sent_by_storescu_comes_back_as_sr_and_seg(loop: Loop, tmp_path: Path) -> None:
    paths = brain_study(tmp_path / "study", "by-c-store")
    study = study_uid(paths)

    storescu(paths, loop.orthanc.port, called=loop.orthanc.ae_title)
    storescu(paths, loop.node.dicom_port)
    loop.settled(study, 2)

    results = loop.results(study, tmp_path / "results")
    assert roles_of(results, study, CLASSIFIER) == {"answer", "text"}
    assert roles_of(results, study, DETECTOR) == {"answer", "text", "lesions", "segmentation"}
    assert len(results) == 6
    source = dcmread(paths[0], stop_before_pixels=True)
    for result in results:
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "AccessionNumber"):
            assert result[keyword].value == source[keyword].value
        if result.Modality == "SR":
            assert result.VerificationFlag == "UNVERIFIED"
    for number in range(len(list((tmp_path / "results").iterdir()))):
        path = tmp_path / "results" / f"{number}.dcm"
        if dcmread(path, stop_before_pixels=True).Modality == "SR":
            subprocess.run(["dsrdump", str(path)], check=True, capture_output=True, timeout=60)
    assert loop.node.command("lint", *map(str, sorted((tmp_path / "results").iterdir()))).returncode == 0


def test_trace_says_for_every_model_why(loop: Loop, tmp_path: Path) -> None:
    paths = make_series(tmp_path / "ct", 3, modality="CT", study="ct-nobody-asked", BodyPartExamined="CHEST")
    study = study_uid(paths)

    storescu(paths, loop.node.dicom_port)
    said = wait_for(lambda: _trace_with(loop.node, study, "not run"), 60, "the trace")

    for model in (CLASSIFIER, DETECTOR):
        assert any(model in line and "modality CT" in line for line in said.splitlines()), said
    assert loop.results(study, tmp_path / "results") == []


def _trace_with(node: Node, study: str, words: str) -> str:
    said = node.command("trace", study).stdout
    return said if words in said else ""


def test_ct_sent_to_the_brain_models_ae_title_is_answered_out_of_scope(loop: Loop, tmp_path: Path) -> None:
    paths = make_series(tmp_path / "ct", 3, modality="CT", study="ct-asked", BodyPartExamined="CHEST")
    study = study_uid(paths)

    storescu(paths, loop.node.dicom_port, called="BRAIN")
    loop.settled(study, 1)

    results = loop.results(study, tmp_path / "results")
    assert roles_of(results, study, CLASSIFIER) == {"answer", "text"}
    assert len(results) == 2
    with loop.node.archive() as archive:
        assert [job.kind for job in archive.jobs.list(study)] == [JobKind.OUT_OF_SCOPE]


def test_patient_id_that_changes_within_a_study_is_refused(loop: Loop, tmp_path: Path) -> None:
    paths = brain_study(tmp_path / "study", "two-patients")
    other = dcmread(paths[-1])
    other.PatientID = "SOMEBODY-ELSE"
    other.save_as(paths[-1])
    study = study_uid(paths)

    storescu(paths, loop.node.dicom_port)
    loop.settled(study, 2)

    with loop.node.archive() as archive:
        assert {job.kind for job in archive.jobs.list(study)} == {JobKind.REFUSED}
        assert archive.studies.record(study).identity_conflict
    results = loop.results(study, tmp_path / "results")
    assert {item.Modality for item in results} == {"SR"}
    assert all(item.PatientID == "TEST-two-patients" for item in results)


def test_late_image_reopens_and_the_new_result_supersedes(loop: Loop, tmp_path: Path) -> None:
    paths = brain_study(tmp_path / "study", "late-image")
    study = study_uid(paths)
    storescu(paths[:-1], loop.node.dicom_port)
    loop.settled(study, 2)

    storescu(paths[-1:], loop.node.dicom_port)
    loop.settled(study, 4)

    series = evidence_series_uid(study, CLASSIFIER, "answer")
    answers = [item for item in loop.results(study, tmp_path / "results") if item.SeriesInstanceUID == series]
    old, new = sorted(answers, key=lambda item: int(item.InstanceNumber))
    assert int(new.InstanceNumber) == int(old.InstanceNumber) + 1
    named = new.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == old.SOPInstanceUID


def test_results_that_come_back_start_no_work(loop: Loop, tmp_path: Path) -> None:
    paths = brain_study(tmp_path / "study", "loops-back")
    study = study_uid(paths)
    storescu(paths, loop.orthanc.port, called=loop.orthanc.ae_title)
    storescu(paths, loop.node.dicom_port)
    loop.settled(study, 2)
    with loop.node.archive() as archive:
        jobs, record = archive.jobs.counts(), archive.studies.record(study)

    loop.orthanc.add_modality("node", "DICOMNODE", loop.node.dicom_port)
    loop.orthanc.send_all("node")

    # Long enough for the quiet period to close anything that had been opened by mistake.
    loop.settled(study, 2)
    with loop.node.archive() as archive:
        wait_for(lambda: not archive.studies.open_studies(), 30, "studies to close")
        assert archive.jobs.counts() == jobs
        again = archive.studies.record(study)
    assert (again.generation, again.source_instances) == (record.generation, record.source_instances)


@pytest.mark.data
def test_no_tumour_gives_a_full_negative_answer(loop: Loop, tmp_path: Path, test_data: Path) -> None:
    picture = sorted((test_data / "brain_mri" / "train" / "notumor").glob("*.jpg"))[0]
    paths = picture_study(tmp_path / "study", picture, "negative")
    study = study_uid(paths)

    storescu(paths, loop.node.dicom_port)
    loop.settled(study, 2)

    results = loop.results(study, tmp_path / "results")
    assert roles_of(results, study, CLASSIFIER) == {"answer", "text"}
    said = "\n".join(loop.node.command("trace", study).stdout.splitlines())
    assert "no_findings" in said or "no findings" in said, said


@pytest.mark.data
@pytest.mark.parametrize(
    ("series", "jobs"), [("ct_chest_Lung_Dx-A0002_B40f", 0), ("mr_head_t1w_every32nd", 2)], ids=["CT", "MR"]
)
def test_real_series(loop: Loop, tmp_path: Path, test_data: Path, series: str, jobs: int) -> None:
    paths = sorted((test_data / "dicom_samples" / "series" / series).glob("**/*.dcm"))
    study = study_uid(paths)

    storescu(paths, loop.node.dicom_port)
    with loop.node.archive() as archive:
        wait_for(lambda: _is_complete(archive, study), 60, "the study to close")
        assert archive.studies.record(study).source_instances == len(paths)
    loop.settled(study, jobs)

    results = loop.results(study, tmp_path / "results")
    models = (CLASSIFIER, DETECTOR) if jobs else ()
    assert all(roles_of(results, study, model) >= {"answer", "text"} for model in models)
    assert bool(results) == bool(jobs)


@pytest.mark.parametrize("role", ["receive", "dispatch", "infer", "web"])
def test_killed_role_leaves_exactly_one_result(loop: Loop, tmp_path: Path, role: str) -> None:
    paths = brain_study(tmp_path / "study", f"kill-{role}")
    study = study_uid(paths)

    storescu(paths[:3], loop.node.dicom_port)
    killed = loop.node.kill(role)
    wait_for(lambda: loop.node.presence(role)["pid"] != killed, 60, f"a new {role}")
    storescu(paths[3:], loop.node.dicom_port)
    if role == "infer":
        _kill_at_work(loop, study)
    with loop.node.archive() as archive:
        wait_for(lambda: _images(archive, study) == 6, 30, "all six images")
    loop.settled(study, 2)

    # Whether the study closed once or, around the restart, twice: one current result a document, none doubled.
    results = loop.results(study, tmp_path / "results")
    with loop.node.archive() as archive:
        generation = archive.studies.record(study).generation
        done = [job for job in archive.jobs.list(study) if job.state is JobState.DONE]
    assert sorted(job.model_name for job in done if job.generation == generation) == [DETECTOR, CLASSIFIER]
    for model in (CLASSIFIER, DETECTOR):
        series = evidence_series_uid(study, model, "answer")
        numbers = [int(item.InstanceNumber) for item in results if item.SeriesInstanceUID == series]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        assert 1 <= len(numbers) <= generation


def _kill_at_work(loop: Loop, study: str) -> None:
    def at_work() -> bool:
        with loop.node.archive() as archive:
            return any(job.state is JobState.LEASED for job in archive.jobs.list(study))

    wait_for(at_work, 60, "a worker to take the job")
    loop.node.kill("infer")


def test_log_names_no_patient(loop: Loop, tmp_path: Path) -> None:
    paths = brain_study(tmp_path / "study", "no-phi", PatientName="Unmistakable^Name", PatientBirthDate="19121212")
    storescu(paths, loop.node.dicom_port)
    loop.settled(study_uid(paths), 2)

    assert study_uid(paths) in loop.node.log
    for word in ("Unmistakable", "TEST-", "Phantom", "19121212", "SOMEBODY-ELSE"):
        assert word not in loop.node.log


def test_three_intakes_give_the_same_results(
    loop: Loop, tmp_path: Path, node_factory: Callable[..., Node], orthanc: Orthanc
) -> None:
    paths = brain_study(tmp_path / "study", "three-intakes")
    study = study_uid(paths)
    storescu(paths, loop.node.dicom_port)
    for path in paths:
        orthanc.upload(path)
    poller = {"name": "pacs", "url": orthanc.dicom_web_url, "interval_seconds": 1, "days_back": 20000}
    second = node_factory(settings_for(orthanc, "stow", pollers=[poller]), deploy=(CLASSIFIER, DETECTOR))
    third = node_factory(settings_for(orthanc, "stow"), deploy=(CLASSIFIER, DETECTOR))
    assert third.command("send", *map(str, paths), "--to", third.dicom_web_url).returncode == 0

    polled, stowed = Loop(second, orthanc), Loop(third, orthanc)
    for node in (loop, polled, stowed):
        node.settled(study, 2)

    uids = [{item.sop_instance_uid for item in _evidence(each.node, study)} for each in (loop, polled, stowed)]
    assert len(uids[0]) == 6
    assert uids[0] == uids[1] == uids[2]
    # Both answered to this Orthanc by STOW-RS, with the same UIDs: it holds each document once.
    results = polled.results(study, tmp_path / "results")
    assert {str(item.SOPInstanceUID) for item in results} == uids[0]
    # The results in the PACS start no work; the poller has been round again once it brings a later study.
    later = make_series(tmp_path / "later", 3, modality="CT", study="polled-later", BodyPartExamined="CHEST")
    for path in later:
        orthanc.upload(path)
    with second.archive() as archive:
        wait_for(lambda: archive.instances.known(study_uid(later)), 60, "a later round of the poller")
        wait_for(lambda: not archive.studies.open_studies(), 60, "studies to close")
        assert sum(archive.jobs.counts().values()) == 2
        assert archive.studies.record(study).source_instances == len(paths)


def _evidence(node: Node, study: str) -> list[Any]:
    with node.archive() as archive:
        return archive.evidence.list(study)


def _is_complete(archive: Archive, study: str) -> bool:
    """False too of a study whose images are acknowledged, and not yet indexed."""
    return _images(archive, study) > 0 and archive.studies.record(study).state is StudyState.COMPLETE


def _images(archive: Archive, study: str) -> int:
    try:
        return archive.studies.record(study).source_instances
    except NotFoundError:
        return 0
