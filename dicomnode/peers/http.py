"""HTTP sessions with a peer: by TLS as its settings say, with the credentials that its settings name, no others."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from dicomnode.security.tls import client_context
from dicomnode.settings import TlsClientSettings, read_secret


@dataclass(frozen=True, slots=True)
class WebAccess:
    """How a web peer is called.

    Attributes:
        tls: For https; None leaves it to requests, with the authorities it brings.
        authorization: Where the value of the Authorization header is, None for none.
        what: The settings' name, such as ``targets.pacs``, for messages.
    """

    tls: ssl.SSLContext | None = None
    authorization: str | None = None
    what: str = "peer"

    @classmethod
    def of(cls, what: str, tls: TlsClientSettings | None, authorization: str | None) -> Self:
        """As the settings say; without any, the system's authorities are believed.

        Raises:
            SettingsError: A file of theirs cannot be used.
        """
        certificates = tls or TlsClientSettings.model_validate({})
        return cls(client_context(certificates, f"{what}.tls"), authorization, what)

    def session(self) -> requests.Session:
        """A session for one thread."""
        session = requests.Session()
        # No proxy and no credentials that the settings do not name
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, PlainQueryAdapter(self.tls))
        if self.authorization is not None:
            session.auth = _Authorization(self.authorization, f"{self.what}.authorization")
        return session


class PlainQueryAdapter(HTTPAdapter):
    """Sends wild cards and the like as they are, which RFC 3986 3.4 allows in a query, by a TLS context of our own.

    Orthanc 1.10 does not decode what is percent-encoded there, and finds nothing.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Give the context to every connection."""
        if self._tls is not None:
            options["ssl_context"] = self._tls
            if not self._tls.check_hostname:
                options["assert_hostname"] = False
        super().init_poolmanager(*arguments, **options)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send the request with a plainer query."""
        address, mark, query = (request.url or "").partition("?")
        for character in "*?,:/@!$'();":
            query = query.replace(f"%{ord(character):02X}", character)
        request.url = address + mark + query
        return super().send(request, *arguments, **options)


class _Authorization(AuthBase):
    """Reads the secret for each request, so that a new one holds at once."""

    def __init__(self, where: str, what: str) -> None:
        self._where = where
        self._what = what

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = read_secret(self._where, self._what)
        return request
