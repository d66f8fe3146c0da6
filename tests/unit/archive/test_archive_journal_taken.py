"""A journal that somebody looks at before its owner holds it."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from threading import Event, Thread

from dicomnode.archive.landing.journal import Journal


def test_it_is_made_anew_where_it_was_taken_for_a_dead_one(tmp_path: Path) -> None:
    folder, held = tmp_path / "journal", Event()
    folder.mkdir()

    def look() -> None:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(handle, fcntl.LOCK_EX)
        held.set()
        Event().wait(0.05)
        shutil.rmtree(folder)
        os.close(handle)

    looking = Thread(target=look)
    looking.start()
    assert held.wait(10)
    journal = Journal(folder, durable=False)
    looking.join()
    assert folder.is_dir()
    journal.close()
