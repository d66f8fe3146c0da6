"""The process: ``python -m dicomnode.inference.on_request START``, started by whoever asks."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import sys
import warnings

from dicomnode.inference.on_request.question import Question, Start
from dicomnode.inference.on_request.wire import receive, send

_GRACE_SECONDS = 5.0
_NICE = 5


def main() -> None:
    """Answer one question after the other, until whoever asks is gone or nobody asked for long."""
    start = Start(**json.loads(sys.argv[1]))
    # A terminal's interrupt reaches every process; the other end closes the socket when it is time to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)  # studies that arrive go before
    # Read once, when torch loads: waiting threads sleep instead of turning on cores that others need.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Warnings of libraries may quote a data set.
    warnings.simplefilter("ignore")
    with socket.socket(fileno=start.socket) as connection:
        _serve(connection, start)


def _serve(connection: socket.socket, start: Start) -> None:
    # Already now: the first question may come while torch is imported.
    from PIL import Image

    from dicomnode.inference.on_request.answering import Answering

    # Every picture is measured against predict.maximum_megapixels before it is decoded.
    Image.MAX_IMAGE_PIXELS = None
    _bound_memory(start)
    answering = Answering(start)
    while select.select([connection], [], [], start.idle_seconds)[0]:
        try:
            message, file = receive(connection)
            question = Question(**message)
            # The signal's default action ends the process, whatever it is busy with.
            signal.setitimer(signal.ITIMER_REAL, question.seconds + _GRACE_SECONDS)
            send(connection, {"begun": True})
            if file is not None:
                send(connection, answering.answer(question, file))
            signal.setitimer(signal.ITIMER_REAL, 0)
        except (EOFError, OSError):
            return


def _bound_memory(start: Start) -> None:
    """Let allocations fail beyond the limit; drivers of GPUs claim far more than they use."""
    import torch

    if start.device == "cpu" or not torch.cuda.is_available():
        limit = start.memory_mib << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


if __name__ == "__main__":
    main()
