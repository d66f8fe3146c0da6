"""The status tables, and the pause between attempts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.delivery.backoff import backoff
from dicomnode.delivery.outcomes import OutcomeKind, dimse_outcome, http_failure

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0x0000, OutcomeKind.SUCCESS),
        (0xB000, OutcomeKind.WARNING),
        (0xB006, OutcomeKind.WARNING),
        (0xB007, OutcomeKind.WARNING),
        (0xB123, OutcomeKind.WARNING),
        (0xA700, OutcomeKind.TRANSIENT),
        (0xA7FF, OutcomeKind.TRANSIENT),
        (0x0110, OutcomeKind.TRANSIENT),
        (0xA900, OutcomeKind.PERMANENT),
        (0xC000, OutcomeKind.PERMANENT),
        (0xCFFF, OutcomeKind.PERMANENT),
        (0x0122, OutcomeKind.PERMANENT),
        (0x0124, OutcomeKind.PERMANENT),
        (0x9999, OutcomeKind.PERMANENT),
    ],
)
def test_dimse_statuses(status, kind):
    outcome = dimse_outcome(status)
    assert outcome.kind is kind
    assert outcome.status.startswith(f"0x{status:04X} ")
    assert outcome.arrived is (kind in (OutcomeKind.SUCCESS, OutcomeKind.WARNING))


@pytest.mark.parametrize(
    ("status", "header", "kind", "seconds"),
    [
        (503, "120", OutcomeKind.TRANSIENT, 120.0),
        (503, None, OutcomeKind.TRANSIENT, None),
        (429, "Sat, 21 Nov 2026 12:01:30 GMT", OutcomeKind.TRANSIENT, 90.0),
        (429, "Sat, 21 Nov 2026 11:00:00 GMT", OutcomeKind.TRANSIENT, 0.0),
        (408, "soon", OutcomeKind.TRANSIENT, None),
        (500, "-5", OutcomeKind.TRANSIENT, None),
        (507, None, OutcomeKind.TRANSIENT, None),
        (400, None, OutcomeKind.PERMANENT, None),
        (401, None, OutcomeKind.PERMANENT, None),
        (413, None, OutcomeKind.PERMANENT, None),
        (301, None, OutcomeKind.PERMANENT, None),
    ],
)
def test_http_statuses(status, header, kind, seconds):
    outcome = http_failure(status, header, NOW)
    assert (outcome.kind, outcome.retry_after) == (kind, seconds)
    assert str(status) in outcome.status


@pytest.mark.parametrize(("attempts", "longest"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (10**6, 300)])
def test_the_pause_doubles_up_to_the_cap(attempts, longest):
    assert backoff(attempts, 300.0, 1.0) == longest
    assert backoff(attempts, 300.0, 0.0) == longest / 2


@given(st.integers(1, 10**9), st.floats(0.01, 1e6), st.floats(0, 1))
def test_the_pause_is_never_zero_nor_above_the_cap(attempts, maximum, jitter):
    assert 0 < backoff(attempts, maximum, jitter) <= maximum
