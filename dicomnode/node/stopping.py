"""How a process of the node ends: by a signal, with its parent, or because a part of it failed."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType

from dicomnode.errors import describe

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
GRACE_SECONDS = 6.0


class Stopper:
    """The event that ends a process, set by SIGTERM, SIGINT or the end of the parent.

    A signal only sets a flag: setting an event inside a handler could wait for a lock that the
    interrupted code holds.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self._asked = False
        self._is_heard = False

    def on_signals(self) -> None:
        """Listen to SIGTERM and SIGINT from now on; main thread only."""
        self._is_heard = True
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def with_parent(self) -> None:
        """Stop when standard input ends, which the supervisor holds open as long as it lives.

        Before `on_signals` nothing has begun that could be brought to an end, and the process ends at once.
        """
        threading.Thread(target=self._watch_parent, name="parent", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait until stopped or for so long; true if stopped. Main thread only."""
        deadline = time.monotonic() + seconds
        while not self.event.is_set() and not self._asked:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.event.wait(min(left, _POLL_SECONDS))
        self.event.set()
        return True

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked = True

    def _watch_parent(self) -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        if not self._is_heard:
            # Still on its way up, where a signal ends it at once too: a new supervisor may have taken its place
            os._exit(1)
        _log.warning("the supervisor is gone; stopping")
        self._asked = True
        # Should the main thread hang, nobody is left who could end this process
        time.sleep(2 * GRACE_SECONDS)
        os._exit(1)


def run_together(
    parts: Mapping[str, Callable[[threading.Event], None]], stopper: Stopper, grace_seconds: float = GRACE_SECONDS
) -> tuple[bool, bool]:
    """Run parts in threads until stopped, or until one of them fails or ends, which stops the others.

    Args:
        parts: Functions by name; each returns soon after its event is set.
        stopper: Ends them.
        grace_seconds: How long they may take to end.

    Returns:
        Whether all went well, and whether all threads have ended in time.
    """
    failed: list[str] = []

    def run(name: str, part: Callable[[threading.Event], None]) -> None:
        try:
            part(stopper.event)
        except Exception as error:  # noqa: BLE001  the process ends and is started anew, whatever it was
            failed.append(name)
            _log.error("%s failed: %s", name, describe(error))
        stopper.event.set()

    threads = [threading.Thread(target=run, args=item, name=item[0], daemon=True) for item in parts.items()]
    for thread in threads:
        thread.start()
    while not stopper.wait(60.0):
        pass
    deadline = time.monotonic() + grace_seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not failed, not any(thread.is_alive() for thread in threads)
