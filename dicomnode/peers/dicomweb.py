"""Another system's DICOMweb services: QIDO-RS and WADO-RS (PS3.18)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import requests
from dicomweb_client.web import DICOMwebClient

from dicomnode.dicom.uids import valid_uid
from dicomnode.errors import InputError, PeerRefusedError, PeerUnavailableError, SettingsError
from dicomnode.peers.http import WebAccess
from dicomnode.peers.multipart import parse_content_type, parse_multipart
from dicomnode.peers.paging import pages
from dicomnode.settings import shown_url

_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_CHUNK_BYTES = 256 * 1024
_PAGE_SIZE = 1000
_NOT_FOUND = 404
Item = Mapping[str, Any]
Row = TypeVar("Row", bound=Hashable)
# Statuses by which a server says "not now"; every other failure is an answer.
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 507})


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study that a peer holds.

    Attributes:
        study_instance_uid: (0020,000D).
        number_of_instances: (0020,1208), None if the peer does not tell.
    """

    study_instance_uid: str
    number_of_instances: int | None


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """An instance that a peer holds."""

    series_instance_uid: str
    sop_instance_uid: str


class DicomWebPeer:
    """A client of one DICOMweb server; use it in one thread.

    Args:
        url: Base URL of the services.
        timeout_seconds: For connecting, and for each silence of the peer.
        access: TLS and credentials.
    """

    def __init__(self, url: str, timeout_seconds: float = 30.0, access: WebAccess | None = None) -> None:
        self.url = url.rstrip("/")
        self._shown = shown_url(self.url)
        self._timeout = timeout_seconds
        self._session = (access or WebAccess()).session()
        # Compressing images costs a server thirty times what sending them does.
        self._session.headers["Accept-Encoding"] = "identity"
        self._client = DICOMwebClient(self.url, session=self._session, timeout=timeout_seconds, permissive_uid=True)
        self._client.set_http_retry_params(retry=False)

    def search_studies(self, filters: Mapping[str, str], limit: int, offset: int) -> list[StudySummary]:
        """One page of the studies that match.

        Raises:
            PeerUnavailableError: The peer is away.
            PeerRefusedError: It refused the search.
        """
        with self._translated("QIDO-RS search for studies"):
            found = self._client.search_for_studies(
                limit=limit, offset=offset, fields=["NumberOfStudyRelatedInstances"], search_filters=dict(filters)
            )
            pairs = [(uid_of(item, "0020000D"), number_of(item, "00201208")) for item in found]
        return [StudySummary(uid, count) for uid, count in pairs if uid is not None]

    def search_instances(self, study_instance_uid: str, limit: int, offset: int) -> list[InstanceSummary]:
        """One page of a study's instances.

        Raises:
            PeerUnavailableError: The peer is away.
            PeerRefusedError: It refused the search.
        """
        with self._translated("QIDO-RS search for instances"):
            found = self._client.search_for_instances(study_instance_uid, limit=limit, offset=offset)
            pairs = [(uid_of(item, "0020000E"), uid_of(item, "00080018")) for item in found]
        return [InstanceSummary(series, sop) for series, sop in pairs if series is not None and sop is not None]

    def search(
        self, within: str | None, filters: Mapping[str, str], fields: Sequence[str], read: Callable[[Item], Row | None]
    ) -> list[Row]:
        """Everything that matches, however many pages it takes; nothing where the server says that it is not there.

        Args:
            within: A study, to search its instances; None searches studies.
            filters: Matches: keyword = value.
            fields: Keywords of what is returned besides.
            read: Makes a value of an item (PS3.18 F.2), or None of one that cannot be used.

        Raises:
            PeerUnavailableError: The peer is away.
            PeerRefusedError: It refused the search.
        """

        def ask(offset: int) -> list[Row]:
            options: dict[str, Any] = {"fields": list(fields), "search_filters": dict(filters)}
            options |= {"limit": _PAGE_SIZE, "offset": offset}
            with self._translated("QIDO-RS search"):
                if within is None:
                    found = self._client.search_for_studies(**options)
                else:
                    found = self._client.search_for_instances(within, **options)
                return [row for row in map(read, found) if row is not None]

        try:
            return list(pages(ask))
        except PeerRefusedError as error:
            if error.status == _NOT_FOUND:
                return []
            raise

    def retrieve(
        self, study_instance_uid: str, series_instance_uid: str | None = None, sop_instance_uid: str | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Instances of a study, of a series, or a single one, as files (PS3.10) in pieces, in the peer's encoding.

        Each must be read, or left, before the next is asked for.

        Raises:
            PeerUnavailableError: The peer is away, or the transfer was cut off.
            PeerRefusedError: It refused.
        """
        url = f"{self.url}/studies/{study_instance_uid}"
        if series_instance_uid is not None:
            url += f"/series/{series_instance_uid}"
            if sop_instance_uid is not None:
                url += f"/instances/{sop_instance_uid}"
        with (
            self._translated("WADO-RS retrieve"),
            self._session.get(url, headers={"Accept": _ACCEPT}, stream=True, timeout=self._timeout) as response,
        ):
            response.raise_for_status()
            for content in _contents(response):
                yield self._watched(content)

    def health(self) -> None:
        """Ask for one study.

        Raises:
            PeerUnavailableError: The peer is away.
            PeerRefusedError: It does not answer searches.
        """
        self.search_studies({}, 1, 0)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def _watched(self, content: Iterator[bytes]) -> Iterator[bytes]:
        """Errors of the transfer come up where the pieces are read."""
        with self._translated("WADO-RS retrieve"):
            yield from content

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except requests.HTTPError as error:
            status = error.response.status_code
            message = f"{what} at {self._shown} was answered with status {status}"
            if status in _TRANSIENT:
                raise PeerUnavailableError(message) from error
            raise PeerRefusedError(message, status) from error
        except requests.JSONDecodeError as error:
            raise PeerUnavailableError(f"{what} at {self._shown} gave an answer that is no JSON") from error
        except SettingsError as error:  # the secret is not there, for now
            raise PeerUnavailableError(f"{what} at {self._shown}: {error}") from error
        except (requests.RequestException, OSError) as error:
            raise PeerUnavailableError(f"{what} at {self._shown} failed: {type(error).__name__}") from error
        except (InputError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise PeerUnavailableError(
                f"{what} at {self._shown} gave an answer that cannot be read: {error}"
            ) from error


def _contents(response: requests.Response) -> Iterator[Iterator[bytes]]:
    media_type, parameters = parse_content_type(response.headers.get("Content-Type", ""))
    chunks: Iterator[bytes] = response.iter_content(_CHUNK_BYTES)
    if media_type == "application/dicom":  # some servers answer with the bare file when there is one only
        yield chunks
    elif media_type == "multipart/related":
        for part in parse_multipart(chunks, parameters.get("boundary", "")):
            yield part.content
    else:
        raise InputError(f"media type {media_type} instead of multipart/related")


def text_of(item: Item, tag: str) -> str | None:
    """First value of an attribute in the DICOM JSON Model, a name with all its component groups."""
    values = item.get(tag, {}).get("Value") or [None]
    if isinstance(values[0], Mapping):
        groups = [str(values[0].get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return str(values[0]) if values[0] is not None else None


def uid_of(item: Item, tag: str) -> str | None:
    """A UID that may become part of a URL, None for anything else."""
    text = text_of(item, tag)
    return text if text is not None and valid_uid(text) else None


def number_of(item: Item, tag: str) -> int | None:
    """A whole number, None for anything else."""
    text = text_of(item, tag)
    return int(text) if text is not None and text.isdigit() else None
