"""Times of answers, and of arrivals while the archive grows."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import requests
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.archive.archive import Archive
from dicomnode.archive.generated import add_generated, finish_generated
from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.header import read_header
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.errors import DicomNodeError
from dicomnode.settings import Settings
from dicomnode.web.benchmarks.archives import generated_studies
from dicomnode.web.benchmarks.searches import SEARCHES, Search, some_series
from dicomnode.web.server import serve_web

_CR = "1.2.840.10008.5.1.4.1.1.1"
_START_SECONDS = 30.0
_BATCH = 25  # arrivals that are timed together


@dataclass(frozen=True, slots=True)
class Times:
    """How long the answers to a kind of request took, in milliseconds.

    Attributes:
        name: What was asked.
        requests: How often.
        of_studies: Whether it was a search for studies.
        p50: Half of the answers took no longer.
        p95: 95 % of them.
        p99: 99 % of them.
    """

    name: str
    requests: int
    of_studies: bool
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Stage:
    """What an archive of some size costs.

    Attributes:
        instances: Rows of instances.
        studies: Rows of studies.
        arrivals_per_second: Instances of 2 kB that one sender's process stored durably, median of batches.
        completion: Milliseconds to find and complete an open study, median.
        searches: All searches for studies together.
        times: Each kind of request.
    """

    instances: int
    studies: int
    arrivals_per_second: float
    completion: float
    searches: Times
    times: tuple[Times, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        instances: Sizes of the archive, each larger than the one before.
        repeats: Requests of each kind.
        arrivals: Instances that arrive at each size.
        seed: The same one makes the same archive and the same requests.
    """

    instances: tuple[int, ...]
    repeats: int = 100
    arrivals: int = 500
    seed: int = 1


def measure(settings: Settings, plan: Plan, progress: Callable[[str, int, int], None]) -> Iterator[Stage]:
    """Grow an archive and measure it at each size.

    Args:
        settings: Of a node without login, whose archive is empty.
        plan: What to measure.
        progress: Told what is done, how far that is, and how much of it there is.
    """
    held, first = 0, 0
    with Archive.open(settings) as archive:
        for size in plan.instances:
            for written in add_generated(settings.database_url, generated_studies(size - held, plan.seed, first)):
                held += written
                progress("writing rows", held, size)
            finish_generated(settings.database_url)
            arrived = _arrive(archive, size, plan.arrivals)
            first = sum(archive.studies.counts().values())
            with _web_role(archive, settings) as url:
                taken = _ask_all(archive, url, plan, progress)
            yield _stage(size, first, arrived, taken)
            held += plan.arrivals


def _ask_all(
    archive: Archive, url: str, plan: Plan, progress: Callable[[str, int, int], None]
) -> list[tuple[Search, list[float]]]:
    random = np.random.default_rng(plan.seed)
    series = some_series(archive, random)
    taken: list[tuple[Search, list[float]]] = [(search, []) for search in SEARCHES]
    with requests.Session() as session:
        session.trust_env = False
        # In turns, so that what else the machine does meanwhile meets all of them alike
        for turn in range(plan.repeats):
            for search, times in taken:
                asked = search.ask(series[(turn * 7 + len(search.name)) % len(series)], random)
                started = time.perf_counter()
                answer = session.get(
                    url + asked.path,
                    params=list(asked.parameters),
                    headers={"Accept": asked.accept, "Accept-Encoding": "identity"},
                    timeout=60,
                )
                times.append((time.perf_counter() - started) * 1000)
                answer.raise_for_status()
            progress("asking", turn + 1, plan.repeats)
    return taken


def _stage(size: int, studies: int, arrived: tuple[float, float], taken: list[tuple[Search, list[float]]]) -> Stage:
    together = [value for search, times in taken if search.of_studies for value in times]
    each = tuple(_times(search.name, times, search.of_studies) for search, times in taken)
    return Stage(size, studies, *arrived, _times("all searches for studies", together, True), each)


def _times(name: str, taken: Sequence[float], of_studies: bool) -> Times:
    p50, p95, p99 = (float(value) for value in np.percentile(taken, (50, 95, 99)))
    return Times(name, len(taken), of_studies, p50, p95, p99)


def _arrive(archive: Archive, size: int, arrivals: int) -> tuple[float, float]:
    """Let small instances arrive, as many to a study as are timed together; their rate, and the completion's time."""
    rates, completions = [], []
    for batch in range(arrivals // _BATCH):
        study = f"2.25.{size}{batch:04d}"
        files = [_file(study, place) for place in range(1, _BATCH + 1)]
        started = time.perf_counter()
        for data in files:
            _store(archive, data)
        stored = time.perf_counter()
        (waiting,) = archive.studies.open_studies()
        archive.studies.complete(study, "measured", waiting.arrivals, datetime.now(UTC))
        archive.jobs.unrouted()
        completions.append((time.perf_counter() - stored) * 1000)
        archive.jobs.add_all(study, 1, [], [], datetime.now(UTC))
        rates.append(_BATCH / (stored - started))
    return statistics.median(rates), statistics.median(completions)


def _store(archive: Archive, data: bytes) -> None:
    with archive.instances.new_file() as staged:
        staged.write(data)
        origin = Origin(Way.C_STORE, "MODALITY", "DICOMNODE", "127.0.0.1")
        archive.instances.commit(staged, read_header(BytesIO(data)), origin, datetime.now(UTC))


def _file(study: str, place: int) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = _CR, f"{study}.1.{place}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.1"
    dataset.StudyDate, dataset.Modality, dataset.PatientID = "20261101", "CR", f"N{study[5:]}"
    dataset.PatientName, dataset.AccessionNumber, dataset.InstanceNumber = f"New^{place}", study[5:16], place
    dataset.Rows = dataset.Columns = 32
    dataset.PixelData = bytes(2048)
    dataset["PixelData"].VR = "OW"
    buffer = BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True)
    return part10_preamble(_CR, dataset.SOPInstanceUID, ExplicitVRLittleEndian, "") + buffer.getvalue()


@contextmanager
def _web_role(archive: Archive, settings: Settings) -> Iterator[str]:
    """The web role in a thread of its own; gives its address."""
    stop, ready, ports = threading.Event(), threading.Event(), list[int]()

    def note(port: int) -> None:
        ports.append(port)
        ready.set()

    thread = threading.Thread(target=serve_web, args=(archive, settings, note, stop), name="web", daemon=True)
    thread.start()
    try:
        if not ready.wait(_START_SECONDS):
            raise DicomNodeError("the web role did not start within 30 s")
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        stop.set()
        thread.join()
