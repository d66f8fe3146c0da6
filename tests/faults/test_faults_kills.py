"""Nothing lost, nothing doubled, nothing told wrongly: forty kills.

The faults have several files, which the processes of a test run share out among them.
"""

from pathlib import Path

import pytest

from tests.faults.scenarios import kills

KILLS = 40
SEED = 2026

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(1500)]


def test_kills_at_random_moments_cost_nothing(tmp_path: Path) -> None:
    verdict = kills(tmp_path, SEED, KILLS)
    assert verdict.problems == () and verdict.studies > KILLS / 10
