"""What a client accepts, and what is sent: media types of PS3.18 8.7."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Request
from starlette.exceptions import HTTPException

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
OCTET_STREAM = "application/octet-stream"
MULTIPART = "multipart/related"

_PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*("[^"]*"|[^;,"\s]*)')
_RANGE = re.compile(r'\s*([^\s;,"]+)((?:\s*;\s*[\w-]+\s*=\s*(?:"[^"]*"|[^;,"\s]*))*)\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an Accept header.

    Attributes:
        name: Type and subtype, lower case; of ``multipart/related`` the ``type`` parameter says what the parts are.
        parameters: Keys in lower case, values without quotes.
    """

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def parameter(self, key: str) -> str | None:
        """Value of a parameter, None if it is not given."""
        return dict(self.parameters).get(key)

    @property
    def part(self) -> str:
        """Media type of the payload: that of the parts of a multipart answer, else its own."""
        if self.name != MULTIPART:
            return self.name
        return (self.parameter("type") or "*/*").lower()

    @property
    def quality(self) -> float:
        """Preference 0..1 (RFC 9110 12.4.2)."""
        try:
            return float(self.parameter("q") or 1)
        except ValueError:
            return 0.0


def parse_accept(header: str) -> tuple[MediaRange, ...]:
    """Read an Accept header, best first; what is not wanted at all (q=0) is left out."""
    ranges = [
        MediaRange(name.lower(), tuple((key.lower(), value.strip('"')) for key, value in _PARAMETER.findall(rest)))
        for name, rest in _RANGE.findall(header)
    ]
    wanted = [item for item in ranges if item.quality > 0]
    return tuple(sorted(wanted, key=lambda item: -item.quality)) or (MediaRange("*/*"),)


def accepted(request: Request) -> tuple[MediaRange, ...]:
    """What the client accepts: query parameter ``accept`` before the header (PS3.18 8.3.3.1)."""
    return parse_accept(request.query_params.get("accept") or request.headers.get("accept") or "*/*")


def require_json(request: Request) -> None:
    """Refuse clients that do not take DICOM JSON, the only form that metadata and search results come in.

    Raises:
        HTTPException: 406.
    """
    fitting = {DICOM_JSON, "application/json", "application/*", "*/*"}
    if not any(item.part in fitting for item in accepted(request)):
        raise not_acceptable(f"this resource comes as {DICOM_JSON} only")


def not_acceptable(detail: str) -> HTTPException:
    """A 406 that says what there is."""
    return HTTPException(HTTPStatus.NOT_ACCEPTABLE, detail)
