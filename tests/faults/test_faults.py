"""Nothing lost, nothing doubled, nothing told wrongly: each fault of peers and networks once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.checking import Verdict
from tests.faults.scenarios import PEERS

SEED = 2026

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(600)]


@pytest.mark.parametrize("scenario", PEERS.values(), ids=PEERS.keys())
def test_a_fault_costs_nothing(scenario: Callable[[Path, int], Verdict], tmp_path: Path) -> None:
    verdict = scenario(tmp_path, SEED)
    assert verdict.problems == () and verdict.studies > 0
