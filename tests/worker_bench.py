"""A node without a network, for tests of what its worker writes."""

from __future__ import annotations

from pathlib import Path

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState, JobKind, NewJob
from dicomnode.bundles import bundle_digest
from dicomnode.jobs.worker import Worker
from dicomnode.settings import Settings
from tests.archives import at, complete, put
from tests.factories import make_series

TARGETS = [
    {"name": "pacs", "url": "http://127.0.0.1:1"},
    {"name": "quiet", "url": "http://127.0.0.1:2", "send": {"failed": False, "refused": False, "out_of_scope": False}},
]


class Bench:
    """A node without a network: archive, settings, one approved small bundle, a clock that a test sets."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.settings = Settings.model_validate(
            {
                "node": {"data_dir": folder, "deterministic": True},
                "infer": {"device": "cpu", "lease_seconds": 30},
                "models": {"folder": models},
                "targets": TARGETS,
            }
        )
        self.archive = Archive.open(self.settings)
        self.digest = bundle_digest(models / "small")
        self.seconds = 10.0
        self.deploy(DeploymentState.LIVE)

    def deploy(self, state: DeploymentState) -> None:
        self.archive.deployments.approve("small", self.digest, state, at(0))

    def clock(self):
        return at(self.seconds)

    def worker(self, owner: str = "w1") -> Worker:
        return Worker(self.archive, self.settings, owner, self.clock, lambda: self.seconds)

    def receive(self, folder: Path, **options) -> tuple[str, str]:
        paths = make_series(folder, **options)
        stored = [put(self.archive, path.read_bytes(), at(self.seconds)) for path in paths]
        instance = stored[0].instance
        return instance.study_instance_uid, instance.series_instance_uid

    def route(
        self, study: str, series: str, kind: JobKind = JobKind.INFER, reason: str = "fits", priority: int = 0
    ) -> None:
        generation = complete(self.archive, study, at(self.seconds))
        chosen = (series,) if kind is JobKind.INFER else ()
        job = NewJob("small", self.digest, kind, reason, chosen, ("pacs", "quiet"), False, priority=priority)
        self.archive.jobs.add_all(study, generation, [job], [], at(self.seconds))

    def jobs(self) -> list[str]:
        return [str(job.state) for job in self.archive.jobs.list()]

    def deliveries(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for delivery in self.archive.deliveries.list():
            counts[delivery.target] = counts.get(delivery.target, 0) + 1
        return counts
