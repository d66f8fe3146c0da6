"""Looking at images while their study still arrives, so that little is left to do once it is complete."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Event

from dicomnode.archive import Archive
from dicomnode.archive.records import JobKind, OpenStudy
from dicomnode.bundles import Bundle, Task
from dicomnode.dicom.kinds import is_image
from dicomnode.errors import BundleError, DicomNodeError, describe
from dicomnode.inference.ahead import look_ahead
from dicomnode.inference.predictor import Predictor
from dicomnode.jobs.loading import LoadedModels
from dicomnode.jobs.routing import DeployedModel, route
from dicomnode.settings import Settings
from dicomnode.study import Instance, Series

_LOG = logging.getLogger(__name__)
_IDLE_SECONDS = 5.0
_PART_BATCH_AFTER = timedelta(seconds=0.15)
"""What does not fill a batch is looked at once nothing came for so long."""
_BATCHES_AT_ONCE = 4
"""So that some are read and prepared while the device computes others."""
_BEHIND_JOBS = -1
_SHARE_OF_TIME = 4.0
"""After a look that found nothing to do, a pause of so many times as long as it took."""


@dataclass(slots=True)
class _Watched:
    """An open study, and what was done about it.

    Attributes:
        arrivals: Of the study when it was looked at last.
        tried: Bundle digest, SOP Instance UID and SHA-256 of every image that was given to a model.
    """

    arrivals: int = -1
    tried: set[tuple[str, str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Task:
    """Images of one series for one model."""

    predictor: Predictor
    series: Series


class EarlyWork:
    """Gives images of open studies to the slice-wise models that would be asked about them if they were complete now.

    What models say is remembered by the process and used by its worker; whatever goes wrong here goes wrong again, and
    is answered, once the study is complete. Images go through the device behind those of jobs.
    """

    def __init__(
        self,
        archive: Archive,
        settings: Settings,
        owner: str,
        models: LoadedModels,
        deployed: Callable[[], Sequence[DeployedModel]],
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare.

        Args:
            archive: Shows open studies.
            settings: Rules decide which model is asked.
            owner: Names this process, as in its leases.
            models: The worker's, which remember.
            deployed: Gives the models that may run.
            clock: Present time, with time zone.
        """
        self._archive = archive
        self._settings = settings
        self._owner = owner
        self._models = models
        self._deployed = deployed
        self._clock = clock
        self._watched: dict[str, _Watched] = {}

    def run(self, stop: Event) -> None:
        """Look ahead until told to stop."""
        waiter = self._archive.wakeups.waiter()
        while not stop.is_set():
            began = time.monotonic()
            try:
                busy = self.step()
            except (DicomNodeError, OSError) as error:
                _LOG.warning("nothing is looked at before its study is complete for now: %s", describe(error))
                busy = False
            if not busy:
                stop.wait(_SHARE_OF_TIME * (time.monotonic() - began))
                waiter.wait(stop, _PART_BATCH_AFTER.total_seconds() if self._watched else _IDLE_SECONDS)
        self._archive.early_claims.give_back(self._owner)

    def step(self) -> bool:
        """Look at a few images; false if there are none yet."""
        studies = self._archive.studies.open_studies()
        present = {study.study_instance_uid for study in studies}
        self._watched = {uid: watched for uid, watched in self._watched.items() if uid in present}
        return any(self._advance(study) for study in studies)

    def _advance(self, study: OpenStudy) -> bool:
        watched = self._watched.setdefault(study.study_instance_uid, _Watched())
        if watched.arrivals == study.arrivals:
            return False
        is_calm = self._clock() - study.last_arrival >= _PART_BATCH_AFTER
        for task in self._tasks(study.study_instance_uid, watched):
            if len(task.series.instances) >= self._settings.infer.batch_size or is_calm:
                if not self._archive.early_claims.claim(study.study_instance_uid, self._owner, self._clock()):
                    break
                self._look(task, watched)
                return True
            return False  # more of it is on its way
        watched.arrivals = study.arrivals
        return False

    def _tasks(self, study_instance_uid: str, watched: _Watched) -> Iterator[_Task]:
        study = self._archive.studies.get(study_instance_uid)
        record = self._archive.studies.record(study_instance_uid)
        present = {series.series_instance_uid: series for series in study.series}
        for job in route(study, record, self._deployed(), self._settings).jobs:
            if job.kind is not JobKind.INFER or job.awaits_priors:
                continue
            predictor = self._predictor(job.model_name, job.bundle_digest)
            for uid in job.series_instance_uids if predictor is not None else ():
                new = self._portion(_untried(present[uid], job.bundle_digest, watched))
                if new and predictor is not None:
                    yield _Task(predictor, replace(present[uid], instances=new))

    def _portion(self, new: tuple[Instance, ...]) -> tuple[Instance, ...]:
        """Full batches, as long as there is one."""
        size = self._settings.infer.batch_size
        return new[: min(max(len(new) // size, 1), _BATCHES_AT_ONCE) * size]

    def _predictor(self, name: str, digest: str) -> Predictor | None:
        """The model; None if it does not answer for slices by themselves."""
        try:
            bundle = self._models.bundle(name, digest)
            predictor = self._models.predictor(bundle) if _is_slice_wise(bundle) else None
        except BundleError:
            return None
        return predictor if isinstance(predictor, Predictor) and predictor.remembers else None

    def _look(self, task: _Task, watched: _Watched) -> None:
        digest = task.predictor.bundle.digest
        watched.tried.update((digest, item.sop_instance_uid, item.sha256) for item in task.series.instances)
        try:
            with self._models.urgent(_BEHIND_JOBS):
                look_ahead(task.predictor, task.series, self._models.decoders)
            for item in task.series.instances:
                self._models.contents.of(item)
        except Exception as error:  # noqa: BLE001  whatever it is, the job meets it again and answers for it
            uid = task.series.series_instance_uid
            _LOG.info("images of series %s wait for their job: %s", uid, describe(error))


def _is_slice_wise(bundle: Bundle) -> bool:
    tasks = (Task.CLASSIFICATION, Task.DETECTION)
    return bundle.node.task in tasks and bundle.node.tiling is None and bundle.node.accepts.priors is None


def _untried(series: Series, digest: str, watched: _Watched) -> tuple[Instance, ...]:
    """Single-frame images: one of many frames comes at once, and is read as one."""
    return tuple(
        item
        for item in series.instances
        if is_image(item.sop_class_uid)
        and item.number_of_frames == 1
        and (digest, item.sop_instance_uid, item.sha256) not in watched.tried
    )
