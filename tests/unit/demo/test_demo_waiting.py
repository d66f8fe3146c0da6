"""Waiting ends with the answer, or with a word why there is none."""

from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.records import JobKind, NewJob
from dicomnode.demo.run import demo_bundles
from dicomnode.demo.waiting import wait_for_answers
from dicomnode.errors import BundleError, DicomNodeError
from tests.archives import NOW, complete, make_file, open_archive, put

STUDY = "1.2.3"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    opened = open_archive(tmp_path)
    yield opened
    opened.close()


def nothing() -> None:
    """Both systems run."""


def routed(archive: Archive, *jobs: NewJob) -> None:
    put(archive, make_file())
    generation = complete(archive)
    archive.jobs.add_all(STUDY, generation, jobs, [(None, "decided")], NOW)


JOB = NewJob("model", "d" * 64, JobKind.INFER, "fits", (), ("pacs",), silent=False)


def test_ends_when_there_is_nothing_left_to_do(archive: Archive) -> None:
    routed(archive)
    told: list[str] = []
    wait_for_answers(archive, STUDY, 5, lambda entry: told.append(entry.text), nothing)
    assert told[-1] == "decided"


def test_a_failed_job_ends_it_with_its_reason(archive: Archive) -> None:
    routed(archive, JOB)
    job = archive.jobs.lease("worker", NOW, 60)
    assert job is not None
    archive.jobs.fail(job.job_id, "worker", "no weights", NOW)
    with pytest.raises(DicomNodeError, match="model failed: no weights"):
        wait_for_answers(archive, STUDY, 5, lambda _entry: None, nothing)


def test_time_runs_out_with_the_last_line(archive: Archive) -> None:
    routed(archive, JOB)
    with pytest.raises(DicomNodeError, match="decided"):
        wait_for_answers(archive, STUDY, 0.2, lambda _entry: None, nothing)


def test_nothing_arrived_is_told(archive: Archive) -> None:
    with pytest.raises(DicomNodeError, match="nothing arrived"):
        wait_for_answers(archive, STUDY, 0.2, lambda _entry: None, nothing)


def test_a_dead_process_ends_it(archive: Archive) -> None:
    def dead() -> None:
        raise DicomNodeError("node: role infer ended")

    with pytest.raises(DicomNodeError, match="infer ended"):
        wait_for_answers(archive, STUDY, 5, lambda _entry: None, dead)


def test_a_missing_model_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"brain_mri_lesion_detector: .*--models"):
        demo_bundles(tmp_path)


def test_a_broken_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "brain_mri_lesion_detector" / "configs").mkdir(parents=True)
    with pytest.raises(BundleError, match="cannot be used"):
        demo_bundles(tmp_path)
