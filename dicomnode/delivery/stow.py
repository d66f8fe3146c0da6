"""Sending by STOW-RS (PS3.18 10.5): one streamed multipart request, an answer for each instance."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar, cast

import requests

from dicomnode.delivery.document import Document
from dicomnode.delivery.outcomes import HTTP_OF_CLASS, OutcomeKind, SendOutcome, dimse_outcome, http_failure, spoken
from dicomnode.errors import SettingsError
from dicomnode.peers.http import WebAccess
from dicomnode.settings import shown_url

_BLOCK = 1 << 17
_LONGEST_BODY = 2000
_REFERENCED_SOP_SEQUENCE, _FAILED_SOP_SEQUENCE = "00081199", "00081198"
_REFERENCED_SOP_INSTANCE_UID, _FAILURE_REASON, _WARNING_REASON = "00081155", "00081197", "00081196"
_ANSWERS_PER_INSTANCE = (200, 202, 409)

Json = Mapping[str, object]
T = TypeVar("T", str, int)


@dataclass(frozen=True, slots=True)
class MultipartBody:
    """A multipart/related body that is read from the files while it is sent."""

    documents: Sequence[Document]
    boundary: str

    @property
    def content_type(self) -> str:
        """The request's Content-Type."""
        return f'multipart/related; type="application/dicom"; boundary={self.boundary}'

    def __len__(self) -> int:
        files = sum(document.path.stat().st_size for document in self.documents)
        return files + len(self.documents) * (len(self._head()) + 2) + len(self._tail())

    def __iter__(self) -> Iterator[bytes]:
        for document in self.documents:
            yield self._head()
            with document.path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    yield block
            yield b"\r\n"
        yield self._tail()

    def _head(self) -> bytes:
        return f"--{self.boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()

    def _tail(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode()


class StowSender:
    """Sends documents to one DICOMweb origin server."""

    def __init__(
        self, url: str, timeout: float, clock: Callable[[], datetime], access: WebAccess | None = None
    ) -> None:
        """Prepare for a base URL such as ``http://pacs:8042/dicom-web``; `clock` dates a Retry-After."""
        self._url = f"{url.rstrip('/')}/studies"
        self._timeout = timeout
        self._clock = clock
        self._session = (access or WebAccess()).session()

    def send(self, documents: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        """Send all documents in one request."""
        gone = [document for document in documents if not document.path.is_file()]
        for document in gone:
            yield document, SendOutcome(OutcomeKind.PERMANENT, "the file is gone from the archive")
        here = [document for document in documents if document not in gone]
        if here:
            yield from self._post(here)

    def rest(self) -> None:
        """Connections that are kept open cost a server nothing."""

    def close(self) -> None:
        """Close the connections that are kept open between requests."""
        self._session.close()

    def _post(self, documents: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        body = MultipartBody(documents, secrets.token_hex(16))
        headers = {"Content-Type": body.content_type, "Accept": "application/dicom+json", "Accept-Encoding": "identity"}
        try:
            response = self._session.post(
                self._url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            )
        except (requests.RequestException, OSError, SettingsError) as error:
            outcome = SendOutcome(
                OutcomeKind.TRANSIENT, f"{shown_url(self._url)}: {type(error).__name__}; is the server there?"
            )
            yield from ((document, outcome) for document in documents)
            return
        yield from self._judge(response, documents)

    def _judge(
        self, response: requests.Response, documents: Sequence[Document]
    ) -> Iterator[tuple[Document, SendOutcome]]:
        status = response.status_code
        if status in HTTP_OF_CLASS and len(documents) > 1:
            # One kind of object spoilt the request for all: which, only requests of one object tell
            for document in documents:
                yield from self._post([document])
            return
        said = spoken(response.text[:_LONGEST_BODY])
        whole = http_failure(status, response.headers.get("Retry-After"), self._clock(), said)
        named: dict[str, SendOutcome] = {}
        if status in _ANSWERS_PER_INSTANCE:
            named = read_store_response(response.content)
            # 409 says that every instance failed; the others say nothing of one that they do not name
            kind = OutcomeKind.PERMANENT if status == 409 else OutcomeKind.TRANSIENT
            whole = SendOutcome(kind, f"HTTP {status}, but the answer does not name the instance", answer=said)
        for document in documents:
            outcome = named.get(document.sop_instance_uid, whole)
            yield document, outcome if outcome.arrived else replace(outcome, answer=said)


def read_store_response(content: bytes) -> dict[str, SendOutcome]:
    """Read a Store Instances Response Module (PS3.18 Annex I.2) in DICOM JSON; empty if it is none.

    Returns:
        Outcome by SOP Instance UID.
    """
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    if isinstance(answer, list):
        answer = answer[0] if answer else {}
    outcomes: dict[str, SendOutcome] = {}
    for item in _items(answer, _REFERENCED_SOP_SEQUENCE):
        outcomes[_first(item, _REFERENCED_SOP_INSTANCE_UID, "")] = _stored(_first(item, _WARNING_REASON, 0))
    for item in _items(answer, _FAILED_SOP_SEQUENCE):
        outcomes[_first(item, _REFERENCED_SOP_INSTANCE_UID, "")] = _failed(_first(item, _FAILURE_REASON, 0x0110))
    return outcomes


def _stored(warning: int) -> SendOutcome:
    if warning == 0:
        return dimse_outcome(0)
    return SendOutcome(OutcomeKind.WARNING, dimse_outcome(warning).status)


def _failed(reason: int) -> SendOutcome:
    outcome = dimse_outcome(reason)
    if outcome.arrived:  # the server lists it as failed, whatever number it gives
        return SendOutcome(OutcomeKind.PERMANENT, f"listed as failed, reason {outcome.status}")
    return outcome


def _items(answer: object, tag: str) -> list[Json]:
    value = _values(answer, tag)
    return [cast(Json, item) for item in value if isinstance(item, dict)]


def _values(answer: object, tag: str) -> Sequence[object]:
    element = answer.get(tag) if isinstance(answer, dict) else None
    value = element.get("Value") if isinstance(element, dict) else None
    return value if isinstance(value, list) else []


def _first(item: Json, tag: str, default: T) -> T:
    values = _values(item, tag)
    return values[0] if values and isinstance(values[0], type(default)) else default
