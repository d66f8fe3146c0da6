"""PACS that misbehave: a C-STORE SCP of changing moods, and a wire that can be cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO

import requests
from pydicom import dcmread
from pynetdicom import AE, evt
from pynetdicom.presentation import AllStoragePresentationContexts

from tests.faults.checking import Held
from tests.peers_fixtures import SYNTAXES, Orthanc, free_port

_DOCUMENTS = ("SR", "SEG", "PR", "KO", "OT")
_HANG_SECONDS = 20.0


def held_by_orthanc(orthanc: Orthanc) -> dict[str, Held]:
    """What Orthanc holds beside images."""
    found: dict[str, Held] = {}
    query = {"Level": "Instance", "Expand": True, "Query": {}, "RequestedTags": []}
    for item in requests.post(f"{orthanc.url}/tools/find", json=query, timeout=60).json():
        tags = orthanc.get(f"/instances/{item['ID']}/simplified-tags")
        if tags["Modality"] in _DOCUMENTS:
            number = int(tags.get("InstanceNumber") or 0)
            uid = str(tags["SOPInstanceUID"])
            found[uid] = Held(str(tags["StudyInstanceUID"]), str(tags["SeriesInstanceUID"]), uid, number)
    return found


class MoodyPacs:
    """A C-STORE SCP whose mood decides how it answers; what it acknowledged stays with it.

    Moods: ``good``; ``refuse`` (association rejected); ``abort`` (in the middle); a status such as 0xA700; ``hang``;
    ``close`` (the connection ends without a word).
    """

    ae_title = "MOODY"

    def __init__(self) -> None:
        self.port = free_port()
        self.mood: str | int = "good"
        self.asked = 0
        self.held: dict[str, Held] = {}
        entity = AE(ae_title=self.ae_title)
        entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = 60
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, SYNTAXES)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_REQUESTED, self._requested)]
        self._ended = threading.Event()
        self._server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def stop(self) -> None:
        self._ended.set()
        self._server.shutdown()

    def _requested(self, event: evt.Event) -> None:
        if self.mood == "refuse":
            self.asked += 1
            event.assoc.acse.send_reject(0x02, 0x03, 0x02)  # transient, local limit exceeded
            event.assoc.kill()

    def _store(self, event: evt.Event) -> int:
        self.asked += 1
        mood = self.mood
        if mood == "abort":
            event.assoc.abort()
            return 0x0110
        if mood == "close":
            with suppress(OSError):
                event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
            return 0x0110
        if mood == "hang":
            self._ended.wait(_HANG_SECONDS)
            return 0x0110
        if isinstance(mood, int):
            if 0xB000 <= mood <= 0xBFFF:
                self._keep(event)
            return mood
        self._keep(event)
        return 0x0000

    def _keep(self, event: evt.Event) -> None:
        dataset = dcmread(BytesIO(event.encoded_dataset()))
        uid = str(dataset.SOPInstanceUID)
        study, series = str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID)
        self.held[uid] = Held(study, series, uid, int(dataset.InstanceNumber))


class Wire:
    """A TCP relay on 127.0.0.1 that can be cut: after so many bytes, or altogether.

    Attributes:
        port: Where to connect.
        cut_after: Bytes from caller to peer after which a connection is reset; None for never.
        is_down: Nobody gets through.
    """

    def __init__(self, peer_port: int) -> None:
        self.port = free_port()
        self.cut_after: int | None = None
        self.is_down = False
        self.cuts = 0
        self.peer_port = peer_port
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            if self.is_down:
                _reset(caller)
                continue
            try:
                peer = socket.create_connection(("127.0.0.1", self.peer_port), timeout=10)
            except OSError:
                _reset(caller)
                continue
            for source, sink, counts in ((caller, peer, True), (peer, caller, False)):
                threading.Thread(target=self._relay, args=(source, sink, counts), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        passed = 0
        while True:
            try:
                data = source.recv(4096)
                if self.is_down:
                    break
                passed += len(data)
                if counts and self.cut_after is not None and passed > self.cut_after:
                    self.cuts += 1
                    break
                if not data:
                    break
                sink.sendall(data)
            except OSError:
                break
        for end in (source, sink):
            _reset(end)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)  # a close alone ends nothing while the other direction waits in recv
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        end.close()


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """A relay to a port, ended afterwards."""
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.stop()
