"""Several studies at once on one device: their batches, their errors, their order, their bits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from dicomnode.bundles import load_bundle
from dicomnode.errors import BundleError
from dicomnode.inference.fitting import FittedNetwork
from dicomnode.inference.loaded import load_model
from dicomnode.inference.pool.device_pool import DevicePool
from dicomnode.inference.pool.lane import Lane
from dicomnode.inference.predictor import Predictor, Request
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.study import SourceReference

CPU = torch.device("cpu")
PATIENCE = 30.0


def request(count: int, seed: int) -> Request:
    rng = np.random.default_rng(seed)
    images = tuple(SourceReference("1.2.840.10008.5.1.4.1.1.4", f"1.{seed}.{i}", "1.2") for i in range(count))
    return Request(
        (SliceGroup(images, tuple(rng.normal(300, 100, (1, 40, 50)).astype(np.float32) for _ in images)),), "s"
    )


class Echo:
    """A lane that gives back what it is given, and notes its batches; negative numbers are an error."""

    def __init__(self, size: int = 4) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.lane = Lane(FittedNetwork("small", torch.nn.Identity(), CPU, size), self.forward)

    def forward(self, images: Any) -> Any:
        assert self.gate.wait(PATIENCE)
        self.batches.append(list(images))
        if min(images) < 0:
            raise BundleError(f"bundle small: the network gave no score for {min(images)}")
        return list(images)

    def ask(self, pool: DevicePool, images: Any, urgency: int = 0) -> list[int]:
        with pool.urgent(urgency):
            return list(pool.outputs(self.lane, images, lambda _: None))


def test_images_of_two_studies_go_together():
    pool, echo, met = DevicePool(CPU, wait_seconds=PATIENCE), Echo(4), threading.Barrier(2, timeout=PATIENCE)

    def images(first: int) -> Any:
        yield first
        met.wait()
        yield first + 1

    with ThreadPoolExecutor(2) as two:
        answers = list(two.map(lambda first: echo.ask(pool, images(first)), (10, 20)))
    assert answers == [[10, 11], [20, 21]]
    assert [sorted(batch) for batch in echo.batches] == [[10, 11, 20, 21]]


def test_answers_keep_their_order_and_reading_stays_two_batches_ahead():
    pool, echo, read = DevicePool(CPU), Echo(2), []

    def images() -> Any:
        for number in range(20):
            read.append(number)
            yield number

    outputs = pool.outputs(echo.lane, images(), lambda _: None)
    assert next(outputs) == 0
    assert read == [0, 1, 2, 3, 4]
    assert list(outputs) == list(range(1, 20))


def test_an_error_is_told_to_him_whose_image_it_is_about():
    pool, echo, met = DevicePool(CPU, wait_seconds=PATIENCE), Echo(4), threading.Barrier(2, timeout=PATIENCE)

    def images(*numbers: int) -> Any:
        yield numbers[0]
        met.wait()
        yield numbers[1]

    with ThreadPoolExecutor(2) as two:
        sound = two.submit(echo.ask, pool, images(1, 2))
        broken = two.submit(echo.ask, pool, images(3, -4))
        assert sound.result(PATIENCE) == [1, 2]
        with pytest.raises(BundleError, match="no score for -4"):
            broken.result(PATIENCE)
    assert echo.ask(pool, [5]) == [5]


def test_an_error_while_preparing_leaves_nothing_behind():
    pool, echo = DevicePool(CPU, wait_seconds=PATIENCE), Echo(4)

    def images() -> Any:
        yield 1
        raise BundleError("preprocessing failed")

    with pytest.raises(BundleError, match="preprocessing failed"):
        echo.ask(pool, images())
    assert echo.ask(pool, [2]) == [2]
    assert echo.batches == [[2]]


def test_an_urgent_study_overtakes_on_the_device():
    pool, echo = DevicePool(CPU, wait_seconds=0.0), Echo(1)
    echo.gate.clear()
    with ThreadPoolExecutor(3) as three:
        calls = [three.submit(echo.ask, pool, [number], urgency) for number, urgency in ((1, 0), (2, 0), (3, 10))]
        while len(pool._queue._groups) == 0 or sum(map(len, pool._queue._groups.values())) < 2:
            pass
        echo.gate.set()
        assert [call.result(PATIENCE) for call in calls] == [[1], [2], [3]]
    order = [batch[0] for batch in echo.batches]
    assert order.index(3) <= 1


@pytest.mark.parametrize("task", ["classification", "detection"])
def test_fixed_batches_give_the_same_bits_whatever_else_waits(make_bundle: Any, task: str) -> None:
    from tests.unit.inference.test_predict_network import detector_bundle

    bundle = load_bundle(make_bundle()) if task == "classification" else detector_bundle(make_bundle)
    threads = torch.get_num_threads()
    try:
        alone = load_model(bundle, CPU, 4, deterministic=True)
        together = load_model(bundle, CPU, 4, deterministic=True, runner=DevicePool(CPU))
        assert isinstance(alone, Predictor)
        asked = [request(count, seed) for seed, count in enumerate((3, 1, 5))]
        expected = [alone.predict(item) for item in asked]
        with ThreadPoolExecutor(3) as three:
            found = list(three.map(together.predict, asked))  # type: ignore[arg-type]
        assert [item.answer for item in found] == [item.answer for item in expected]
        for one, other in zip(found, expected, strict=True):
            boxes = [[(*box.box, box.score) for box in boxes] for boxes in one.boxes]
            assert boxes == [[(*box.box, box.score) for box in boxes] for boxes in other.boxes]
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)


def test_batches_of_several_studies_give_the_scores_of_each(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle())
    asked = [request(count, seed) for seed, count in enumerate((3, 1, 5))]
    expected = [Predictor(bundle, CPU, 1).predict(item).answer.score for item in asked]
    pooled = Predictor(bundle, CPU, 4, runner=DevicePool(CPU))
    with ThreadPoolExecutor(3) as three:
        found = [item.answer.score for item in three.map(pooled.predict, asked)]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_a_gpu_gives_the_scores_of_the_cpu(make_bundle: Any) -> None:
    bundle, device = load_bundle(make_bundle()), torch.device("cuda")
    expected = Predictor(bundle, CPU).predict(request(20, 1)).answer.score
    found = Predictor(bundle, device, runner=DevicePool(device)).predict(request(20, 1)).answer.score
    assert found == pytest.approx(expected, abs=1e-3)
