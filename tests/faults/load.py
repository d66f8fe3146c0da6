"""Senders that go on sending studies whatever happens to the node, as modalities do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import requests
from pydicom import dcmread
from pynetdicom import AE, _config, build_context

from tests.factories import SOP_CLASSES, make_series
from tests.faults.ledger import Ledger

SLICES = 3
_EXPLICIT = "1.2.840.10008.1.2.1"
_PAUSE_SECONDS = 0.3
_BETWEEN_STUDIES_SECONDS = 1.5
_TRIES = 400
_HEADERS = {
    "Content-Type": 'multipart/related; type="application/dicom"; boundary=x',
    "Accept": "application/dicom+json",
}


def new_study(folder: Path, word: str) -> list[Path]:
    """Three MR slices of a study of their own: same word, same UIDs."""
    patient = {"PatientID": f"FAULT-{word}", "BodyPartExamined": "BRAIN"}
    return make_series(folder / word, SLICES, study=word, series=word, shape=(96, 96), **patient)


class Modality(threading.Thread):
    """Sends one study after the other until stopped, each instance until it is acknowledged.

    Args:
        name: Of the thread and the first letters of its studies.
        folder: For its files.
        ledger: Where acknowledgements are noted.
        send: Sends what is left of a study, and gives the paths that were acknowledged.
        studies: How many; None for as many as come until it is told to finish.
    """

    def __init__(
        self, name: str, folder: Path, ledger: Ledger, send: Callable[[Sequence[Path]], set[Path]], studies: int | None
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._folder = folder
        self._ledger = ledger
        self._send = send
        self._studies = studies
        self._stop_asked = threading.Event()

    def finish(self, seconds: float = 240.0) -> None:
        """Let it bring its studies home; one without a number of them ends with the present one."""
        if self._studies is None:
            self._stop_asked.set()
        self.join(seconds)
        assert not self.is_alive(), f"{self.name} could not bring its study home within {seconds} s"

    def run(self) -> None:
        for number in count() if self._studies is None else range(self._studies):
            if self._stop_asked.is_set():
                return
            self._bring(f"{self.name}{number}")
            self._stop_asked.wait(_BETWEEN_STUDIES_SECONDS)

    def _bring(self, word: str) -> None:
        left = new_study(self._folder, word)
        study = str(dcmread(left[0], stop_before_pixels=True).StudyInstanceUID)
        for _ in range(_TRIES):
            for path in self._send(left):
                uid = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
                self._ledger.acknowledged(study, uid, path)
                left.remove(path)
            if not left:
                self._ledger.whole(study)
                return
            self._stop_asked.wait(_PAUSE_SECONDS)


def by_c_store(port: Callable[[], int | None]) -> Callable[[Sequence[Path]], set[Path]]:
    """Sending by C-STORE to whatever port the node listens on just now."""

    def send(paths: Sequence[Path]) -> set[Path]:
        _config.STORE_SEND_CHUNKED_DATASET = True
        entity = AE("MODALITY")
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = 20
        where, done = port(), set[Path]()
        if where is None:
            return done
        contexts = [build_context(SOP_CLASSES["MR"], _EXPLICIT)]
        association = entity.associate("127.0.0.1", where, contexts=contexts, ae_title="DICOMNODE")
        for path in paths:
            if not association.is_established:
                break
            try:
                status = association.send_c_store(path)
            except RuntimeError:  # the association ended between the look and the call
                break
            if "Status" in status and status.Status == 0x0000:
                done.add(path)
        if association.is_established:
            association.release()
        return done

    return send


def by_stow(url: Callable[[], str | None]) -> Callable[[Sequence[Path]], set[Path]]:
    """Sending by STOW-RS, one instance a request."""

    def send(paths: Sequence[Path]) -> set[Path]:
        where, done = url(), set[Path]()
        for path in paths if where else ():
            body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + path.read_bytes() + b"\r\n--x--\r\n"
            try:
                answer = requests.post(f"{where}/studies", data=body, headers=_HEADERS, timeout=20)
            except requests.RequestException:
                break
            if answer.status_code == 200:
                done.add(path)
        return done

    return send
