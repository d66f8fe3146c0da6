"""Several connections to one target: documents of a batch are shared out among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeAlias

from dicomnode.delivery.document import Document, Sender
from dicomnode.delivery.outcomes import SendOutcome

_A_LANE = 4  # documents for which it is worth to open one more
_Sent: TypeAlias = tuple[Document, SendOutcome] | BaseException | None


class Lanes:
    """Senders to one target that work side by side; few documents go by the first alone, in their order.

    Documents of a batch have no order among each other: what must come after another is not in the same batch.
    """

    def __init__(self, senders: Sequence[Sender]) -> None:
        self._senders = tuple(senders)

    def send(self, documents: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        """Send documents; each is answered exactly once, as soon as its outcome is known."""
        for bunch in self.send_in_bunches(documents):
            yield from bunch

    def send_in_bunches(self, documents: Sequence[Document]) -> Iterator[list[tuple[Document, SendOutcome]]]:
        """The same; outcomes that were there at the same time come together."""
        lanes = min(len(self._senders), -(-len(documents) // _A_LANE))
        if lanes <= 1:
            yield from ([outcome] for outcome in self._senders[0].send(documents))
            return
        sent: SimpleQueue[_Sent] = SimpleQueue()
        unwanted = Event()
        threads = [
            Thread(target=_work, args=(sender, documents[lane::lanes], sent, unwanted), name=f"lane {lane + 1}")
            for lane, sender in enumerate(self._senders[:lanes])
        ]
        for thread in threads:
            thread.start()
        try:
            yield from _bunches(sent, lanes)
        finally:
            unwanted.set()
            for thread in threads:
                thread.join()

    def rest(self) -> None:
        """Give up what was not used for a while."""
        for sender in self._senders:
            sender.rest()

    def close(self) -> None:
        """Give up all connections."""
        for sender in self._senders:
            sender.close()


def _work(sender: Sender, documents: Sequence[Document], sent: SimpleQueue[_Sent], unwanted: Event) -> None:
    ended: BaseException | None = None
    try:
        for outcome in sender.send(documents):
            sent.put(outcome)
            if unwanted.is_set():
                break
    except Exception as error:  # noqa: BLE001  raised again by who asked for the outcomes
        ended = error
    sent.put(ended)


def _bunches(sent: SimpleQueue[_Sent], lanes: int) -> Iterator[list[tuple[Document, SendOutcome]]]:
    """What the lanes say, until each has ended; then an error of one of them is raised."""
    error: BaseException | None = None
    while lanes:
        waiting = [sent.get(), *(sent.get() for _ in range(sent.qsize()))]  # nobody else takes from it
        outcomes = [item for item in waiting if isinstance(item, tuple)]
        ended = [item for item in waiting if not isinstance(item, tuple)]
        lanes -= len(ended)
        error = error or next(filter(None, ended), None)
        if outcomes:
            yield outcomes
    if error is not None:
        raise error


def in_bunches(sender: Sender, documents: Sequence[Document]) -> Iterator[list[tuple[Document, SendOutcome]]]:
    """Outcomes of a sender, those together that are there together."""
    if isinstance(sender, Lanes):
        return sender.send_in_bunches(documents)
    return ([outcome] for outcome in sender.send(documents))
