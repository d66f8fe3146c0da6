"""An archive in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.contents import miscounted
from dicomnode.errors import ArchiveError
from tests.archives import open_archive


@pytest.fixture
def archive(tmp_path: Path, index_url: str) -> Iterator[Archive]:
    """Whatever a test does to it, its counts are right in the end."""
    with open_archive(tmp_path / "data", index_url) as opened:
        yield opened
        with suppress(ArchiveError):  # of an index that the test destroyed
            assert miscounted(opened._database) == []
