"""What a target takes: asked once, kept, and asked anew where that may have changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from dicomnode.archive import Archive
from dicomnode.archive.capabilities import Capabilities
from dicomnode.delivery.fallback import ENCODABLE
from dicomnode.errors import PeerError
from dicomnode.evidence.ladder import SENDABLE
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.probe import probe


class Knowledge:
    """What is known of one target, in this process and in the index."""

    def __init__(self, archive: Archive, target: str, address: DimsePeer | str, clock: Callable[[], datetime]) -> None:
        """Prepare.

        Args:
            archive: Keeps what is learnt.
            target: Name of the target.
            address: Whom to ask; a URL of one that cannot be asked beforehand.
            clock: Present time, with time zone.
        """
        self._archive = archive
        self._target = target
        self._address = address
        self._clock = clock

    def current(self, oldest: timedelta | None = None) -> Capabilities:
        """What the target takes, asked now if it never was, was at another address, or if that is too long ago.

        Of one that gives no answer to that question, though it may take objects, the last answer counts, or it is taken
        to accept everything that it has not refused.

        Args:
            oldest: Older answers do not count; None lets all count.
        """
        known = self._archive.capabilities.get(self._target)
        if known is None or known.address != str(self._address):
            known = None
        elif oldest is None or self._clock() - known.probed_at <= oldest:
            return known
        try:
            return self.renew()
        except PeerError:
            return known or Capabilities(str(self._address), self._clock(), None)

    def renew(self) -> Capabilities:
        """Ask now, and forget what was refused.

        Raises:
            PeerUnavailableError: It is away.
        """
        found = ask(self._address, self._clock())
        self._archive.capabilities.put(self._target, found)
        return found

    def refused(self, sop_class_uid: str, words: str) -> Capabilities:
        """Note that the target refused a class of object that it was thought to take; it is asked what has changed."""
        known = self.current()
        if known.takes(sop_class_uid) and isinstance(self._address, DimsePeer):
            with suppress(PeerError):
                known = replace(self.renew(), refused=known.refused)
        if known.takes(sop_class_uid):  # it says so, and yet refuses
            known = replace(known, refused={**known.refused, sop_class_uid: words})
        self._archive.capabilities.put(self._target, known)
        return known


def ask(address: DimsePeer | str, now: datetime) -> Capabilities:
    """Ask a peer what it takes; a DICOMweb server has no way to tell and is taken to accept all (PS3.18 10.5).

    Raises:
        PeerUnavailableError: It is away.
    """
    if isinstance(address, str):
        return Capabilities(address, now, None)
    found = probe(address, SENDABLE, ENCODABLE)
    return Capabilities(
        str(address),
        now,
        found.accepted,
        implementation_class_uid=found.implementation_class_uid,
        implementation_version_name=found.implementation_version_name,
        maximum_length=found.maximum_length,
    )
