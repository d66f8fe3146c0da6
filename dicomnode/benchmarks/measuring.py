"""Times of answers and of arrivals, on archives of several sizes."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import product
from typing import TypeAlias

import numpy as np
import requests
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.archive.archive import Archive
from dicomnode.archive.generated import add_generated, finish_generated
from dicomnode.archive.records import Origin, SeriesRecord, Way
from dicomnode.benchmarks.archives import generated_studies
from dicomnode.benchmarks.searches import SEARCHES, Asked, Search, some_series
from dicomnode.dicom.header import read_header
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.errors import DicomNodeError
from dicomnode.settings import Settings
from dicomnode.web.server import serve_web

_CR = "1.2.840.10008.5.1.4.1.1.1"
_START_SECONDS = 30.0
_PATIENCE_SECONDS = 120.0
_BATCH = 25  # arrivals that are timed together
Progress: TypeAlias = Callable[[str, int, int], None]


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
        cpu: What half of them cost this process at most, the client's work and the web role's.
    """

    name: str
    requests: int
    of_studies: bool
    p50: float
    p95: float
    p99: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Size:
    """What an archive of some size costs.

    Attributes:
        instances: Rows of instances.
        studies: Rows of studies.
        arrival: Milliseconds that it took until an instance of 2 kB was durable and indexed, median of batches.
        completion: Milliseconds to find and complete an open study, median.
        searches: All searches for studies together.
        times: Each kind of request.
    """

    instances: int
    studies: int
    arrival: float
    completion: float
    searches: Times
    times: tuple[Times, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        repeats: Requests of each kind; of arrivals a fifth as many batches.
        seed: The same one makes the same archives and the same requests.
    """

    repeats: int = 100
    seed: int = 1

    @property
    def batches(self) -> int:
        """Of arrivals, at least one."""
        return max(1, self.repeats // 5)


@dataclass(slots=True)
class _Measured:
    """An archive, and what was measured on it so far."""

    instances: int
    archive: Archive
    url: str
    series: list[SeriesRecord]
    arrivals: list[float]
    completions: list[float]
    taken: dict[Search, list[tuple[float, float]]]

    def size(self) -> Size:
        studies = sum(self.archive.studies.counts().values())
        each = tuple(_times(search.name, taken, search.of_studies) for search, taken in self.taken.items())
        together = [one for search, taken in self.taken.items() if search.of_studies for one in taken]
        searches = _times("all searches for studies", together, True)
        arrival, completion = statistics.median(self.arrivals), statistics.median(self.completions)
        return Size(self.instances, studies, arrival, completion, searches, each)


def fill(settings: Settings, instances: int, plan: Plan, progress: Progress) -> None:
    """Write the rows of an archive that has none."""
    Archive.open(settings).close()  # makes the tables
    held = 0
    for written in add_generated(settings.database_url, generated_studies(instances, plan.seed)):
        held += written
        progress(f"writing {instances:,} rows", held, instances)
    finish_generated(settings.database_url)


def measure(archives: Mapping[int, Settings], plan: Plan, progress: Progress) -> list[Size]:
    """Measure archives in turns, so that whatever else the machine does meanwhile meets all of them alike.

    Args:
        archives: By their numbers of instances, the settings of nodes without login.
        plan: What to measure.
        progress: Told what is done, how far that is, and how much of it there is.
    """
    random = np.random.default_rng(plan.seed)
    with ExitStack() as stack:
        measured = []
        for instances, settings in archives.items():
            archive = stack.enter_context(Archive.open(settings))
            series = some_series(archive, random, most=4 * plan.repeats)
            url = stack.enter_context(_web_role(archive, settings))
            taken: dict[Search, list[tuple[float, float]]] = {search: [] for search in SEARCHES}
            measured.append(_Measured(instances, archive, url, series, [], [], taken))
        for batch in range(plan.batches):
            for one in measured:
                _arrive(one, batch)
            progress("storing", batch + 1, plan.batches)
        session = stack.enter_context(requests.Session())
        session.trust_env = False
        for turn in range(plan.repeats):
            for one, search in product(measured, SEARCHES):
                asked = search.ask(one.series[int(random.integers(len(one.series)))], random)
                one.taken[search].append(_ask(session, one.url, asked))
            progress("asking", turn + 1, plan.repeats)
        return [one.size() for one in measured]


def _ask(session: requests.Session, url: str, asked: Asked) -> tuple[float, float]:
    """Milliseconds until the whole answer was there, and of this process's CPU time."""
    headers = {"Accept": asked.accept, "Accept-Encoding": "identity"}
    started, used = time.perf_counter(), time.process_time()
    answer = session.get(url + asked.path, params=list(asked.parameters), headers=headers, timeout=_PATIENCE_SECONDS)
    taken = (time.perf_counter() - started) * 1000, (time.process_time() - used) * 1000
    answer.raise_for_status()
    return taken


def _times(name: str, taken: Sequence[tuple[float, float]], of_studies: bool) -> Times:
    p50, p95, p99 = (float(value) for value in np.percentile([elapsed for elapsed, _ in taken], (50, 95, 99)))
    return Times(name, len(taken), of_studies, p50, p95, p99, statistics.median(used for _, used in taken))


def _arrive(one: _Measured, batch: int) -> None:
    """Let the small instances of a study arrive, and complete it."""
    study, archive = f"2.25.{one.instances}{batch:04d}", one.archive
    files = [_file(study, place) for place in range(1, _BATCH + 1)]
    started = time.perf_counter()
    for data in files:
        _store(archive, data)
    archive.instances.flush()
    stored = time.perf_counter()
    (waiting,) = archive.studies.open_studies()
    archive.studies.complete(study, "measured", waiting.arrivals, datetime.now(UTC))
    archive.jobs.add_all(*archive.jobs.unrouted()[0], [], [], datetime.now(UTC))
    one.arrivals.append((stored - started) * 1000 / _BATCH)
    one.completions.append((time.perf_counter() - stored) * 1000)


def _store(archive: Archive, data: bytes) -> None:
    with archive.instances.new_file() as staged:
        staged.write(data)
        origin = Origin(Way.C_STORE, "MODALITY", "DICOMNODE", "127.0.0.1")
        archive.instances.land(staged, read_header(BytesIO(data)), origin, datetime.now(UTC))


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
