"""Systems that the node works with: how they answered, what targets take, what became of deliveries, who calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict

from dicomnode.archive.archive import Archive
from dicomnode.archive.capabilities import Capabilities
from dicomnode.archive.echoes import PeerKind
from dicomnode.archive.records import Delivery, DeliveryState
from dicomnode.archive.tallies import Tally, day_of
from dicomnode.delivery.address import address_of
from dicomnode.dicom.audit import AuditKind
from dicomnode.dicom.kinds import sop_class_name
from dicomnode.errors import NotFoundError
from dicomnode.peers.knocking import knock
from dicomnode.settings import PeerSettings, Settings, TargetSettings, shown_url
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.refusals import refusals
from dicomnode.web.auditing import actor_of
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf

PEERS = "/api/v1/peers"
STRANGERS = "?"
_FROZEN = ConfigDict(frozen=True)
_LAST = 5

PeerName = Annotated[str, Path(pattern="^[A-Za-z0-9_.-]{1,64}$", description="As in the settings")]


class Knock(BaseModel):
    """How a system answered when it was asked last.

    Attributes:
        detail: What it said, or what was wrong and what to do, in English.
    """

    model_config = _FROZEN

    at: datetime
    good: bool
    detail: str
    milliseconds: int


class Document(BaseModel):
    """What a target gets of one kind of document, in words."""

    model_config = _FROZEN

    kind: str
    sent_as: str


class Probe(BaseModel):
    """What a target said that it takes.

    Attributes:
        accepted: Names of SOP classes and services that it accepted; none of a DICOMweb server, which tells nothing
            beforehand.
        refused: What it said when it refused objects of a class all the same.
        documents: What it gets of each kind.
    """

    model_config = _FROZEN

    at: datetime
    address: str
    implementation: str
    maximum_length: int | None
    accepted: tuple[str, ...] | None
    refused: dict[str, str]
    documents: tuple[Document, ...]


class LastDelivery(BaseModel):
    """A delivery, and what the target said."""

    model_config = _FROZEN

    delivery_id: int
    study_instance_uid: str
    role: str
    model_name: str
    state: str
    status: str
    updated_at: datetime


class OtherSystem(BaseModel):
    """A system that the node asks or sends to.

    Attributes:
        way: C-STORE, STOW-RS, C-FIND or QIDO-RS.
        address: AE title, host and port, or URL.
    """

    model_config = _FROZEN

    kind: PeerKind
    name: str
    way: str
    address: str
    tls: bool
    knock: Knock | None


class Target(OtherSystem):
    """A system that answers are sent to.

    Attributes:
        probe: None if it was never asked what it takes.
        deliveries: How many are in each state.
        last: The latest ones.
    """

    probe: Probe | None
    deliveries: dict[str, int]
    last: tuple[LastDelivery, ...]


class CallerToday(BaseModel):
    """Who may call the node by DIMSE, and what came from there today (UTC).

    Attributes:
        name: ``?`` stands for all that the settings do not name.
    """

    model_config = _FROZEN

    name: str
    ae_title: str
    may: tuple[str, ...]
    require_tls: bool
    instances: int
    size: int
    duplicates: int
    conflicts: int
    refused: int
    rejected: int
    dropped: int


class Peers(BaseModel):
    """Every system that the settings name."""

    model_config = _FROZEN

    targets: tuple[Target, ...]
    others: tuple[OtherSystem, ...]
    callers: tuple[CallerToday, ...]


def add_peer_routes(router: APIRouter) -> None:
    """Peers as JSON."""
    router.add_api_route(PEERS, list_peers, methods=["GET"])
    router.add_api_route(f"{PEERS}/{{kind}}/{{name}}/echo", echo_peer, methods=["POST"])
    away = refusals(HTTPStatus.BAD_GATEWAY)
    router.add_api_route(f"{PEERS}/target/{{name}}/probe", probe_target, methods=["POST"], responses=away)


def list_peers(archive: ArchiveOf, settings: SettingsOf, now: NowOf) -> Peers:
    """Targets, PACS, pollers and callers: where they are, how they answered, what they take and sent."""
    return peers_of_node(archive, settings, now)


def echo_peer(archive: ArchiveOf, settings: SettingsOf, now: NowOf, kind: PeerKind, name: PeerName) -> Knock:
    """Ask a system whether it answers: by C-ECHO, C-FIND or QIDO-RS."""
    return echoed(archive, settings, kind, name, now)


def probe_target(request: Request, archive: ArchiveOf, settings: SettingsOf, now: NowOf, name: PeerName) -> Probe:
    """Ask a target what it takes; nothing is sent."""
    return probed(archive, settings, name, now, actor_of(request))


def echoed(archive: Archive, settings: Settings, kind: PeerKind, name: str, now: datetime) -> Knock:
    """Ask a system, and keep how it answered.

    Raises:
        NotFoundError: The settings name no such system.
    """
    found = knock(kind, name, settings, now)
    archive.echoes.note(found)
    return Knock(at=found.at, good=found.good, detail=found.detail, milliseconds=found.milliseconds)


def probed(archive: Archive, settings: Settings, name: str, now: datetime, actor: str) -> Probe:
    """Ask a target what it takes, and keep the answer, by which it is sent to from now on; audited.

    Raises:
        NotFoundError: The settings name no such target.
        PeerUnavailableError: It is away.
    """
    from dicomnode.delivery.capabilities import (
        ask,
    )  # the imports of evidence take longer than the web role may to start

    target = next((item for item in settings.targets if item.name == name), None)
    if target is None:
        raise NotFoundError(f"the settings name no target {name}")
    found = ask(address_of(target, settings.node.ae_title), now)
    archive.capabilities.put(name, found)
    archive.audit.add("target probed", name, now, kind=AuditKind.OTHER, actor=actor)
    return _probe(found, target)


def peers_of_node(archive: Archive, settings: Settings, now: datetime) -> Peers:
    """Everything that is known of them, without asking them."""
    knocks = {
        (echo.kind, echo.name): Knock(at=echo.at, good=echo.good, detail=echo.detail, milliseconds=echo.milliseconds)
        for echo in archive.echoes.list()
    }
    counts: dict[str, Counter[str]] = {}
    for (target, state), count in archive.deliveries.counts().items():
        counts.setdefault(target, Counter())[state] += count
    return Peers(
        targets=tuple(
            _target(archive, target, knocks.get((PeerKind.TARGET, target.name)), counts.get(target.name, Counter()))
            for target in settings.targets
        ),
        others=tuple(_others(settings, knocks)),
        callers=_callers(settings, archive.tallies.of_day(day_of(now))),
    )


def _target(archive: Archive, target: TargetSettings, known: Knock | None, counts: Counter[str]) -> Target:
    capabilities = archive.capabilities.get(target.name)
    by_dimse = target.url is None
    return Target(
        kind=PeerKind.TARGET,
        name=target.name,
        way="C-STORE" if by_dimse else "STOW-RS",
        address=f"{target.ae_title} at {target.host}:{target.port}" if by_dimse else shown_url(str(target.url)),
        tls=_is_tls(target.url, target.tls is not None),
        knock=known,
        probe=None if capabilities is None else _probe(capabilities, target),
        deliveries={str(state): count for state, count in sorted(counts.items())},
        last=tuple(_last(delivery) for delivery in archive.deliveries.newest(DeliveryState, _LAST, target=target.name)),
    )


def _last(delivery: Delivery) -> LastDelivery:
    return LastDelivery(
        delivery_id=delivery.delivery_id,
        study_instance_uid=delivery.study_instance_uid,
        role=delivery.role,
        model_name=delivery.model_name,
        state=str(delivery.state),
        status=delivery.status,
        updated_at=delivery.updated_at,
    )


def _probe(found: Capabilities, target: TargetSettings) -> Probe:
    from dicomnode.delivery.fallback import outlook  # as above

    accepted = None if found.accepted is None else tuple(sorted(sop_class_name(uid) for uid in found.accepted))
    return Probe(
        at=found.probed_at,
        address=shown_url(found.address),
        implementation=found.implementation_version_name or found.implementation_class_uid,
        maximum_length=found.maximum_length,
        accepted=accepted,
        refused={sop_class_name(uid): words for uid, words in found.refused.items()},
        documents=tuple(Document(kind=kind, sent_as=words) for kind, words in outlook(found, fallback=target.fallback)),
    )


def _others(settings: Settings, knocks: dict[tuple[PeerKind, str], Knock]) -> list[OtherSystem]:
    found = []
    for pacs in settings.pacs:
        by_dimse = pacs.url is None
        place = f"{pacs.ae_title} at {pacs.host}:{pacs.port}" if by_dimse else shown_url(str(pacs.url))
        way, known = "C-FIND" if by_dimse else "QIDO-RS", knocks.get((PeerKind.PACS, pacs.name))
        tls = _is_tls(pacs.url, pacs.tls is not None)
        found.append(OtherSystem(kind=PeerKind.PACS, name=pacs.name, way=way, address=place, tls=tls, knock=known))
    for poller in settings.pollers:
        known, tls = knocks.get((PeerKind.POLLER, poller.name)), _is_tls(poller.url, False)
        place, way = shown_url(poller.url), "QIDO-RS"
        found.append(OtherSystem(kind=PeerKind.POLLER, name=poller.name, way=way, address=place, tls=tls, knock=known))
    return found


def _is_tls(url: str | None, by_dimse: bool) -> bool:
    return by_dimse if url is None else url.startswith("https:")


def _callers(settings: Settings, today: list[Tally]) -> tuple[CallerToday, ...]:
    """Those that the settings name, then those that only today's counts do, such as targets that store here."""
    tallies = {tally.peer: tally for tally in today}
    named = {peer.name: peer for peer in settings.peers}
    names = [*named, *(name for name in tallies if name not in named)]
    return tuple(_caller(name, named.get(name), tallies.get(name)) for name in names)


def _caller(name: str, peer: PeerSettings | None, tally: Tally | None) -> CallerToday:
    counts = asdict(tally or Tally(name, ""))
    del counts["peer"], counts["day"]
    if peer is None:
        return CallerToday(name=name, ae_title="", may=(), require_tls=False, **counts)
    return CallerToday(name=name, ae_title=peer.ae_title, may=peer.may, require_tls=peer.require_tls, **counts)
