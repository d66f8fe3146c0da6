"""Running listeners, and DCMTK's tools to talk to them."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.intake.scp import serve_dimse
from dicomnode.settings import Settings
from tests.archives import index_at_once


@pytest.fixture(params=["own", "pynetdicom"])
def engine(request: pytest.FixtureRequest) -> str:
    """What speaks the upper layer: a test that takes it is passed by both."""
    return str(request.param)


@contextmanager
def listening(
    settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Iterator[tuple[int, Archive]]:
    """A listener on a free port of this machine, and its archive."""
    stop, started = threading.Event(), threading.Event()
    ports: list[int] = []

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    with Archive.open(settings) as archive:
        index_at_once(archive)
        thread = threading.Thread(target=serve_dimse, args=(settings, archive, stop, ready, clock))
        thread.start()
        try:
            assert started.wait(20), "the listener did not start"
            yield ports[0], archive
        finally:
            stop.set()
            thread.join(20)


def dcmtk(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool of DCMTK, or skip with a clear word where it is absent."""
    if shutil.which(tool) is None:
        pytest.skip(f"DCMTK's {tool} is not installed (Debian: dcmtk)")
    # Without this DCMTK waits 40 ms for each message that it could send at once.
    environment = os.environ | {"TCP_NODELAY": "1"}
    command = [tool, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
