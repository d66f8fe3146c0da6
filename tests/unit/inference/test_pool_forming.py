"""Which batch goes next, by a clock that the test sets."""

from __future__ import annotations

import pytest
import torch

from dicomnode.inference.fitting import FittedNetwork
from dicomnode.inference.pool.forming import Call, Queue, Waiting
from dicomnode.inference.pool.lane import Lane

STAT, ROUTINE, REPLAY = 10, 0, -10


def lane(size: int = 4) -> Lane:
    return Lane(FittedNetwork("small", torch.nn.Identity(), torch.device("cpu"), size), list)


def begin(queue: Queue, lane: Lane, urgency: int = ROUTINE) -> Call:
    call = Call(lane, urgency)
    queue.set_adding(call, True)
    return call


def put(queue: Queue, call: Call, now: float, *images: str, key: str = "alike") -> None:
    for image in images:
        queue.add(Waiting(call, image, now), key)


def taken(queue: Queue, now: float) -> str | None:
    batch = queue.take(now)
    return None if batch is None else "".join(str(item.image) for item in batch.items)


def test_a_batch_goes_when_it_is_full_across_studies():
    queue, one = Queue(0.02), lane()
    first, second = begin(queue, one), begin(queue, one)
    put(queue, first, 1.0, "a", "b")
    assert (taken(queue, 1.0), queue.ready_at()) == (None, 1.02)
    put(queue, second, 1.01, "c", "d", "e")
    assert taken(queue, 1.01) == "abcd"
    assert (taken(queue, 1.02), taken(queue, 1.03)) == (None, "e")
    assert queue.is_empty
    assert queue.ready_at() is None


def test_a_batch_goes_when_its_oldest_image_has_waited_long_enough():
    queue, one = Queue(0.02), lane()
    call = begin(queue, one)
    put(queue, call, 1.0, "a")
    put(queue, call, 1.015, "b")
    assert (taken(queue, 1.019), taken(queue, 1.02)) == (None, "ab")


def test_a_batch_goes_at_once_when_nobody_prepares_another_image_for_it():
    queue, one = Queue(10.0), lane()
    call, other = begin(queue, one), begin(queue, lane())
    put(queue, call, 1.0, "a")
    assert taken(queue, 1.0) is None
    queue.set_adding(call, False)
    assert other.is_adding
    assert taken(queue, 1.0) == "a"


def test_images_that_do_not_go_together_go_apart():
    queue, one = Queue(0.0), lane()
    call = begin(queue, one)
    put(queue, call, 1.0, "a", key="small")
    put(queue, call, 1.1, "b", key="large")
    put(queue, call, 1.2, "c", key="small")
    assert [taken(queue, 2.0), taken(queue, 2.0), taken(queue, 2.0)] == ["ac", "b", None]


def test_urgent_images_overtake_and_fill_up_with_others():
    queue, one = Queue(0.0), lane(2)
    put(queue, begin(queue, one, REPLAY), 0.9, "r")
    put(queue, begin(queue, one), 1.0, "a", "b")
    put(queue, begin(queue, one, STAT), 1.5, "X")
    assert [taken(queue, 2.0), taken(queue, 2.0)] == ["Xa", "br"]


@pytest.mark.parametrize(("at", "order"), [(2.9, "Xa"), (3.1, "aX")])
def test_nobody_is_overtaken_for_ever(at: float, order: str):
    queue = Queue(0.0)
    put(queue, begin(queue, lane(1)), 1.0, "a")
    put(queue, begin(queue, lane(1), STAT), at, "X")
    assert f"{taken(queue, 4.0)}{taken(queue, 4.0)}" == order


def test_what_a_caller_leaves_behind_is_forgotten():
    queue, one = Queue(0.0), lane()
    call, other = begin(queue, one), begin(queue, one)
    put(queue, call, 1.0, "a")
    put(queue, other, 1.0, "b")
    queue.set_adding(call, False)
    queue.withdraw(call)
    assert taken(queue, 2.0) == "b"
    assert queue.is_empty
