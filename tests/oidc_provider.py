"""A small OpenID Connect provider on loopback, which can also misbehave."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT, SECRET = "dicomnode", "a secret / with + signs"


class OidcProvider:
    """Signs in one person at every request, without asking.

    Attributes:
        claims: Laid over those of the next ID token; None takes one away.
        signing: Key of the next ID token; another one than the published `key` is nobody's.
        algorithm: Of the next ID token.
        address_answer: Laid over the parameters that the browser brings back.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.issuer = f"http://127.0.0.1:{server.server_port}/realm"
        self.key = ECKey.generate_key("P-256", {"kid": "first"})
        self.signing = self.key
        self.algorithm = "ES256"
        self.claims: dict[str, Any] = {"realm_access": {"roles": ["readers"]}}
        self.address_answer: dict[str, str] = {}
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def authorize(self, address: str) -> str:
        """What a browser does at the provider: goes there, and comes back to the address that is returned."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer, **self.address_answer}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def document(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        if path == "/realm/.well-known/openid-configuration":
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        if path == "/realm/keys":
            strange = {"kty": "OCTOPUS", "kid": "strange"}
            return {"keys": [strange, self.key.as_dict(private=False, use="sig")]}
        return None

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """The answer of the token endpoint, None for a refusal; a code is good for once."""
        asked = self._codes.pop(form.get("code", ""), None)
        expected = base64.b64encode(f"{CLIENT}:{'a%20secret%20%2F%20with%20%2B%20signs'}".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or authorization != f"Basic {expected}" or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        if challenge.rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "248289761001", "iat": now, "exp": now + 300}
        claims |= {"nonce": asked["nonce"], **self.claims}
        return {"access_token": "x", "token_type": "Bearer", "id_token": self._signed(claims)}

    def _signed(self, claims: dict[str, Any]) -> str:
        given = {name: value for name, value in claims.items() if value is not None}
        if self.algorithm == "none":
            head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"first"}').rstrip(b"=")
            return f"{head.decode()}.{base64.urlsafe_b64encode(json.dumps(given).encode()).rstrip(b'=').decode()}."
        header = {"alg": self.algorithm, "kid": "first"}
        return jwt.encode(header, given, self.signing, algorithms=[self.algorithm])


@contextmanager
def running_provider() -> Iterator[OidcProvider]:
    """A provider that listens as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.provider = OidcProvider(server)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.provider  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(self.server.provider.document(urlsplit(self.path).path))  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        provider: OidcProvider = self.server.provider  # type: ignore[attr-defined]
        self._answer(provider.token(form, self.headers.get("Authorization", "")))

    def _answer(self, content: dict[str, Any] | None) -> None:
        body = json.dumps(content or {"error": "invalid_grant"}).encode()
        self.send_response(400 if content is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass
