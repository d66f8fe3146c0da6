"""What a storage commitment report means for the deliveries that it is about."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from dicomnode.archive import Archive
from dicomnode.archive.proofs import Reported
from dicomnode.archive.records import ProofState
from dicomnode.errors import ArchiveError, describe
from dicomnode.peers.commitment import INVALID_ARGUMENT, PROCESSING_FAILURE, REASONS, SUCCESS, CommitmentReport

_log = logging.getLogger(__name__)
# The object may well be there: asking again helps, sending it again does not.
_ASK_AGAIN = frozenset({0x0131, 0x0213})
_NEVER = frozenset({0x0122})


def write_report(archive: Archive, report: CommitmentReport, clock: Callable[[], datetime]) -> int:
    """Write what a report says; gives the status that the peer is told (PS3.7 10.1.1.1.8)."""
    reported = [Reported(uid, ProofState.COMMITTED, "storage commitment") for uid in report.committed]
    reported += [_failure(uid, reason) for uid, reason in report.failed]
    try:
        known = archive.proofs.report(report.transaction_uid, reported, clock())
    except ArchiveError as error:
        _log.error("a storage commitment report could not be written: %s", describe(error))
        return PROCESSING_FAILURE
    if not known:
        _log.warning("storage commitment report on unknown transaction %s", report.transaction_uid)
        return INVALID_ARGUMENT
    level = logging.WARNING if report.failed else logging.INFO
    counts = (report.transaction_uid, len(report.committed), len(report.failed))
    _log.log(level, "storage commitment %s: %d object(s) committed, %d not", *counts)
    return SUCCESS


def _failure(uid: str, reason: int) -> Reported:
    words = f"not committed, 0x{reason:04X} {REASONS.get(reason, 'unknown reason')}"
    if reason in _NEVER:
        return Reported(uid, ProofState.UNPROVEN, words)
    return Reported(uid, ProofState.PENDING if reason in _ASK_AGAIN else ProofState.FAILED, words)
