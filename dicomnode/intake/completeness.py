"""Closing studies once they are compared with what a PACS holds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random

from dicomnode.archive import Archive
from dicomnode.archive.checks import CheckState, StudyCheck
from dicomnode.archive.records import OpenStudy
from dicomnode.errors import ArchiveError
from dicomnode.intake.comparing import Compared, Comparing
from dicomnode.intake.completion import Decision, is_complete
from dicomnode.settings import CompletionSettings

_LOG = logging.getLogger(__name__)
_ROUND_SECONDS = 0.25
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 60.0


class Completeness:
    """Closes each study that is due, after asking a PACS what it holds of it.

    A PACS that is away is asked again, with growing pauses, until the completion deadline; then the study closes all
    the same, and its trace says that it was not checked. A PACS that holds less than is here, or nothing yet, is no
    reason to wait.

    Several threads may run the same object; each takes another study.

    Args:
        archive: Holds the studies.
        policy: When a study is due.
        comparing: Asks the PACS.
        clock: Present time.
        random: For the jitter of the pauses.
    """

    def __init__(
        self,
        archive: Archive,
        policy: CompletionSettings,
        comparing: Comparing,
        clock: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._archive = archive
        self._policy = policy
        self._comparing = comparing
        self._clock = clock
        self._random = random
        self._taken: set[str] = set()
        self._guard = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        waiter = self._archive.wakeups.waiter()
        while not stop.is_set():
            if not self.step(stop):
                waiter.wait(stop, _ROUND_SECONDS)

    def step(self, stop: threading.Event) -> bool:
        """Look at one study that is due; False if there is none."""
        taken = self._take()
        if taken is None:
            return False
        study, decision, before = taken
        try:
            self._settle(study, decision, before, stop)
        except (ArchiveError, OSError) as error:
            _LOG.error("study %s was not compared: %s", study.study_instance_uid, error)
            stop.wait(_FIRST_PAUSE_SECONDS)  # a full disk needs some time
        finally:
            with self._guard:
                self._taken.discard(study.study_instance_uid)
        return True

    def _take(self) -> tuple[OpenStudy, Decision, StudyCheck | None] | None:
        self._archive.instances.take_over()  # what a killed receiver had acknowledged
        self._archive.associations.close_dead(self._clock())  # and it brings nothing more
        with self._guard:
            for study in self._archive.studies.open_studies():
                habit = partial(self._archive.habits.of, study.study_instance_uid)
                decision = is_complete(study, self._policy, self._clock(), habit)
                if not decision.close or study.study_instance_uid in self._taken:
                    continue
                before = self._archive.checks.get(study.study_instance_uid, study.generation + 1)
                if before is not None and before.next_attempt_at > self._clock() and not self._is_late(study):
                    continue
                self._taken.add(study.study_instance_uid)
                return study, decision, before
        return None

    def _is_late(self, study: OpenStudy) -> bool:
        return self._clock() - study.first_arrival >= timedelta(seconds=self._policy.deadline_seconds)

    def _settle(self, study: OpenStudy, decision: Decision, before: StudyCheck | None, stop: threading.Event) -> None:
        if before is not None and before.state is CheckState.WAITING and self._is_late(study):
            compared = Compared(CheckState.UNCHECKED, "", None, 0, 0, before.status)
        else:
            compared = self._comparing.compare(study.study_instance_uid, stop)
        if compared.state is CheckState.WAITING and not self._is_late(study):
            self._wait(study, before, compared)
        elif not stop.is_set():
            self._close(study, decision, before, compared)

    def _wait(self, study: OpenStudy, before: StudyCheck | None, compared: Compared) -> None:
        check = self._row(study, before, compared)
        if before is None or before.status != compared.status:
            text = f"{compared.status}; asked again until the deadline"
            self._archive.traces.add(
                study.study_instance_uid, study.generation, "completeness", None, text, self._clock()
            )
        self._archive.checks.put(check)

    def _close(self, study: OpenStudy, decision: Decision, before: StudyCheck | None, compared: Compared) -> None:
        if compared.state is CheckState.WAITING:
            compared = Compared(CheckState.UNCHECKED, "", None, 0, 0, compared.status)
        uid = study.study_instance_uid
        # First, so that no job of this generation ever runs without it
        self._archive.checks.put(self._row(study, before, compared))
        text = f"{decision.reason}; {compared.status}"
        generation = self._archive.studies.complete(
            uid, text, study.arrivals + compared.gained, self._clock(), waited=decision.waited
        )
        if generation is None:
            _LOG.info("study %s: more arrived while it was compared; it stays open", uid)

    def _row(self, study: OpenStudy, before: StudyCheck | None, compared: Compared) -> StudyCheck:
        attempts = 1 if before is None else before.attempts + 1
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 30), _LONGEST_PAUSE_SECONDS)
        waits = compared.state is CheckState.WAITING
        return StudyCheck(
            study.study_instance_uid,
            study.generation + 1,
            compared.state,
            compared.pacs,
            compared.expected,
            compared.held,
            attempts,
            self._clock() + timedelta(seconds=pause * self._random.uniform(0.5, 1.0) if waits else 0.0),
            compared.status,
        )
