"""One attempt at a job: read what it is about, run the model, end it with its answer."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from dicomnode.archive import Archive
from dicomnode.archive.checks import CheckState
from dicomnode.archive.records import DeploymentState, Job, JobKind
from dicomnode.bundles import Bundle
from dicomnode.errors import ArchiveFullError, BundleError, InputError, describe
from dicomnode.findings import Outcome, Result
from dicomnode.inference.analyse import analyse, digest_input
from dicomnode.inference.outcomes import without_answer
from dicomnode.inference.result_json import result_to_json
from dicomnode.jobs.loading import LoadedModels, check_deployment
from dicomnode.jobs.publishing import Answer, addressed, finished_answer, targets_for, write_answer
from dicomnode.jobs.routing import asked_for, best_series
from dicomnode.settings import Settings
from dicomnode.study import Series, Study

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 2.0
_LONGEST_RETRY_SECONDS = 300.0
_NO_SPACE = "waits for disk space"
_SPACE_PAUSE = timedelta(seconds=30)

_CODED_ANSWERS = {JobKind.OUT_OF_SCOPE: Outcome.OUT_OF_SCOPE, JobKind.REFUSED: Outcome.REFUSED}


def next_attempt(job: Job, now: datetime) -> datetime:
    """When a job that failed is tried again: later each time."""
    pause = min(_RETRY_SECONDS * 2.0 ** min(job.attempts - 1, 30), _LONGEST_RETRY_SECONDS)
    return now + timedelta(seconds=pause)


class Attempts:
    """Makes attempts at jobs; several threads may at the same time.

    Args:
        archive: Takes the answers.
        settings: The node's settings.
        owner: Names this process in leases.
        clock: Present time, with time zone.
        models: Stay loaded from job to job.
    """

    def __init__(
        self, archive: Archive, settings: Settings, owner: str, clock: Callable[[], datetime], models: LoadedModels
    ) -> None:
        self._archive = archive
        self._settings = settings
        self._owner = owner
        self._clock = clock
        self._models = models

    def make(self, job: Job) -> None:
        """Attempt a leased job; whatever becomes of it stands in the index."""
        what = f"job {job.job_id}: {job.model_name} on study {job.study_instance_uid}"
        _log.info("%s, attempt %d", what, job.attempts)
        started = f"attempt {job.attempts} by {self._owner}"
        self._archive.traces.add(
            job.study_instance_uid, job.generation, "started", job.model_name, started, self._clock()
        )
        bundle = self._admitted(job)
        if bundle is None:
            return
        try:
            self._do(job, bundle)
        except ArchiveFullError as error:
            self._wait_for_space(job, error)
        except Exception as error:  # noqa: BLE001  whatever a study does to a model, the worker goes on
            self._attempt_failed(job, bundle, describe(error))

    def _admitted(self, job: Job) -> Bundle | None:
        """The job's bundle; a job of a model that may not speak ends here, without a document."""
        try:
            check_deployment(self._archive.deployments, job)
            return self._models.bundle(job.model_name, job.bundle_digest)
        except BundleError as error:
            self._archive.jobs.fail(job.job_id, self._owner, describe(error), self._clock())
            _log.error("job %d failed: %s", job.job_id, describe(error))
            return None

    def _wait_for_space(self, job: Job, error: ArchiveFullError) -> None:
        # Nothing is wrong with the study or the model: wait, however often it takes
        now = self._clock()
        reason = f"{_NO_SPACE}: {describe(error)}"
        self._archive.jobs.retry_later(job.job_id, self._owner, reason, now + _SPACE_PAUSE, now, counted=False)
        _log.error("job %d: %s", job.job_id, reason)

    def _do(self, job: Job, bundle: Bundle) -> None:
        study = self._archive.studies.get(job.study_instance_uid)
        if job.attempts > self._settings.infer.maximum_attempts:
            self._give_up_study(job, study, bundle)
        elif job.kind is JobKind.INFER:
            self._infer(job, study, bundle)
        else:
            digest = _digest_words(job.kind, job.reason, bundle.digest, self._settings.node.ae_title)
            if not self._answered_before(job, digest):
                result = self._without_answer(job, bundle, _CODED_ANSWERS[job.kind], job.reason, digest)
                self._finish(job, study, result)

    def _give_up_study(self, job: Job, study: Study, bundle: Bundle) -> None:
        """Answer a job that no attempt ever ended, because it killed its process or had to be stopped."""
        reason = f"{job.error}; {self._settings.infer.maximum_attempts} attempts ended that way"
        self._archive.quarantine.put(study.study_instance_uid, f"{job.model_name}: {reason}", self._clock())
        self._answer_failed(job, study, bundle, reason)

    def _infer(self, job: Job, study: Study, bundle: Bundle) -> None:
        selected = _selected(study, job)
        priors = self._priors(job, bundle)
        try:
            digest = digest_input(
                (*selected, *priors), bundle, self._settings, self._models.way(bundle), self._models.contents
            )
        except InputError as error:
            digest = _digest_words("unreadable", describe(error), bundle.digest, self._settings.node.ae_title)
            result = self._without_answer(job, bundle, Outcome.REFUSED, describe(error), digest)
            self._finish(job, study, result)
            return
        note = self._incompleteness(job)
        if note:
            digest = _digest_words(digest, note)
        if self._answered_before(job, digest):
            return
        created = self._begin(job, digest)
        predictor = self._models.predictor(bundle)
        with self._models.urgent(job.priority):
            result = analyse(study, selected, bundle, predictor, created, digest, priors, self._models.decoders)
        if note:
            result = replace(result, reason=f"{result.reason}; {note}")
        if result.outcome is Outcome.OUT_OF_SCOPE and not asked_for(job.model_name, study, self._settings):
            self._end_untold(job, result)
        else:
            self._finish(job, study, result)

    def _priors(self, job: Job, bundle: Bundle) -> tuple[Series, ...]:
        """The series of each earlier study that fits the model best, newest study first."""
        if bundle.node.accepts.priors is None:
            return ()
        studies = map(self._archive.studies.get, self._archive.priors.of(job.study_instance_uid, job.model_name))
        fitting = (best_series(study, bundle.node.accepts) for study in studies)
        return tuple(series for series in fitting if series is not None)

    def _incompleteness(self, job: Job) -> str:
        """What the answer has to say about images that are missing; empty if none are known to be."""
        check = self._archive.checks.get(job.study_instance_uid, job.generation)
        if check is None or check.expected is None or check.state is not CheckState.INCOMPLETE:
            return ""
        return f"the study is incomplete: {check.expected - check.held} of {check.expected} images are missing"

    def _finish(self, job: Job, study: Study, result: Result, error: str = "") -> None:
        answer = write_answer(self._archive, study, result, result_to_json(result), self._settings.node.ae_title)
        self._end(job, answer, result.outcome, error)
        _log.info("job %d: %s: %s", job.job_id, result.outcome, result.reason)

    def _end(self, job: Job, answer: Answer, outcome: Outcome, error: str = "") -> None:
        # Routing was before; a model that was silenced or switched off since must not speak
        deployment = self._archive.deployments.get(job.model_name)
        live = deployment is not None and deployment.state is DeploymentState.LIVE
        targets = targets_for(outcome, job.targets, self._settings.targets) if live else ()
        evidence = addressed(answer.evidence, self._settings.targets)
        ended = self._archive.jobs.finish(
            job.job_id, self._owner, evidence, answer.result_json, self._clock(), targets=targets, error=error
        )
        if not ended:
            _log.warning("job %d: its lease was lost; nothing was written", job.job_id)

    def _end_untold(self, job: Job, result: Result) -> None:
        """End a job whose model turned out not to be for these images, and was not asked for by name."""
        now = self._clock()
        if self._archive.jobs.finish(job.job_id, self._owner, (), result_to_json(result), now, targets=()):
            self._archive.traces.add(
                job.study_instance_uid, job.generation, "out of scope", job.model_name, result.reason, now
            )

    def _answered_before(self, job: Job, input_digest: str) -> bool:
        answer = finished_answer(self._archive, job, input_digest)
        if answer is None:
            return False
        outcome = Outcome(json.loads(answer.result_json).get("outcome", Outcome.FINDINGS))
        self._end(job, answer, outcome)
        _log.info("job %d: the same images were answered before; the stored answer stands", job.job_id)
        return True

    def _attempt_failed(self, job: Job, bundle: Bundle, reason: str) -> None:
        _log.error("job %d, attempt %d: %s", job.job_id, job.attempts, reason)
        now = self._clock()
        if job.attempts < self._settings.infer.maximum_attempts:
            self._archive.jobs.retry_later(job.job_id, self._owner, reason, next_attempt(job, now), now)
            return
        try:
            study = self._archive.studies.get(job.study_instance_uid)
            self._answer_failed(job, study, bundle, reason)
        except ArchiveFullError as error:
            self._wait_for_space(job, error)
        except Exception as error:  # noqa: BLE001  if not even the document can be written, the index says so
            self._archive.jobs.fail(job.job_id, self._owner, f"{reason}; no document: {describe(error)}", now)

    def _answer_failed(self, job: Job, study: Study, bundle: Bundle, reason: str) -> None:
        digest = _digest_words("failed", reason, bundle.digest, self._settings.node.ae_title)
        result = self._without_answer(job, bundle, Outcome.FAILED, f"processing failed: {reason}", digest)
        self._finish(job, study, result, error=reason)

    def _without_answer(self, job: Job, bundle: Bundle, outcome: Outcome, reason: str, digest: str) -> Result:
        return without_answer(bundle, job.study_instance_uid, outcome, reason, digest, self._begin(job, digest))

    def _begin(self, job: Job, input_digest: str) -> datetime:
        now = self._clock()
        return self._archive.results.begin(job.study_instance_uid, job.model_name, input_digest, now, job.bundle_digest)


def _selected(study: Study, job: Job) -> tuple[Series, ...]:
    present = {series.series_instance_uid: series for series in study.series}
    missing = [uid for uid in job.series_instance_uids if uid not in present]
    if missing or not job.series_instance_uids:
        raise InputError(f"series {' '.join(missing)} is no longer in study {study.study_instance_uid}")
    return tuple(present[uid] for uid in job.series_instance_uids)


def _digest_words(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
