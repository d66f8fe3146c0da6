"""Several senders to one target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Barrier, get_ident

import pytest

from dicomnode.delivery.document import Document
from dicomnode.delivery.lanes import Lanes
from dicomnode.delivery.outcomes import OutcomeKind, SendOutcome

_DONE = SendOutcome(OutcomeKind.SUCCESS, "0x0000 success")


class Lane:
    """Sends nothing, and remembers what."""

    def __init__(self, together: Barrier | None = None, fails_at: str = "") -> None:
        self.sent: list[str] = []
        self.threads: set[int] = set()
        self.ended: list[str] = []
        self._together = together
        self._fails_at = fails_at

    def send(self, documents: Sequence[Document]) -> Iterator[tuple[Document, SendOutcome]]:
        if self._together is not None:
            self._together.wait(10)
        for document in documents:
            if document.sop_instance_uid == self._fails_at:
                raise ConnectionError("the cable is out")
            self.sent.append(document.sop_instance_uid)
            self.threads.add(get_ident())
            yield document, _DONE

    def rest(self) -> None:
        self.ended.append("rest")

    def close(self) -> None:
        self.ended.append("close")


def documents(count: int) -> list[Document]:
    return [Document(Path("none"), "1.2", f"1.2.{number}", "1.2") for number in range(count)]


def test_many_documents_are_shared_out_and_each_is_sent_once() -> None:
    lanes = [Lane(together := Barrier(3)), Lane(together), Lane(together)]
    outcomes = list(Lanes(lanes).send(documents(12)))
    assert {document for document, _ in outcomes} == set(documents(12))
    assert len(outcomes) == 12
    assert [len(lane.sent) for lane in lanes] == [4, 4, 4]
    assert get_ident() not in {thread for lane in lanes for thread in lane.threads}


def test_few_documents_go_by_one_in_order() -> None:
    lanes = [Lane(), Lane()]
    assert [document for document, _ in Lanes(lanes).send(documents(4))] == documents(4)
    assert [len(lane.sent) for lane in lanes] == [4, 0]


def test_what_stops_one_is_told_after_the_others_have_ended() -> None:
    lanes = [Lane(), Lane(fails_at="1.2.5")]
    with pytest.raises(ConnectionError, match="cable"):
        list(Lanes(lanes).send(documents(8)))
    assert (len(lanes[0].sent), lanes[1].sent) == (4, ["1.2.1", "1.2.3"])


def test_all_of_them_rest_and_close() -> None:
    lanes = [Lane(), Lane()]
    both = Lanes(lanes)
    both.rest()
    both.close()
    assert [lane.ended for lane in lanes] == [["rest", "close"]] * 2
