"""An archive in a temporary folder, and a clock that a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from tests.archives import open_archive
from tests.deliveries import Clock


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path / "node") as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()
