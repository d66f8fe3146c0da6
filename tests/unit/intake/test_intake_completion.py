"""Completion as a table, and its race with a late arrival."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomnode.archive.records import OpenStudy, StudyState
from dicomnode.intake.completion import close_due_studies, is_complete
from dicomnode.settings import CompletionSettings
from tests.archives import at, make_file, open_archive, put

POLICY = CompletionSettings(quiet_period_seconds=10, deadline_seconds=600)


@pytest.mark.parametrize(
    ("last", "open_associations", "released", "now", "close", "reason"),
    [
        (0, 0, None, 9.9, False, "quiet for 9.9 s only"),
        (0, 0, None, 10, True, "nothing arrived for 10 s"),
        (5, 0, None, 14, False, "quiet for 9.0 s only"),
        (5, 0, None, 15, True, "nothing arrived"),
        (5, 1, None, 300, False, "1 association(s) may still bring"),
        (5, 1, 4, 300, False, "1 association(s)"),
        (5, 0, 20, 29, False, "quiet for 9.0 s only"),
        (5, 0, 20, 30, True, "no association is open"),
        (5, 0, 2, 15, True, "no association is open"),
        (590, 2, None, 599.9, False, "2 association(s)"),
        (590, 2, None, 600, True, "deadline of 600 s"),
        (20, 0, None, 15, False, "quiet for 0.0 s only"),
    ],
)
def test_a_study_is_complete_when_nothing_more_can_come(
    last: float, open_associations: int, released: float | None, now: float, close: bool, reason: str
) -> None:
    study = OpenStudy("1.2.3", at(0), at(last), 1, open_associations, None if released is None else at(released))
    decision = is_complete(study, POLICY, at(now))
    assert decision.close is close
    assert reason in decision.reason


def test_only_studies_that_are_due_are_closed(tmp_path: Path) -> None:
    with open_archive(tmp_path) as archive:
        put(archive, make_file(), at(0))
        put(archive, make_file("2.2.1", "2.2"), at(5))
        assert close_due_studies(archive, POLICY, at(11)).closed == [("1.2.3", 1)]
        assert close_due_studies(archive, POLICY, at(11)).closed == []
        assert close_due_studies(archive, POLICY, at(16)).closed == [("2.2", 1)]
        assert archive.traces.list("1.2.3")[0].text.startswith("nothing arrived for 10 s")


def test_an_instance_that_arrives_in_between_keeps_the_study_open(tmp_path: Path) -> None:
    with open_archive(tmp_path) as archive:
        put(archive, make_file(), at(0))
        (seen,) = archive.studies.open_studies()
        put(archive, make_file("1.2.3.2"), at(0))  # after the decision, at the same clock reading
        assert archive.studies.complete("1.2.3", "quiet", seen.arrivals, at(11)) is None
        assert archive.studies.record("1.2.3").state is StudyState.OPEN


def test_a_receiver_that_was_killed_holds_no_study_open(tmp_path: Path) -> None:
    with open_archive(tmp_path) as archive, open_archive(tmp_path) as receiver:
        receiver.associations.opened("a", at(0))
        receiver.associations.touched("a", "1.2.3")
        put(receiver, make_file(), at(0))
        assert close_due_studies(archive, POLICY, at(20)).closed == []
        receiver.close()
        assert close_due_studies(archive, POLICY, at(21)).closed == []
        assert close_due_studies(archive, POLICY, at(31)).closed == [("1.2.3", 1)]
