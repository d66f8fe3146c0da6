"""Frames decoded in other processes are those that this one decodes, and a process that ends is no end of anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from dicomnode.errors import PixelError
from dicomnode.inference.decoding.decoders import OwnProcess
from dicomnode.inference.decoding.encoded import EncodedFrame
from dicomnode.inference.decoding.processes import DecodingProcesses
from dicomnode.inference.reading import read_parts
from dicomnode.study import Series
from tests.factories import as_series, compress_jpeg, make_enhanced, make_instance, make_series, ramp, write_instance


@pytest.fixture(scope="module")
def processes() -> Iterator[DecodingProcesses]:
    decoding = DecodingProcesses(2)
    yield decoding
    decoding.close()


def _compressed(paths: list[Path], syntax: str) -> Series:
    for path in paths:
        dataset = dcmread(path)
        plugin = "pyjpegls" if syntax == JPEGLSLossless else "pylibjpeg"
        dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
        dataset.save_as(path)
    return as_series(paths)


def _frame(series: Series) -> EncodedFrame:
    seen: list[EncodedFrame] = []

    class Noted(OwnProcess):
        def decoded(self, frame: EncodedFrame):  # type: ignore[no-untyped-def]
            seen.append(frame)
            return super().decoded(frame)

    read_parts(series, Noted())
    return seen[0]


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_the_same_values(tmp_path: Path, processes: DecodingProcesses, syntax: str) -> None:
    paths = make_series(tmp_path, 5, modality="CT", shape=(40, 50), RescaleIntercept=-1024)
    expected = read_parts(as_series(paths)).images[0].data.numpy()
    series = _compressed(paths, syntax)
    for decoders in (OwnProcess(), processes):
        assert np.array_equal(read_parts(series, decoders).images[0].data.numpy(), expected)


def test_the_same_frames_and_colours(tmp_path: Path, processes: DecodingProcesses) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3), np.uint8)
    colour = compress_jpeg(make_instance(modality="XC", pixels=pixels))
    frames = make_enhanced(4, shape=(40, 50), order=(2, 0, 3, 1))
    frames.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    for dataset in (colour, frames):
        series = as_series([write_instance(dataset, tmp_path / "one.dcm")])
        for one, other in zip(read_parts(series).images, read_parts(series, processes).images, strict=True):
            assert np.array_equal(one.data.numpy(), other.data.numpy())


def test_larger_frames_and_several_threads(tmp_path: Path, processes: DecodingProcesses) -> None:
    small = _frame(_compressed(make_series(tmp_path / "a", 1, shape=(40, 50), series="a"), JPEGLSLossless))
    large = _frame(_compressed(make_series(tmp_path / "b", 1, shape=(400, 500), series="b"), JPEGLSLossless))

    def total(frame: EncodedFrame) -> int:
        with processes.decoded(frame) as stored:
            return int(stored.sum(dtype=np.int64))

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(total, [small, large] * 6))
    assert found == [int(ramp(40, 50).sum()), int(ramp(400, 500).sum(dtype=np.int64))] * 6


def test_damaged_pixels_are_refused_by_name(tmp_path: Path, processes: DecodingProcesses) -> None:
    series = _compressed(make_series(tmp_path, 1, shape=(40, 50)), JPEG2000Lossless)
    path = series.instances[0].path
    content = path.read_bytes()
    at = content.index(b"\xff\x4f\xff\x51")
    path.write_bytes(content[:at] + bytes(len(content) - at - 8) + content[-8:])
    with pytest.raises(PixelError, match=f"{series.instances[0].sop_instance_uid}.* cannot be decoded"):
        read_parts(series, processes)


def test_a_lost_file_is_refused_by_name(tmp_path: Path, processes: DecodingProcesses) -> None:
    frame = _frame(_compressed(make_series(tmp_path, 1, shape=(40, 50)), JPEGLSLossless))
    Path(frame.path).unlink()
    with pytest.raises(FileNotFoundError), processes.decoded(frame):
        pass


def test_a_process_that_was_killed_is_started_anew(tmp_path: Path) -> None:
    frame = _frame(_compressed(make_series(tmp_path, 1, shape=(40, 50)), JPEGLSLossless))
    decoding, before = DecodingProcesses(1), _children(os.getpid())
    try:
        for _ in range(2):
            with decoding.decoded(frame) as stored:
                assert np.array_equal(stored, ramp(40, 50))
            [child] = _children(os.getpid()) - before
            os.kill(child, signal.SIGKILL)
    finally:
        decoding.close()
    assert _children(os.getpid()) == before


def test_pixels_that_end_their_process_are_refused(tmp_path: Path) -> None:
    frame = _frame(_compressed(make_series(tmp_path, 1, shape=(40, 50)), JPEGLSLossless))
    dying = "import os, socket, sys; socket.socket(fileno=int(sys.argv[1])).recv(1); os.abort()"
    decoding = DecodingProcesses(1, (sys.executable, "-c", dying))
    message = f"{frame.sop_instance_uid}: its pixel data ended the process"
    with pytest.raises(PixelError, match=message), decoding.decoded(frame):
        pass
    decoding.close()


_PARENT = """
import json, sys
from dicomnode.inference.decoding.encoded import EncodedFrame
from dicomnode.inference.decoding.processes import DecodingProcesses
decoding = DecodingProcesses(1)
with decoding.decoded(EncodedFrame(**json.loads(sys.argv[1]))):
    print("decoded", "torch" in sys.modules, flush=True)
    sys.stdin.read()
"""


def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    frame = _frame(_compressed(make_series(tmp_path, 1, shape=(40, 50)), JPEGLSLossless))
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, json.dumps(asdict(frame))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"decoded False\n"
        [child] = _children(parent.pid)
        parent.kill()
    deadline = time.monotonic() + 30
    while _is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_uncompressed_series_starts_no_process(tmp_path: Path) -> None:
    decoding, before = DecodingProcesses(2), _children(os.getpid())
    read_parts(as_series(make_series(tmp_path, 4, transfer_syntax=ExplicitVRLittleEndian)), decoding)
    read_parts(as_series([write_instance(make_instance(modality="MG"), tmp_path / "mg.dcm")]), decoding)
    assert _children(os.getpid()) == before


def _children(process: int) -> set[int]:
    """Processes that decode, started by any thread of a process."""
    found = set()
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            found |= {child} if b"dicomnode.inference.decoding" in command else set()
    return found


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
