"""Histograms of how long things took: written with what they measure, and never falling."""

from __future__ import annotations

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.figures import BOUNDS, Figure
from dicomnode.archive.records import JobKind, NewJob, ProofState
from tests.archives import at, complete, make_file, put
from tests.deliveries import queue, send


def buckets(archive: Archive, figure: Figure) -> dict[tuple[str, ...], list[float]]:
    """By labels: the bounds of the buckets that something fell into, each as often as something did."""
    ends = (*BOUNDS, float("inf"))
    return {
        item.labels: [end for end, count in zip(ends, item.counts, strict=True) for _ in range(count)]
        for item in archive.figures.list(figure)
    }


def route(archive: Archive, study: str, number: int) -> None:
    put(archive, make_file(f"{study}.1", study), at(0))
    job = NewJob("brain", "d", JobKind.INFER, "", (f"{study}.9",), (), False)
    archive.jobs.add_all(study, complete(archive, study, at(number)), [job], [], at(number))


def test_a_job_is_measured_from_routing_to_answer(archive: Archive) -> None:
    route(archive, "1.2.3", 10)
    job = archive.jobs.lease("me", at(12), 60)
    assert job is not None
    archive.jobs.retry_later(job.job_id, "me", "no luck", at(13), at(13))
    archive.jobs.lease("me", at(20), 60)
    archive.jobs.finish(job.job_id, "me", [], '{"outcome": "findings"}', at(25))
    assert buckets(archive, Figure.QUEUE) == {("brain",): [2.5]}
    assert buckets(archive, Figure.RUN) == {("brain", "findings"): [5.0]}
    assert buckets(archive, Figure.ANSWER) == {("brain",): [30.0]}
    assert [item.seconds for item in archive.figures.list(Figure.ANSWER)] == [25.0]


def test_a_job_that_fails_without_a_document_counts_too(archive: Archive) -> None:
    route(archive, "1.2.3", 1)
    job = archive.jobs.lease("me", at(1), 60)
    assert job is not None
    archive.jobs.fail(job.job_id, "me", "no such bundle", at(1e6))
    assert buckets(archive, Figure.RUN) == {("brain", "failed"): [float("inf")]}


def test_jobs_add_up_and_a_clock_that_was_put_back_counts_as_nothing(archive: Archive) -> None:
    for number in (1, 2):
        route(archive, f"1.2.{number}", 50)
        job = archive.jobs.lease("me", at(60), 60)
        assert job is not None
        archive.jobs.finish(job.job_id, "me", [], '{"outcome": "no_findings"}', at(60 - 100 * (number - 1)))
    assert buckets(archive, Figure.RUN) == {("brain", "no_findings"): [0.1, 0.1]}


def test_an_image_that_came_meanwhile_leaves_the_end_to_end_time_out(archive: Archive) -> None:
    route(archive, "1.2.3", 1)
    job = archive.jobs.lease("me", at(2), 60)
    assert job is not None
    put(archive, make_file("1.2.3.2"), at(3))
    archive.jobs.finish(job.job_id, "me", [], '{"outcome": "findings"}', at(4))
    assert buckets(archive, Figure.ANSWER) == {}
    assert buckets(archive, Figure.RUN) == {("brain", "findings"): [2.5]}


@pytest.mark.parametrize(
    ("state", "measured"),
    [
        (ProofState.COMMITTED, True),
        (ProofState.VISIBLE, True),
        (ProofState.UNPROVEN, False),
        (ProofState.FAILED, False),
    ],
)
def test_proof_ends_the_longest_time(archive: Archive, state: ProofState, measured: bool) -> None:
    queue(archive)
    delivery = send(archive, at(5))
    archive.proofs.settle(delivery, state, "it says so", at(70))
    assert buckets(archive, Figure.PROOF) == ({("pacs",): [120.0]} if measured else {})
