"""A web role in a thread of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from dicomnode.archive import Archive
from dicomnode.settings import Settings
from dicomnode.web.review import Table
from dicomnode.web.server import serve_web

_SECONDS = 60


@contextmanager
def serving(archive: Archive, settings: Settings, review: Callable[[], Table] | None = None) -> Iterator[str]:
    """Serves an archive's pages while the context is open; gives the URL, without a slash at the end."""
    ready, stop, ports = Event(), Event(), list[int]()

    def listens(port: int) -> None:
        ports.append(port)
        ready.set()

    thread = Thread(target=serve_web, args=(archive, settings, listens, stop, review), name="served node")
    thread.start()
    try:
        assert ready.wait(_SECONDS), "the web server did not start"
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        stop.set()
        thread.join(_SECONDS)
    assert not thread.is_alive(), "the web server did not end"
