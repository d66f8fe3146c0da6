"""Browsers and programs that ask the application as accounts of every role."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import anyio
import httpx
from fastapi import FastAPI

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.security.passwords import Passwords
from dicomnode.web.access.accounts import add_account, add_token

PASSWORD = "four words of a test"
QUICK = Passwords(passes=1, memory_kib=8)
HTML = {"Accept": "text/html"}


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def turn(self, **by: float) -> None:
        self.time += timedelta(**by)


class Browser:
    """Keeps cookies and fills in forms; follows no redirects by itself."""

    def __init__(self, app: FastAPI, origin: str = "http://localhost", address: str = "127.0.0.1") -> None:
        self._app = app
        self._origin = origin
        self._address = address
        self.cookies = httpx.Cookies()

    def get(self, path: str, **more: object) -> httpx.Response:
        return self.request("GET", path, **more)

    def request(self, method: str, path: str, **more: object) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False, client=(self._address, 40000))
            async with httpx.AsyncClient(transport=transport, base_url=self._origin, cookies=self.cookies) as client:
                answer = await client.request(method, path, **{"headers": HTML, **more})  # type: ignore[arg-type]
                self.cookies = client.cookies
                return answer

        return anyio.run(ask)

    def submit(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Load a page and send a form of its site, with what the page hides in it."""
        hidden = dict(re.findall(r'<input type="hidden" name="(csrf|next)" value="([^"]*)">', self.get(page).text))
        headers = {**HTML, "Origin": self._origin, "Sec-Fetch-Site": "same-origin"}
        return self.request("POST", action, data={**hidden, **fields}, headers=headers)

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.submit("/login", "/login", name=name, password=password)


def make_account(archive: Archive, name: str, role: Role, clock: Clock, must_change: bool = False) -> None:
    add_account(archive, QUICK, name, role, PASSWORD, clock(), must_change)


def make_token(archive: Archive, name: str, role: Role, clock: Clock, days: float = 30) -> dict[str, str]:
    """The header that shows a new token."""
    _, token = add_token(archive, name, "test", role, clock(), clock() + timedelta(days=days))
    return {"Authorization": f"Bearer {token}"}
