"""The process that predicts, from outside: started when it is needed, asked, and ended when it hangs."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dicomnode.errors import PredictionError, PredictionTimeError
from dicomnode.inference.on_request.question import Question, Start
from dicomnode.inference.on_request.wire import Message, receive, send
from dicomnode.settings import Settings

_LOG = logging.getLogger(__name__)
COMMAND = (sys.executable, "-m", "dicomnode.inference.on_request")
_END_SECONDS = 10.0
Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Running:
    """A process and our end of its socket."""

    process: subprocess.Popen[bytes]
    connection: socket.socket

    def end(self) -> int:
        """End it, whatever it is busy with; returns its exit status."""
        self.connection.close()
        self.process.kill()
        return self.process.wait(_END_SECONDS)


class PredictionProcess:
    """A process with models in it; used by one thread at a time.

    It is a process of its own because decoders may end it and networks may fill its memory, and because the web role
    answers without torch. It ends when nobody asked for some time, and when its socket is closed.

    Args:
        settings: Of the node.
        command: What starts it; its `Start` is added.
    """

    def __init__(self, settings: Settings, command: Sequence[str] = COMMAND) -> None:
        self._settings = settings
        self._command = command
        self._running: _Running | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    def start(self) -> None:
        """Start it unless it runs."""
        if self._running is not None and self._running.process.poll() is None:
            return
        self.end()
        ours, theirs = socket.socketpair()
        with theirs:
            command = [*self._command, json.dumps(asdict(self._start(theirs.fileno())))]
            # What decoders and libraries say of a file may quote it: it goes nowhere.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._running = _Running(process, ours)
        self._finalizer = weakref.finalize(self, self._running.end)

    def end(self) -> int | None:
        """End it if it runs; returns its exit status."""
        if self._running is None:
            return None
        if self._finalizer is not None:
            self._finalizer.detach()
        running, self._running = self._running, None
        return running.end() if running.process.poll() is None else _status(running)

    def ask(self, question: Question, files: int) -> Reply:
        """The answer to a question: ``answer``, or ``error`` and ``text``.

        Args:
            question: What is asked.
            files: Descriptor of the file that holds all files.

        Raises:
            PredictionTimeError: There was none in time.
            PredictionError: The process ended over it.
        """
        deadline = time.monotonic() + question.seconds
        try:
            if not self._begun(question, files, deadline):
                self.end()  # it ended just then, because nobody had asked for long
                if not self._begun(question, files, deadline):
                    raise EOFError
            return dict(self._receive(deadline))
        except TimeoutError:
            self.end()
            raise PredictionTimeError(
                f"there was no answer within {question.seconds:g} s (predict.timeout_seconds): give fewer files, or"
                " send the study to the node"
            ) from None
        except (EOFError, OSError):
            raise self._ended() from None

    def _begun(self, question: Question, files: int, deadline: float) -> bool:
        """Whether the process took the question."""
        self.start()
        try:
            assert self._running is not None  # noqa: S101  it was started
            self._running.connection.settimeout(max(0.01, deadline - time.monotonic()))
            send(self._running.connection, asdict(question), files)
            return bool(self._receive(deadline).get("begun"))
        except TimeoutError:
            raise
        except (EOFError, OSError):
            return False

    def _receive(self, deadline: float) -> Message:
        assert self._running is not None  # noqa: S101  something was sent
        self._running.connection.settimeout(max(0.01, deadline - time.monotonic()))
        message, _ = receive(self._running.connection)
        return message

    def _ended(self) -> PredictionError:
        status = self.end()
        how = f"with status {status}"
        if status is not None and status < 0:
            how = f"by {signal.Signals(-status).name}"
        _LOG.warning("the process that predicts ended %s; it starts anew when it is asked again", how)
        return PredictionError(
            f"the process that predicts ended {how} over these files: they are damaged, or need too much memory"
        )

    def _start(self, descriptor: int) -> Start:
        node, infer, predict = self._settings.node, self._settings.infer, self._settings.predict
        return Start(
            socket=descriptor,
            device=infer.device,
            batch_size=infer.batch_size,
            deterministic=node.deterministic,
            ae_title=node.ae_title,
            idle_seconds=predict.idle_seconds,
            memory_mib=predict.memory_mib,
        )


def _status(running: _Running) -> int:
    running.connection.close()
    return running.process.wait(_END_SECONDS)
