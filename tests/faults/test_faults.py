"""Nothing lost, nothing doubled, nothing told wrongly: each fault once, and forty kills."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.checking import Verdict
from tests.faults.scenarios import SCENARIOS, kills

KILLS = 40
SEED = 2026

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_fault_costs_nothing(scenario: Callable[[Path, int], Verdict], tmp_path: Path) -> None:
    verdict = scenario(tmp_path, SEED)
    assert verdict.problems == () and verdict.studies > 0


def test_kills_at_random_moments_cost_nothing(tmp_path: Path) -> None:
    verdict = kills(tmp_path, SEED, KILLS)
    assert verdict.problems == () and verdict.studies > KILLS / 10
