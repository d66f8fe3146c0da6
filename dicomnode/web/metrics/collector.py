"""Gathers the metrics when they are asked for, from index and disk, so that any web process tells the same."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.registry import Collector

from dicomnode import __version__
from dicomnode.archive.archive import Archive
from dicomnode.archive.figures import Figure
from dicomnode.settings import Settings
from dicomnode.settings.roles import ROLES
from dicomnode.watch.alarm import AlarmKind
from dicomnode.watch.alarms import gather_alarms
from dicomnode.web.metrics.families import Family, family, histogram, single

_MIB = 1 << 20
_STRANGERS = {"?": "strangers"}
_TALLIED = {
    "dicomnode_received_instances_total": "instances",
    "dicomnode_received_bytes_total": "size",
    "dicomnode_received_duplicates_total": "duplicates",
    "dicomnode_conflicting_instances_total": "conflicts",
    "dicomnode_refused_instances_total": "refused",
    "dicomnode_rejected_associations_total": "rejected",
    "dicomnode_dropped_connections_total": "dropped",
}
_MEASURED = {
    "dicomnode_job_queue_seconds": Figure.QUEUE,
    "dicomnode_job_seconds": Figure.RUN,
    "dicomnode_answer_seconds": Figure.ANSWER,
    "dicomnode_proof_seconds": Figure.PROOF,
}


class NodeCollector(Collector):
    """Asks the archive anew at every scrape."""

    def __init__(self, archive: Archive, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._archive = archive
        self._settings = settings
        self._clock = clock

    def collect(self) -> Iterator[Family]:
        """Every metric but those of the process's own requests."""
        now = self._clock()
        yield family("dicomnode_build_info", {(__version__, self._settings.node.ae_title): 1})
        yield from self._roles(now)
        yield from self._intake()
        yield from self._jobs(now)
        yield from self._deliveries(now)
        yield from self._peers(now)
        yield from self._storage()
        yield from self._devices()
        yield from self._messages()

    def _roles(self, now: datetime) -> Iterator[Family]:
        seen = self._archive.node_leases.roles(now)
        up = {role: float(any(item.runs for item in seen if item.role == role)) for role in ROLES}
        yield family("dicomnode_role_up", up)
        newest = {item.role: item.seen for item in sorted(seen, key=lambda item: item.seen)}
        ages = {role: _age(at, now) for role, at in newest.items()}
        yield family("dicomnode_role_heartbeat_age_seconds", ages)
        on = Counter(alarm.kind for alarm in gather_alarms(self._archive, self._settings, now))
        yield family("dicomnode_alarms", {str(kind): on[kind] for kind in AlarmKind})

    def _intake(self) -> Iterator[Family]:
        studies = self._archive.studies.counts().items()
        yield family("dicomnode_studies", {str(state): count for state, count in studies})
        yield family("dicomnode_instances", self._archive.gauges.instances())
        tallies = self._archive.gauges.tallies()
        for name, field in _TALLIED.items():
            sums = {_STRANGERS.get(tally.peer, tally.peer): getattr(tally, field) for tally in tallies}
            yield family(name, sums)

    def _jobs(self, now: datetime) -> Iterator[Family]:
        jobs = self._archive.jobs.counts().items()
        yield family("dicomnode_jobs", {str(state): count for state, count in jobs})
        waiting = self._archive.gauges.open_jobs().items()
        yield family("dicomnode_open_jobs", {(model, str(state)): count for (model, state), count in waiting})
        yield single("dicomnode_queue_age_seconds", _age(self._archive.gauges.oldest_due_job(now), now))
        for name, figure in _MEASURED.items():
            yield histogram(name, self._archive.figures.list(figure))
        models = Counter(str(item.state) for item in self._archive.deployments.list())
        yield family("dicomnode_models", dict(models))

    def _deliveries(self, now: datetime) -> Iterator[Family]:
        counts = self._archive.deliveries.counts().items()
        yield family("dicomnode_deliveries", {(target, str(state)): count for (target, state), count in counts})
        proofs = self._archive.gauges.proofs().items()
        yield family("dicomnode_delivery_proofs", {(target, str(state)): count for (target, state), count in proofs})
        targets = tuple(target.name for target in self._settings.targets)
        oldest = self._archive.gauges.oldest_waiting_deliveries(targets)
        yield family("dicomnode_delivery_age_seconds", {target: _age(oldest.get(target), now) for target in targets})

    def _peers(self, now: datetime) -> Iterator[Family]:
        echoes = self._archive.echoes.list()
        names = [(str(echo.kind), echo.name) for echo in echoes]
        good = [float(echo.good) for echo in echoes]
        yield family("dicomnode_peer_up", dict(zip(names, good, strict=True)))
        seconds = [echo.milliseconds / 1000 for echo in echoes]
        yield family("dicomnode_peer_echo_seconds", dict(zip(names, seconds, strict=True)))
        ages = [_age(echo.at, now) for echo in echoes]
        yield family("dicomnode_peer_echo_age_seconds", dict(zip(names, ages, strict=True)))

    def _storage(self) -> Iterator[Family]:
        space, marks = self._archive.space.look(), self._settings.storage
        yield single("dicomnode_storage_free_bytes", space.free)
        yield single("dicomnode_storage_size_bytes", shutil.disk_usage(self._settings.node.data_dir).total)
        yield single("dicomnode_storage_refuse_below_bytes", marks.refuse_below_mib * _MIB)
        yield single("dicomnode_storage_accept_above_bytes", marks.accept_above_mib * _MIB)
        yield single("dicomnode_storage_refusing", float(bool(space.refusal)))
        yield single("dicomnode_database_bytes", self._archive.gauges.database_size())

    def _devices(self) -> Iterator[Family]:
        used: Counter[str] = Counter()
        loaded: Counter[str] = Counter()
        size: dict[str, int] = {}
        for item in self._archive.devices.list():
            used[item.device] += item.memory_used
            loaded[item.device] += len(item.models)
            size[item.device] = item.memory_total
        yield family("dicomnode_device_memory_used_bytes", dict(used))
        yield family("dicomnode_device_memory_size_bytes", dict(size))
        yield family("dicomnode_device_models", dict(loaded))

    def _messages(self) -> Iterator[Family]:
        audit = self._settings.audit
        sinks = [name for name, used in (("file", audit.file), ("syslog", audit.syslog_host is not None)) if used]
        yield family("dicomnode_audit_waiting", {sink: self._archive.audit.waiting(sink) for sink in sinks})
        unsent = self._archive.gauges.unsent_notifications()
        waiting = {item.channel: item.count for item in unsent if not item.given_up}
        yield family("dicomnode_notifications_waiting", dict(waiting))
        given_up = {item.channel: item.count for item in unsent if item.given_up}
        yield family("dicomnode_notifications_given_up", dict(given_up))


def _age(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (now - at).total_seconds())
