"""The process: ``python -m dicomnode.inference.decoding SOCKET``, started by whoever has frames to decode."""

from __future__ import annotations

import logging
import mmap
import os
import select
import signal
import socket
import sys
import warnings

import numpy as np

from dicomnode.dicom.decoding import StoredValues
from dicomnode.errors import PixelError
from dicomnode.inference.decoding.encoded import EncodedFrame, decode_frame
from dicomnode.inference.on_request.wire import Message, receive, send

IDLE_SECONDS = 120.0
LONGEST_SECONDS = 60
"""For one frame; the largest mammogram takes two."""


def main() -> None:
    """Decode one frame after the other into the shared memory, until whoever asks is gone or has nothing to do."""
    # A terminal's interrupt reaches every process; the other end closes the socket when it is time to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What libraries say of a file may quote it.
    warnings.simplefilter("ignore")
    logging.disable()
    memory: mmap.mmap | None = None
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        while select.select([connection], [], [], IDLE_SECONDS)[0]:
            try:
                message, file = receive(connection)
                if file is not None:
                    memory = mmap.mmap(file, 0)
                    os.close(file)
                send(connection, _answer(message, memory))
            except (EOFError, OSError):
                return


def _answer(message: Message, memory: mmap.mmap | None) -> Message:
    # A decoder that hangs holds the interpreter's lock; the signal's default action ends the process all the same.
    signal.alarm(LONGEST_SECONDS)
    try:
        stored = decode_frame(EncodedFrame(**message))
        _place(stored, memory)
    except PixelError as error:
        return {"refused": str(error)}
    except OSError as error:
        return {"unreadable": error.errno}
    finally:
        signal.alarm(0)
    return {"shape": stored.shape, "dtype": stored.dtype.str}


def _place(stored: StoredValues, memory: mmap.mmap | None) -> None:
    if memory is None or stored.nbytes > len(memory):
        raise PixelError("a frame is larger than its header says")
    np.frombuffer(memory, stored.dtype, stored.size).reshape(stored.shape)[...] = stored


if __name__ == "__main__":
    main()
