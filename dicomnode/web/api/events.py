"""Server-sent events: what changed, for pages and programs that show it (HTML Living Standard 9.2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, cast

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from dicomnode.archive.archive import Archive
from dicomnode.archive.changes import Topic
from dicomnode.errors import AccessError, UsageError
from dicomnode.settings import Settings
from dicomnode.watch.alarms import gather_alarms
from dicomnode.web.access.clients import client_address
from dicomnode.web.access.credentials import Credentials
from dicomnode.web.access.guard import CredentialsOf, PrincipalOf
from dicomnode.web.access.rights import Right
from dicomnode.web.api.bulletin import Bulletin, Listener

EVENTS = "/api/v1/events"
EVENT_STREAM = "text/event-stream"

_BEAT_SECONDS = 15.0
_RECONNECT_MILLISECONDS = 3000
_ALARMS_EVERY_LOOKS = 10


class EventName(StrEnum):
    """Names of events; each is sent when something of that kind changed."""

    STUDIES = Topic.STUDIES.value
    JOBS = Topic.JOBS.value
    DELIVERIES = Topic.DELIVERIES.value
    MODELS = Topic.MODELS.value
    PEERS = Topic.PEERS.value
    ALARMS = "alarms"


class AlarmChanges:
    """Tells when alarms begin or end; gathers them only now and then."""

    def __init__(self, archive: Archive, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._archive = archive
        self._settings = settings
        self._clock = clock
        self._looks = 0
        self._known: frozenset[tuple[str, str]] | None = None

    def look(self) -> dict[str, tuple[str, ...]]:
        """The kinds of alarms that began or ended since the last time that they were gathered."""
        self._looks += 1
        if self._known is not None and self._looks % _ALARMS_EVERY_LOOKS:
            return {}
        before, self._known = self._known, self._gather()
        known = self._known if before is None else before
        changed = sorted({kind for kind, _ in known ^ self._known})
        return {EventName.ALARMS.value: tuple(changed)} if changed else {}

    def _gather(self) -> frozenset[tuple[str, str]]:
        alarms = gather_alarms(self._archive, self._settings, self._clock())
        return frozenset((str(alarm.kind), alarm.subject) for alarm in alarms)


def add_event_route(router: APIRouter) -> None:
    """The stream."""
    content = {EVENT_STREAM: {"schema": {"type": "string"}}}
    router.add_api_route(
        EVENTS, events, methods=["GET"], response_class=Response, responses={200: {"content": content}}
    )


async def events(
    request: Request,
    principal: PrincipalOf,
    credentials: CredentialsOf,
    names: Annotated[str, Query(description="Names of events, with commas between them; all if empty.")] = "",
) -> Response:
    """What changes from now on, as server-sent events: a name, and UIDs or names as JSON.

    Nothing is sent again: who was away looks at everything anew.
    """
    wanted = _wanted(names)
    bulletin = cast(Bulletin, request.app.state.bulletin)
    who = f"{principal.name}@{client_address(request)}"
    bulletin.admit(who)
    return _EventStream(bulletin, who, wanted, Watched(request, credentials))


def _wanted(names: str) -> frozenset[str]:
    known = {name.value for name in EventName}
    wanted = frozenset(name for name in names.split(",") if name) or frozenset(known)
    if not wanted <= known:
        raise UsageError(f"there are events of these names: {', '.join(sorted(known))}")
    return wanted


class Watched:
    """Whether who listens still may: a login ends, an account is disabled, a token is revoked."""

    def __init__(self, request: Request, credentials: Credentials) -> None:
        self._request = request
        self._credentials = credentials

    async def may(self) -> bool:
        """Ask the index."""
        return await to_thread.run_sync(self._ask)

    def _ask(self) -> bool:
        try:
            return self._credentials.principal(self._request).may(Right.READ)
        except AccessError:
            return False


class _EventStream(Response):
    """An answer that goes on until the client leaves, may no longer listen, or the server ends."""

    media_type = EVENT_STREAM
    charset = "utf-8"

    def __init__(self, bulletin: Bulletin, who: str, wanted: frozenset[str], watched: Watched) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})  # proxies that collect answers would hold it back
        del self.headers["content-length"]
        self._bulletin = bulletin
        self._who = who
        self._wanted = wanted
        self._watched = watched

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it ends."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with self._bulletin.listening(self._who) as listener:
            async with anyio.create_task_group() as group:
                group.start_soon(_until_left, receive, group.cancel_scope)
                await _send(send, f"retry: {_RECONNECT_MILLISECONDS}\n\n")
                await self._tell(send, listener)
                group.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send, listener: Listener) -> None:
        beat = anyio.current_time() + _BEAT_SECONDS
        while not listener.ended:
            changes = await listener.take(max(0.0, beat - anyio.current_time()))
            told = {name: subjects for name, subjects in changes.items() if name in self._wanted}
            if told:
                await _send(send, _text(told))
            if anyio.current_time() >= beat:
                if not await self._watched.may():
                    return
                await _send(send, ": \n\n")  # proxies cut connections on which nothing comes
                beat = anyio.current_time() + _BEAT_SECONDS


def _text(changes: Mapping[str, tuple[str, ...]]) -> str:
    return "".join(f"event: {name}\ndata: {json.dumps(subjects)}\n\n" for name, subjects in changes.items())


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _until_left(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
