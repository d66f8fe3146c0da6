"""The infer role: ready at once; what models need is taken in beside it, which takes seconds and a gigabyte."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from dicomnode.archive import Archive
from dicomnode.settings import Settings

if TYPE_CHECKING:
    from dicomnode.jobs.worker import Worker

_TIMED_OUT = 75  # exit status of a process whose model hung; EX_TEMPFAIL of sysexits.h
_LOOK_SECONDS = 0.2
_POLITE = 10
"""Nice value of the thread that takes everything in: whoever waits for an answer of the node goes first."""

Part = Callable[[threading.Event], None]


class Inferring:
    """The parts of the infer role; all wait for the worker, which is made in a thread of its own.

    Args:
        settings: The node's settings.
        archive: Gives the jobs, takes the answers.
        clock: Present time, with time zone.
    """

    def __init__(self, settings: Settings, archive: Archive, clock: Callable[[], datetime]) -> None:
        # Read once, when torch loads: waiting threads sleep instead of turning on cores that the listener needs,
        # which halves the CPU time of a prediction on a busy machine.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._settings = settings
        self._archive = archive
        self._clock = clock
        self._owner = archive.jobs.claim_name()
        self._made = threading.Event()
        self._worker: Worker | None = None
        self._error: Exception | None = None
        if settings.infer.device not in ("auto", "cpu"):
            self._check_device()

    def parts(self) -> dict[str, Part]:
        """Everything that runs in the role, by name."""
        parts: dict[str, Part] = {
            "worker": self._work,
            "give back": self._give_back,
            "watchdog": self._watch,
            "device": self._report,
        }
        if self._settings.infer.early:
            parts["early"] = self._look_ahead
        return parts

    def _check_device(self) -> None:
        """A device that is not here is told now, not at the first study."""
        from dicomnode.inference.devices import choose_device

        choose_device(self._settings.infer.device)

    def _work(self, stop: threading.Event) -> None:
        """Do jobs until told to stop; a load under way is no work that anybody waits for."""
        while not (self._settings.infer.preload or self._archive.jobs.has_work()):
            if stop.wait(_LOOK_SECONDS):
                return
        threading.Thread(target=self._make, name="load", daemon=True).start()
        worker = self._wait(stop)
        if self._error is not None:
            raise self._error
        if worker is not None:
            worker.run(stop)

    def _make(self) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _POLITE)  # of this thread alone, on Linux
            from dicomnode.inference.frameworks import take_in

            take_in()
            from dicomnode.jobs.worker import Worker

            self._worker = Worker(self._archive, self._settings, self._owner, self._clock)
            self._made.set()
            from dicomnode.evidence.preparing import load_tables

            load_tables()
        except Exception as error:  # noqa: BLE001  the part that waits for the worker raises it
            self._error = error
        self._made.set()

    def _wait(self, stop: threading.Event) -> Worker | None:
        """The worker once it is made, None if the role is to stop before."""
        while not self._made.wait(_LOOK_SECONDS):
            if stop.is_set():
                return None
        return self._worker

    def _give_back(self, stop: threading.Event) -> None:
        if (worker := self._wait(stop)) is not None:
            worker.give_back(stop)

    def _watch(self, stop: threading.Event) -> None:
        from dicomnode.jobs.watchdog import Watchdog

        if (worker := self._wait(stop)) is not None:
            Watchdog(worker, self._settings.infer.timeout_seconds, partial(os._exit, _TIMED_OUT)).run(stop)

    def _report(self, stop: threading.Event) -> None:
        if (worker := self._wait(stop)) is None:
            return
        from dicomnode.inference.device_figures import device_figures
        from dicomnode.inference.devices import choose_device
        from dicomnode.jobs.device_report import DeviceReport

        look = partial(device_figures, choose_device(self._settings.infer.device))
        DeviceReport(self._archive, self._owner, look, worker.loaded_models, self._clock).run(stop)

    def _look_ahead(self, stop: threading.Event) -> None:
        if (worker := self._wait(stop)) is None:
            return
        from dicomnode.jobs.deployed import Shelf, deployed_models
        from dicomnode.jobs.early import EarlyWork

        deployed = partial(deployed_models, Shelf(self._settings.models.folder), self._archive.deployments)
        EarlyWork(self._archive, self._settings, self._owner, worker.models, deployed, self._clock).run(stop)
