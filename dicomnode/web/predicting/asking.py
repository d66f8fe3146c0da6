"""Who may ask the process, one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dicomnode.errors import BusyError, PredictionTimeError
from dicomnode.inference.on_request.question import Question
from dicomnode.settings import Settings
from dicomnode.web.predicting.process import COMMAND, PredictionProcess, Reply


@dataclass(frozen=True, slots=True)
class Told:
    """What the process said.

    Attributes:
        reply: See `PredictionProcess.ask`.
        waited_seconds: For others that came before.
        seconds: From then on, starting the process and loading the model included.
    """

    reply: Reply
    waited_seconds: float
    seconds: float


class Predictions:
    """One process, a few that wait for it, and no more.

    Args:
        settings: Of the node.
        command: What starts the process.
    """

    def __init__(self, settings: Settings, command: Sequence[str] = COMMAND) -> None:
        self._places = threading.BoundedSemaphore(settings.predict.maximum_waiting)
        self._turn = threading.Lock()
        self._process = PredictionProcess(settings, command)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among those that wait, to be taken before files are read.

        Raises:
            BusyError: There is none.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("the models are busy with other pictures: try again in some seconds")
        try:
            yield
        finally:
            self._places.release()

    def ask(self, question: Question, files: int) -> Told:
        """Wait for one's turn, and ask.

        Raises:
            PredictionTimeError: The turn, or the answer, did not come in time.
            PredictionError: The process ended over the question.
        """
        begun = time.monotonic()
        if not self._turn.acquire(timeout=question.seconds):
            raise PredictionTimeError(
                f"other pictures took {question.seconds:g} s (predict.timeout_seconds): try again later"
            )
        try:
            waited = time.monotonic() - begun
            reply = self._process.ask(question, files)
        finally:
            self._turn.release()
        return Told(reply, waited, time.monotonic() - begun - waited)

    def warm_up(self) -> None:
        """Start the process for whoever is about to ask, unless somebody asks right now."""
        if self._turn.acquire(blocking=False):
            try:
                self._process.start()
            finally:
                self._turn.release()

    def close(self) -> None:
        """End the process; whoever waits for an answer gets none."""
        self._process.end()
