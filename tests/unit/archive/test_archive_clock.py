"""A clock that was put back holds nothing up."""

from datetime import timedelta

import pytest

from dicomnode.archive import Archive
from dicomnode.node.clock_watch import ClockWatch
from tests.archives import NOW, make_file, put

HOUR = timedelta(hours=1)


def test_an_open_study_of_the_future_is_brought_back(archive: Archive) -> None:
    put(archive, make_file(), NOW + 3 * HOUR)
    assert archive.clock.settle(NOW, HOUR) == 2, "its first and its last arrival"
    (study,) = archive.studies.open_studies()
    assert (study.first_arrival, study.last_arrival) == (NOW, NOW)
    assert [entry.event for entry in archive.audit.list()] == ["clock put back"]
    assert archive.clock.settle(NOW, HOUR) == 0


def test_what_waits_within_a_pause_stays(archive: Archive) -> None:
    put(archive, make_file(), NOW + HOUR / 2)
    assert archive.clock.settle(NOW, HOUR) == 0
    assert archive.audit.list() == []


class Clocks:
    """Two clocks that a test turns."""

    def __init__(self) -> None:
        self.wall, self.steady = NOW, 100.0

    def watch(self) -> ClockWatch:
        return ClockWatch(lambda: self.wall, lambda: self.steady)

    def turn(self, wall: float, steady: float) -> None:
        self.wall += timedelta(seconds=wall)
        self.steady += steady


@pytest.mark.parametrize(
    ("wall", "steady", "back"),
    [(10, 10, False), (-3600, 1, True), (3600, 1, False), (9, 10, False), (-1.5, 0.25, False), (5, 30, True)],
)
def test_only_a_clock_that_falls_behind_was_put_back(wall: float, steady: float, back: bool) -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.turn(wall, steady)
    assert watch.went_back() is back
    assert watch.went_back() is False
