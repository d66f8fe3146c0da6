"""Digests of the content of instances, remembered: they are needed once a study is complete, and cost reading it."""

from __future__ import annotations

import threading
from collections import OrderedDict

from dicomnode.dicom.digest import content_digest
from dicomnode.study import Instance


class ContentDigests:
    """Remembers what was asked for last; safe among threads.

    Args:
        most: Digests, of about 300 bytes each.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._known: OrderedDict[str, str] = OrderedDict()
        self._guard = threading.Lock()

    def of(self, instance: Instance) -> str:
        """As `content_digest`; a file of the same bytes has the same content.

        Raises:
            OSError: The file cannot be read.
        """
        with self._guard:
            known = self._known.get(instance.sha256)
        if known is not None:
            return known
        found = content_digest(instance.path)
        if instance.sha256:
            with self._guard:
                self._known[instance.sha256] = found
                while len(self._known) > self._most:
                    self._known.popitem(last=False)
        return found
