"""Several processes that decode, from outside: started when frames come, asked, and started anew when one ends."""

from __future__ import annotations

import mmap
import os
import queue
import socket
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
from pydicom.uid import RLELossless

from dicomnode.dicom.decoding import StoredValues
from dicomnode.errors import PixelError
from dicomnode.inference.decoding.encoded import EncodedFrame, decode_frame
from dicomnode.inference.on_request.wire import Message, receive, send

COMMAND = (sys.executable, "-m", "dicomnode.inference.decoding")
_ATTEMPTS = 2
_MOST_PROCESSES = 8
# Longer than the process itself gives a frame.
_WAIT_SECONDS = 90.0
_END_SECONDS = 10.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Decoded here: run lengths take less time than to ask another process, and their decoder, in Rust, ends no process.
_QUICK = frozenset({str(RLELossless)})


class DecodingProcesses:
    """Decodes several frames at once: no decoder releases the interpreter's lock, and some end their process.

    A process is started when it is first needed, ends when it had nothing to do for two minutes, and with this one,
    however that ends.

    Args:
        processes: How many.
        command: What starts one; the descriptor of its socket is added.
    """

    def __init__(self, processes: int, command: Sequence[str] = COMMAND) -> None:
        self.processes = processes
        self._all = [_Process(command) for _ in range(processes)]
        self._free: queue.LifoQueue[_Process] = queue.LifoQueue()
        for process in self._all:
            self._free.put(process)

    @contextmanager
    def decoded(self, frame: EncodedFrame) -> Iterator[StoredValues]:
        """As `dicomnode.inference.decoding.decoders.Decoders.decoded`."""
        if frame.transfer_syntax_uid in _QUICK:
            yield decode_frame(frame)
            return
        process = self._free.get()
        try:
            yield process.decode(frame)
        finally:
            self._free.put(process)

    def close(self) -> None:
        """End the processes; frames that come later start them anew."""
        for process in self._all:
            process.end()


def one_per_core() -> DecodingProcesses:
    """As many processes as this one may use cores, at most eight: an image has to be read as well as decoded."""
    return DecodingProcesses(min(_MOST_PROCESSES, len(os.sched_getaffinity(0))))


class _Process:
    """One process and the memory that is shared with it; used by one thread at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._memory: mmap.mmap | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    def decode(self, frame: EncodedFrame) -> StoredValues:
        """Stored values in the shared memory, until the next frame."""
        for _ in range(_ATTEMPTS):
            try:
                return self._understood(self._ask(frame))
            except (EOFError, ConnectionError, TimeoutError):
                self.end()  # perhaps not the frame's fault: it had been idle for long, or somebody killed it
        raise PixelError(
            f"instance {frame.sop_instance_uid}: its pixel data ended the process that decodes it, or kept it busy"
            " without end: they are damaged; send it again"
        )

    def end(self) -> None:
        """End it if it runs, whatever it is busy with."""
        if self._finalizer is not None:
            self._finalizer()
        self._running = self._finalizer = self._memory = None

    def _ask(self, frame: EncodedFrame) -> Message:
        connection = self._connection()
        size = frame.largest_bytes
        if self._memory is not None and len(self._memory) >= size:
            send(connection, asdict(frame))
        else:
            file = os.memfd_create("frame")  # nameless: the kernel forgets it with the last process that has it
            try:
                os.ftruncate(file, size)
                self._memory = mmap.mmap(file, size)
                send(connection, asdict(frame), file)
            finally:
                os.close(file)
        return receive(connection)[0]

    def _understood(self, answer: Message) -> StoredValues:
        if "refused" in answer:
            raise PixelError(answer["refused"])
        if self._memory is None or "unreadable" in answer:
            number = answer.get("unreadable") or 0
            raise OSError(number, os.strerror(number))
        shape: list[int] = answer["shape"]
        stored: StoredValues = np.frombuffer(self._memory, answer["dtype"], int(np.prod(shape))).reshape(shape)
        return stored

    def _connection(self) -> socket.socket:
        if self._running is None or self._running[0].poll() is not None:
            self.end()
            ours, theirs = socket.socketpair()
            with theirs:
                process = subprocess.Popen(
                    [*self._command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=os.environ | _ONE_THREAD,
                    pass_fds=[theirs.fileno()],
                )
            ours.settimeout(_WAIT_SECONDS)
            self._running = (process, ours)
            self._finalizer = weakref.finalize(self, _end, process, ours)
        return self._running[1]


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    process.kill()
    process.wait(_END_SECONDS)
