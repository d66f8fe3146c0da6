"""What a sender is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dicomnode.delivery.outcomes import SendOutcome


@dataclass(frozen=True, slots=True)
class Document:
    """A DICOM file to send.

    Attributes:
        path: A PS3.10 file.
        sop_class_uid: (0008,0016).
        sop_instance_uid: (0008,0018).
        transfer_syntax_uid: (0002,0010).
        send_as_uid: Transfer syntax that it is encoded in anew for sending, empty to send the file as it is.
        smaller_as_uid: Transfer syntax that it is sent in instead where the peer takes that; empty for none.
        note: What whoever looks up its delivery must know of it, one line; empty if it is just what was to be sent.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    send_as_uid: str = ""
    note: str = ""
    smaller_as_uid: str = ""


class Sender(Protocol):
    """A way to one target."""

    def send(self, documents: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        """Send documents in order; each is answered exactly once, as soon as its outcome is known."""
        ...

    def rest(self) -> None:
        """Give up what is kept open and was not used for a while; called while there is nothing to send."""
        ...

    def close(self) -> None:
        """Give up what is kept open between batches."""
        ...
