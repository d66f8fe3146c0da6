"""What it costs to keep an instance durably and to index it, without a network: landing, committing, plain files."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import product
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.settings import Settings

WAYS = ("land", "commit", "files")
_UID = "2.25.99999999"
_ORIGIN = Origin(Way.C_STORE, "MODALITY", "DICOMNODE", "127.0.0.1")
_Arrival = tuple[bytes, InstanceHeader]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of arrivals.

    Attributes:
        acknowledged: Instances a second that were safe.
        indexed: Instances a second until the index had all of them.
        cpu: Milliseconds of processor time for an instance, in all threads.
    """

    acknowledged: float
    indexed: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Cell:
    """All runs of one kind.

    Attributes:
        way: Landing and committing in an archive; plain files: nothing is synced, nothing indexed.
        bytes: Of an instance.
        threads: That bring instances at once.
        runs: By turns with the other ways.
    """

    way: str
    bytes: int
    threads: int
    runs: tuple[Run, ...]

    def median(self, what: str) -> float:
        """Of one attribute of the runs."""
        return float(statistics.median(getattr(run, what) for run in self.runs))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        loads: Bytes of an instance, and how many of them are one run.
        threads: How many bring them at once.
        repeats: Turns of all ways.
    """

    loads: tuple[tuple[int, int], ...]
    threads: tuple[int, ...]
    repeats: int


def measure_arrivals(folder: Path, plan: Plan, progress: Callable[[str], None]) -> Iterator[Cell]:
    """Measure each way in turn; files stay until the end, because deleting them slows down who makes new ones."""
    for (size, count), threads in product(plan.loads, plan.threads):
        runs: dict[str, list[Run]] = {way: [] for way in WAYS}
        for turn, way in product(range(plan.repeats), WAYS):
            progress(f"{way}, {size >> 10} KiB, {threads} threads")
            arrivals = [_arrival(size, number) for number in range(count)]
            place = folder / f"{size}-{threads}-{turn}-{way}"
            runs[way].append(_run(place, way, arrivals, threads))
        for way in WAYS:
            yield Cell(way, size, threads, tuple(runs[way]))


def _run(place: Path, way: str, arrivals: list[_Arrival], threads: int) -> Run:
    if way == "files":
        place.mkdir()
        return _timed(lambda one: _write(place, one), lambda: None, arrivals, threads)
    with Archive.open(Settings.model_validate({"node": {"data_dir": str(place)}})) as archive:
        keep = archive.instances.land if way == "land" else archive.instances.commit

        def bring(one: _Arrival) -> None:
            with archive.instances.new_file() as staged:
                staged.write(one[0])
                keep(staged, one[1], _ORIGIN, datetime.now(UTC))

        bring(arrivals.pop())  # what the first one costs is no rate
        archive.instances.flush()
        return _timed(bring, archive.instances.flush, arrivals, threads)


def _timed(bring: Callable[[_Arrival], None], flush: Callable[[], None], arrivals: list[_Arrival], threads: int) -> Run:
    waiting, guard, count = iter(arrivals), threading.Lock(), len(arrivals)

    def work() -> None:
        while True:
            with guard:
                one = next(waiting, None)
            if one is None:
                return
            bring(one)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    started, used = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    acknowledged = time.perf_counter() - started
    flush()
    indexed, used = time.perf_counter() - started, time.process_time() - used
    return Run(count / acknowledged, count / indexed, used * 1000 / count)


def _write(place: Path, one: _Arrival) -> None:
    (place / one[1].sop_instance_uid).write_bytes(one[0])


def _arrival(size: int, number: int) -> _Arrival:
    content, header = _template(size)
    uid = f"2.25.{10000000 + number}"
    return content.replace(_UID.encode(), uid.encode()), replace(header, sop_instance_uid=uid)


def _template(size: int) -> _Arrival:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, _UID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.1", "2.25.2"
    dataset.Modality, dataset.PatientID, dataset.PatientName = "CT", "B1", "Bench^Mark"
    dataset.Rows = dataset.Columns = 512
    dataset.PixelData = bytes(max(size - 1024, 0) // 2 * 2)
    dataset["PixelData"].VR = "OW"
    buffer = BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True)
    content = part10_preamble(CTImageStorage, _UID, ExplicitVRLittleEndian, "") + buffer.getvalue()
    return content, read_header(BytesIO(content))
