"""Nothing lost, nothing doubled, nothing told wrongly: each fault of disk, index, clock and a second node once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.checking import Verdict
from tests.faults.scenarios import STORAGE

SEED = 2026

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(600)]


@pytest.mark.parametrize("scenario", STORAGE.values(), ids=STORAGE.keys())
def test_a_fault_costs_nothing(scenario: Callable[[Path, int], Verdict], tmp_path: Path) -> None:
    verdict = scenario(tmp_path, SEED)
    assert verdict.problems == () and verdict.studies > 0
