"""A process that stands in for the one that predicts: without torch, it does what the first bytes of a file say."""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import sys
import time

from dicomnode.inference.on_request.question import Question, Start
from dicomnode.inference.on_request.wire import receive, send

COMMAND = (sys.executable, "-m", "tests.predicting_stand_in")


def main() -> None:
    start = Start(**json.loads(sys.argv[1]))
    with socket.socket(fileno=start.socket) as connection:
        while select.select([connection], [], [], start.idle_seconds)[0]:
            try:
                message, file = receive(connection)
            except EOFError:
                return
            assert file is not None
            question = Question(**message)
            send(connection, {"begun": True})
            answer(connection, file, question.lengths)


def answer(connection: socket.socket, file: int, lengths: tuple[int, ...]) -> None:
    with open(file, "rb") as whole:
        whole.seek(0)
        contents = [whole.read(length) for length in lengths]
    if contents[0] == b"abort":
        os.abort()
    if contents[0] == b"hang":
        time.sleep(600)
    if contents[0] == b"memory":
        send(connection, {"error": "MemoryError", "text": "too little memory"})
    elif contents[0] == b"bundle":
        send(connection, {"error": "BundleError", "text": "bundle small changed"})
    else:
        results = [result(number, content) for number, content in enumerate(contents, start=1)]
        send(connection, {"answer": {"results": results, "load_seconds": 0.0, "predict_seconds": 0.0}})
    if contents[0] == b"last":
        sys.exit()


def result(number: int, content: bytes) -> dict[str, object]:
    reason = hashlib.sha256(content).hexdigest()
    nothing: dict[str, object] = {"answer": None, "findings": [], "images": []}
    return {"files": [number], "page": 1, "outcome": "refused", "reason": reason, **nothing}


if __name__ == "__main__":
    main()
