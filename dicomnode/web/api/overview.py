"""The overview: what is in flight, how much goes through, what waits, and who answers."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from dicomnode import __version__
from dicomnode.archive.archive import Archive
from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.settings import Settings
from dicomnode.web.access.guard import NowOf
from dicomnode.web.api.alarms import AlarmBody, present_alarms
from dicomnode.web.dicomweb.addresses import ArchiveOf, SettingsOf

OVERVIEW = "/api/v1/overview"


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True)


class HourBody(_Body):
    """What went through in an hour (UTC): studies whose last image came then, their images, jobs that ended."""

    start: datetime
    studies: int
    images: int
    answers: int


class RunningBody(_Body):
    """A job that a worker has."""

    job_id: int
    study_instance_uid: str
    model: str
    started: datetime | None
    attempts: int


class InFlight(_Body):
    """What moves at this moment.

    Attributes:
        open_studies: Studies that await images.
        open_images: Images of these that are here.
        running: Jobs that workers have.
        sending: Deliveries under way.
    """

    open_studies: int
    open_images: int
    running: list[RunningBody]
    sending: int


class Queue(_Body):
    """Jobs by state, and since when the oldest waits."""

    jobs: dict[str, int]
    waiting_since: datetime | None


class Outbox(_Body):
    """Deliveries by state, and since when the oldest waits."""

    deliveries: dict[str, int]
    waiting_since: datetime | None


class Disk(_Body):
    """The data folder's disk, in bytes.

    Attributes:
        total: Its size.
        free: What is left.
        refuse_below: Instances are refused with less.
        refusal: Why they are refused at this moment; empty if they are not.
    """

    total: int
    free: int
    refuse_below: int
    refusal: str


class Device(_Body):
    """A device that models run on; memory in bytes."""

    worker: str
    device: str
    description: str
    memory_used: int
    memory_total: int
    models: list[str]
    seen: datetime


class Peer(_Body):
    """A target, a PACS or a poller, and its last echo.

    Attributes:
        standing: ``answering``, ``no_answer``, or ``none`` if it was never asked.
        detail: What it said.
    """

    kind: PeerKind
    name: str
    standing: str
    at: datetime | None = None
    milliseconds: int | None = None
    detail: str = ""


class Overview(_Body):
    """Everything that is to be seen at a glance."""

    ae_title: str
    version: str
    at: datetime
    in_flight: InFlight
    hours: list[HourBody]
    studies: dict[str, int]
    queue: Queue
    outbox: Outbox
    disk: Disk
    devices: list[Device]
    peers: list[Peer]
    alarms: list[AlarmBody]


def add_overview_api(router: APIRouter) -> None:
    """One document."""
    router.add_api_route(OVERVIEW, overview, methods=["GET"], response_model=Overview)


def overview(archive: ArchiveOf, settings: SettingsOf, now: NowOf) -> Overview:
    """What is in flight, throughput, queue, disk, devices, peers, deliveries and alarms."""
    return gather_overview(archive, settings, now, present_alarms(archive, settings, now))


def gather_overview(archive: Archive, settings: Settings, now: datetime, alarms: list[AlarmBody]) -> Overview:
    """The same, with alarms that were gathered before."""
    deliveries: Counter[str] = Counter()
    for (_, state), count in archive.deliveries.counts().items():
        deliveries[str(state)] += count
    return Overview(
        ae_title=settings.node.ae_title,
        version=__version__,
        at=now,
        in_flight=_in_flight(archive, deliveries["sending"]),
        hours=_hours(archive, now),
        studies={str(state): count for state, count in archive.studies.counts().items()},
        queue=Queue(
            jobs={str(state): count for state, count in archive.jobs.counts().items()},
            waiting_since=archive.flow.waiting_since(),
        ),
        outbox=Outbox(deliveries=dict(deliveries), waiting_since=archive.flow.undelivered_since()),
        disk=_disk(archive, settings),
        devices=_devices(archive),
        peers=standing_peers(archive, settings),
        alarms=alarms,
    )


def standing_peers(archive: Archive, settings: Settings) -> list[Peer]:
    """Every target, PACS and poller of the settings with its last echo."""
    echoes = {(echo.kind, echo.name): echo for echo in archive.echoes.list()}
    named = [(PeerKind.TARGET, target.name) for target in settings.targets]
    named += [(PeerKind.PACS, pacs.name) for pacs in settings.pacs]
    named += [(PeerKind.POLLER, poller.name) for poller in settings.pollers]
    return [_peer(kind, name, echoes.get((kind, name))) for kind, name in named]


def _peer(kind: PeerKind, name: str, echo: Echo | None) -> Peer:
    if echo is None:
        return Peer(kind=kind, name=name, standing="none")
    standing = "answering" if echo.good else "no_answer"
    told = {"at": echo.at, "milliseconds": echo.milliseconds, "detail": echo.detail}
    return Peer.model_validate({"kind": kind, "name": name, "standing": standing, **told})


def _hours(archive: Archive, now: datetime) -> list[HourBody]:
    return [
        HourBody(start=hour.start, studies=hour.studies, images=hour.images, answers=hour.answers)
        for hour in archive.flow.hours(now)
    ]


def _in_flight(archive: Archive, sending: int) -> InFlight:
    studies, images = archive.flow.arriving()
    running = [
        RunningBody(
            job_id=job.job_id,
            study_instance_uid=job.study_instance_uid,
            model=job.model_name,
            started=job.started_at,
            attempts=job.attempts,
        )
        for job in archive.flow.running()
    ]
    return InFlight(open_studies=studies, open_images=images, running=running, sending=sending)


def _disk(archive: Archive, settings: Settings) -> Disk:
    space = archive.space.look()
    return Disk(
        total=shutil.disk_usage(settings.node.data_dir).total,
        free=space.free,
        refuse_below=settings.storage.refuse_below_mib << 20,
        refusal=space.refusal,
    )


def _devices(archive: Archive) -> list[Device]:
    return [
        Device(
            worker=record.owner,
            device=record.device,
            description=record.description,
            memory_used=record.memory_used,
            memory_total=record.memory_total,
            models=list(record.models),
            seen=record.seen,
        )
        for record in archive.devices.list()
    ]
