from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, derive_uid, valid_uid


@settings(deadline=None)
@given(st.lists(st.text(), max_size=4))
def test_a_derived_uid_is_valid_and_repeats(parts: list[str]) -> None:
    assert valid_uid(derive_uid(*parts))
    assert derive_uid(*parts) == derive_uid(*parts)


def test_a_derived_uid_never_changes_between_versions() -> None:
    assert derive_uid("1.2.3", "model", "answer") == "2.25.56945349954198616412328567086245671005"


def test_the_border_between_parts_counts() -> None:
    assert derive_uid("ab", "c") != derive_uid("a", "bc") != derive_uid("abc")


@pytest.mark.parametrize("uid", ["1", "1.2.840.10008.1.2", "2.25.0", "1.02.3", "1" * 64])
def test_valid(uid: str) -> None:
    assert valid_uid(uid)


@pytest.mark.parametrize(
    "uid", ["", "1..2", ".1", "1.", "1.2.x", "../1", "1.2/3", "1.2 ", "1" * 65, "1.2\n", "\u0661.2"]
)
def test_not_valid(uid: str) -> None:
    assert not valid_uid(uid)


def test_the_nodes_own_names_fit_their_attributes() -> None:
    assert valid_uid(IMPLEMENTATION_CLASS_UID)
    assert 1 <= len(IMPLEMENTATION_VERSION_NAME) <= 16
