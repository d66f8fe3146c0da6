"""Times of WADO-RS of a whole study, of two servers by turns, as a client that reads every byte sees them."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import urlsplit

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicomnode.errors import PeerRefusedError
from dicomnode.peers.multipart import parse_content_type, parse_multipart

STUDY_UID = "2.25.500512"
_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_READ_BYTES = 1024 * 1024
_TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Server:
    """A DICOMweb origin server that holds the study.

    Attributes:
        name: For the report.
        url: Of its service, without a slash at its end.
    """

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What retrieving the study took.

    Attributes:
        name: Of the server.
        bytes: Of one answer's body.
        seconds: From the request to the last byte, of each repetition in turn.
    """

    name: str
    bytes: int
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


def generated_slices(count: int, rows: int = 512) -> Iterator[bytes]:
    """A CT study that shows nothing, as files: square slices of 16 bits, noise upon a ramp."""
    random = np.random.default_rng(1)
    ramp = np.add.outer(np.arange(rows), np.arange(rows)).astype(np.int16)
    for number in range(1, count + 1):
        yield _file(number, ramp + random.integers(-50, 50, ramp.shape, np.int16))


def measure_retrieval(
    servers: tuple[Server, ...], instances: int, repeats: int, progress: Callable[[str], None]
) -> list[Retrieval]:
    """Retrieve the study from each server, by turns, so that what else the machine does meets all of them alike.

    Raises:
        PeerRefusedError: A server does not give all instances.
    """
    sizes = {}
    for server in servers:
        progress(f"checking what {server.name} gives")
        sizes[server.name] = _checked(server, instances)
    taken: dict[str, list[float]] = {server.name: [] for server in servers}
    for turn in range(repeats):
        progress(f"repetition {turn + 1} of {repeats}")
        for server in servers if turn % 2 == 0 else servers[::-1]:
            started = time.perf_counter()
            sum(map(len, _pieces(server)))
            taken[server.name].append(time.perf_counter() - started)
    return [Retrieval(server.name, sizes[server.name], tuple(taken[server.name])) for server in servers]


def _checked(server: Server, instances: int) -> int:
    """Bytes of the answer, once it is sure that it holds every instance whole."""
    found, size = 0, 0
    pieces = _pieces(server)
    content_type = next(pieces).decode()
    for part in parse_multipart(pieces, parse_content_type(content_type)[1].get("boundary", "")):
        content = b"".join(part.content)
        found += content[128:132] == b"DICM"
        size += len(content)
    if found != instances:
        raise PeerRefusedError(f"{server.name} gave {found} of {instances} instances", 200)
    return size


def _pieces(server: Server) -> Iterator[bytes]:
    """The Content-Type of the answer, then its body piece by piece."""
    address = urlsplit(f"{server.url}/studies/{STUDY_UID}")
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)
    try:
        headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity", "Connection": "close"}
        connection.request("GET", address.path, headers=headers)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise PeerRefusedError(f"{server.name} answered {answer.status} to the request for a study", answer.status)
        yield (answer.getheader("Content-Type") or "").encode()
        while piece := answer.read1(_READ_BYTES):
            yield piece
    finally:
        connection.close()


def _file(number: int, pixels: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY_UID, f"{STUDY_UID}.1"
    dataset.SOPInstanceUID = f"{STUDY_UID}.1.{number}"
    dataset.PatientID, dataset.PatientName, dataset.StudyDate = "BENCH", "Bench^Mark", "20260101"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.7, 0.7], 1
    dataset.PixelData = pixels.tobytes()
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
