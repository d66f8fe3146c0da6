"""What a bundle was measured to do stands beside it and changes nothing about it."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dicomnode.bundles import EVALUATION, bundle_digest, load_bundle, read_measured, write_measured
from dicomnode.errors import BundleError
from tests.measurements import measured


def test_the_measurement_does_not_change_the_digest(make_bundle: Any) -> None:
    path = make_bundle(weights=False)
    digest = bundle_digest(path)
    assert read_measured(path) is None
    write_measured(path / EVALUATION, measured(digest))
    assert bundle_digest(path) == digest == load_bundle(path).digest
    found = read_measured(path)
    assert found == measured(digest)
    assert found is not None and found.measured_on == date(2026, 11, 20)


def test_other_documents_of_the_bundle_do(make_bundle: Any) -> None:
    path = make_bundle(weights=False)
    digest = bundle_digest(path)
    (path / "docs").mkdir(exist_ok=True)
    (path / "docs" / "more.json").write_text("{}")
    assert bundle_digest(path) != digest


def test_a_measurement_that_links_elsewhere_is_refused(make_bundle: Any, tmp_path: Path) -> None:
    path = make_bundle(weights=False)
    (path / "docs").mkdir(exist_ok=True)
    (path / EVALUATION).symlink_to(tmp_path / "secret")
    with pytest.raises(BundleError, match="symbolic link"):
        bundle_digest(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no JSON", "the whole"),
        (json.dumps({"bundle_digest": "x"}), "bundle_digest"),
        (" " * (5 << 20), "has more than"),
    ],
)
def test_what_is_no_measurement_is_refused(make_bundle: Any, content: str, message: str) -> None:
    path = make_bundle(weights=False)
    (path / "docs").mkdir(exist_ok=True)
    (path / EVALUATION).write_text(content)
    with pytest.raises(BundleError, match=f"small: docs/evaluation.json.*{message}"):
        read_measured(path)
