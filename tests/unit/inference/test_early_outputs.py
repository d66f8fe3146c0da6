"""What a network said of single images, remembered: the same answers as without, and nothing stale."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dicomnode.bundles import load_bundle
from dicomnode.dicom.digest import content_digest
from dicomnode.inference.early.digests import ContentDigests
from dicomnode.inference.early.outputs import OutputMemory, output_keys
from dicomnode.inference.network import SliceNetwork
from dicomnode.inference.predictor import Predictor, Request
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.study import Instance, SourceReference
from tests.archives import make_file
from tests.unit.inference.test_predict_network import detector_bundle

CPU = torch.device("cpu")
COUNT = 11
IMAGES = tuple(SourceReference("1.2.840.10008.5.1.4.1.1.4", f"1.2.{i}", "1.2") for i in range(COUNT))
DIGESTS = tuple(f"{i:064d}" for i in range(COUNT))


@pytest.fixture
def deterministic() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def request(numbers: Any = range(COUNT), *, digests: bool = True, shape: tuple[int, int] = (40, 50)) -> Request:
    def pixels(number: int) -> Any:
        return np.random.default_rng(number).normal(300, 100, (1, *shape)).astype(np.float32)

    group = SliceGroup(tuple(IMAGES[n] for n in numbers), tuple(map(pixels, numbers)), (0.5, 0.5), 3.0)
    return Request((group,), "seed", digests=tuple(DIGESTS[n] for n in numbers) if digests else ())


def bundle_of(task: str, make_bundle: Any) -> Any:
    return detector_bundle(make_bundle) if task == "detection" else load_bundle(make_bundle())


@pytest.mark.parametrize("task", ["classification", "detection"])
@pytest.mark.parametrize("early", [(4, 1, 9), (10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)])
@pytest.mark.usefixtures("deterministic")
def test_answers_are_those_of_the_complete_study_bit_for_bit(make_bundle: Any, task: str, early: Any) -> None:
    bundle = bundle_of(task, make_bundle)
    memory = OutputMemory(1 << 20)
    looked_ahead = Predictor(bundle, CPU, 4, deterministic=True, memory=memory)
    for start in range(0, len(early), 2):
        looked_ahead.look_ahead(request(early[start : start + 2]))
    complete = Predictor(bundle, CPU, 4, deterministic=True).predict(request())
    found = looked_ahead.predict(request())
    assert found.answer == complete.answer
    assert [item.score for item in found.findings] == [item.score for item in complete.findings]
    assert [[box.box.tolist() for box in boxes] for boxes in found.boxes] == [
        [box.box.tolist() for box in boxes] for boxes in complete.boxes
    ]


def asked_of(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets the number of images of each run of the network."""
    counts: list[int] = []
    run = SliceNetwork.classify

    def counted(network: SliceNetwork, slices: Any, priors: Any = ()) -> Any:
        given = list(slices)
        counts.append(len(given))
        return run(network, given, priors)

    monkeypatch.setattr(SliceNetwork, "classify", counted)
    return counts


def test_only_what_is_not_remembered_goes_through_the_network(
    make_bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(load_bundle(make_bundle()), CPU, memory=OutputMemory(1 << 20))
    counts = asked_of(predictor, monkeypatch)
    predictor.look_ahead(request(range(8)))
    predictor.predict(request())
    predictor.predict(request())  # as after a late instance of another series
    assert counts == [8, 3, 0]


def test_an_instance_that_came_with_other_bytes_is_another_image(
    make_bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(load_bundle(make_bundle()), CPU, memory=OutputMemory(1 << 20))
    counts = asked_of(predictor, monkeypatch)
    asked = request()
    predictor.look_ahead(asked)
    predictor.predict(replace(asked, digests=("f" * 64, *DIGESTS[1:])))
    predictor.predict(replace(asked, digests=("", *DIGESTS[1:])))  # one that must not be remembered
    predictor.predict(replace(asked, digests=("", *DIGESTS[1:])))
    assert counts == [COUNT, 1, 1, 1]


def test_what_computes_otherwise_is_another_output() -> None:
    keys = {output_keys(bundle, manner, IMAGES[:1], DIGESTS[:1]) for bundle in "ab" for manner in ("cpu", "cuda")}
    assert len(keys) == 4


def test_without_digests_nothing_is_remembered(make_bundle: Any) -> None:
    memory = OutputMemory(1 << 20)
    Predictor(load_bundle(make_bundle()), CPU, memory=memory).predict(request(digests=False))
    assert memory.held_bytes == 0


@pytest.mark.usefixtures("deterministic")
def test_fixed_batches_of_a_detector_hold_images_of_one_size(make_bundle: Any) -> None:
    scale = {"_target_": "monai.transforms.Compose", "transforms": [{"_target_": "monai.transforms.ScaleIntensity"}]}
    predictor = Predictor(detector_bundle(make_bundle, preprocessing=scale), CPU, 4, deterministic=True)
    small, large = request(range(2), shape=(64, 64)), request(range(2, 4), shape=(96, 128))
    together = predictor.predict(Request((*small.groups, *large.groups), "seed"))
    alone = [*predictor.predict(small).boxes, *predictor.predict(large).boxes]
    assert [[box.box.tolist() for box in boxes] for boxes in together.boxes] == [
        [box.box.tolist() for box in boxes] for boxes in alone
    ]


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    memory = OutputMemory(3000)
    keys = output_keys("bundle", "cpu", IMAGES[:6], DIGESTS[:6])
    for key in keys[:4]:
        memory.put(key, np.zeros(2))
        memory.get(keys[0])
    for key in keys[4:]:
        memory.put(key, np.zeros(2))
    assert memory.held_bytes <= 3000
    assert memory.get(keys[5]) is not None
    assert memory.get(keys[1]) is None


def test_contents_are_digested_once(tmp_path: Path) -> None:
    first, second = tmp_path / "1.dcm", tmp_path / "2.dcm"
    first.write_bytes(make_file())
    second.write_bytes(make_file("1.2.3.2"))
    instance = Instance("1.2.3.1", "1.2", "1.3", "1.4", "1.2.840.10008.1.2.1", first, "a" * 64)
    contents = ContentDigests(most=1)
    digest = contents.of(instance)
    assert digest == content_digest(first)
    moved = replace(instance, path=tmp_path / "gone")
    assert contents.of(moved) == digest
    assert contents.of(replace(instance, path=second, sha256="b" * 64)) != digest
    with pytest.raises(FileNotFoundError):
        contents.of(moved)  # forgotten for the other one
