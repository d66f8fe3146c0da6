"""Ways to compute: which agree, which is chosen, when a choice counts, and what it changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
import torch

from dicomnode.bundles import (
    REFERENCE,
    TUNING,
    Agreement,
    Task,
    TriedWay,
    Tuning,
    Way,
    bundle_digest,
    load_bundle,
    read_tunings,
    software,
    tuned_way,
    write_tuning,
)
from dicomnode.errors import BundleError
from dicomnode.inference.analyse import digest_input
from dicomnode.inference.predictor import Predictor
from dicomnode.inference.tuning.reference import ReferenceAnswer, difference, read_reference, reference_pixels
from dicomnode.inference.tuning.trying import Trial, tune
from dicomnode.inference.ways import _Converted, _Padded, in_way, ways_for
from dicomnode.settings import Settings
from tests.unit.inference.test_predict_network import detector_bundle

CPU = torch.device("cpu")
TODAY = date(2026, 11, 22)
LIMITS = Agreement()
QUICK = Trial(batch_size=4, repeats=1, ways=(Way.CHANNELS_LAST, Way.BFLOAT16))


def quiet(_: str) -> None:
    """Tell nobody."""


@pytest.mark.parametrize(
    ("tried", "why"),
    [
        (TriedWay(Way.CHANNELS_LAST, largest_difference=0.001), ""),
        (TriedWay(Way.CHANNELS_LAST, largest_difference=0.0011), "more than 0.001"),
        (TriedWay(Way.OPENVINO_BFLOAT16, largest_difference=0.005), ""),
        (TriedWay(Way.BFLOAT16, largest_difference=0.0051), "more than 0.005"),
        (TriedWay(Way.BFLOAT16, changed=1), "1 reference images get another class or other findings"),
        (TriedWay(Way.COMPILED, problem="no compiler"), "no compiler"),
    ],
)
def test_what_does_not_agree_is_not_used(tried: TriedWay, why: str) -> None:
    assert why in tried.why_not(LIMITS)
    assert bool(tried.why_not(LIMITS)) == bool(why)


ANSWER = ReferenceAnswer((0.7, 0.2), ("present", "4147007"), ((10.0, 10.0, 30.0, 30.0),))


@pytest.mark.parametrize(
    ("other", "apart", "changed"),
    [
        (ANSWER, 0.0, False),
        (replace(ANSWER, scores=(0.69, 0.2)), 0.01, False),
        (replace(ANSWER, labels=("absent", "4147007")), 0.0, True),
        (replace(ANSWER, scores=(0.7,), labels=("present",), outlines=()), 0.0, True),
        (replace(ANSWER, outlines=((10.0, 10.0, 30.0, 29.0),)), 0.0, False),
        (replace(ANSWER, outlines=((14.0, 14.0, 34.0, 34.0),)), 0.0, True),
    ],
)
def test_differences_of_answers(other: ReferenceAnswer, apart: float, changed: bool) -> None:
    assert difference(ANSWER, other) == (pytest.approx(apart), changed)


def test_tuning_writes_what_was_measured_and_leaves_the_digest(make_bundle: Any) -> None:
    path = make_bundle()
    before = bundle_digest(path)
    bundle = load_bundle(path)
    tuning = tune(bundle, CPU, QUICK, TODAY, quiet)
    write_tuning(path, tuning)
    assert bundle_digest(path) == before
    assert [one.way for one in tuning.ways] == [Way.EAGER, Way.CHANNELS_LAST, Way.BFLOAT16]
    assert (tuning.ways[0].largest_difference, tuning.ways[0].changed) == (0.0, 0)
    assert all(one.images_per_second > 0 for one in tuning.ways)
    assert read_tunings(path) == (tuning,)
    assert tuned_way(bundle, tuning.device) == (tuning.chosen, "")
    assert tuned_way(bundle, "another make") == (Way.EAGER, "")
    stored = read_reference(bundle)
    assert stored is not None
    assert len(stored) == tuning.references == len(reference_pixels(bundle))


def test_a_device_whose_plain_float32_is_wrong_is_found_out(make_bundle: Any) -> None:
    path = make_bundle()
    bundle = load_bundle(path)
    tune(bundle, CPU, QUICK, TODAY, quiet)
    content = json.loads((path / REFERENCE).read_text())
    content["answers"][0]["scores"][0] += 0.01
    (path / REFERENCE).write_text(json.dumps(content))
    with pytest.raises(BundleError, match="plain float32 does not give here what it gave"):
        tune(bundle, CPU, QUICK, TODAY, quiet)


def written(bundle: Any, **changes: Any) -> Tuning:
    tried = TriedWay(Way.BFLOAT16, 100.0, 90.0, 110.0, 1.0, 0.002)
    tuning = Tuning(bundle.digest, "make", software(), 8, 24, TODAY, Way.BFLOAT16, (TriedWay(Way.EAGER), tried))
    write_tuning(bundle.path, replace(tuning, **changes))
    return tuning


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"bundle_digest": "0" * 64}, "it changed since it was tuned"),
        ({"software": {"torch": "1.0"}}, "torch or OpenVINO changed since"),
        ({"chosen": Way.COMPILED}, "the way compiled is not used: it was not measured"),
        ({"ways": (TriedWay(Way.BFLOAT16, largest_difference=0.2),)}, "scores differ by up to 0.2, more than 0.005"),
        ({"ways": (TriedWay(Way.BFLOAT16, changed=2),)}, "2 reference images get another class"),
    ],
)
def test_a_tuning_counts_only_for_what_it_was_measured_on(make_bundle: Any, changes: Any, words: str) -> None:
    bundle = load_bundle(make_bundle())
    written(bundle, **changes)
    way, why = tuned_way(bundle, "make")
    assert (way is Way.BFLOAT16) == (not words)
    assert words in why


def test_a_damaged_tuning_is_told_and_not_used(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle())
    (bundle.path / TUNING).write_text("[{]")
    way, why = tuned_way(bundle, "make")
    assert way is Way.EAGER
    assert "'dicomnode models tune' writes it anew" in why


def test_a_device_replaces_its_own_tuning_only(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle())
    written(bundle)
    written(bundle, device="other make")
    written(bundle, batch_size=4)
    assert [(one.device, one.batch_size) for one in read_tunings(bundle.path)] == [("other make", 8), ("make", 4)]


def test_the_way_is_one_of_the_settings_that_change_evidence(make_bundle: Any) -> None:
    bundle, settings = load_bundle(make_bundle()), Settings.model_validate({})
    assert digest_input([], bundle, settings) == digest_input([], bundle, settings, Way.EAGER)
    assert len({digest_input([], bundle, settings, way) for way in Way}) == len(Way)


def test_what_repeats_bit_for_bit_computes_in_plain_float32(make_bundle: Any) -> None:
    threads = torch.get_num_threads()
    try:
        assert Predictor(load_bundle(make_bundle()), CPU, 4, True, way=Way.BFLOAT16).way is Way.EAGER
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)


def test_a_detector_computes_with_channels_last_and_bfloat16(make_bundle: Any) -> None:
    bundle = detector_bundle(make_bundle)
    tuning = tune(bundle, CPU, QUICK, TODAY, quiet)
    assert [one.problem for one in tuning.ways] == ["", "", ""]


def test_a_way_that_is_not_for_a_task_is_named(make_bundle: Any) -> None:
    with pytest.raises(BundleError, match="openvino: not for this kind of model on cpu"):
        tune(detector_bundle(make_bundle), CPU, replace(QUICK, ways=(Way.OPENVINO,)), TODAY, quiet)


def test_a_way_that_does_not_work_here_is_told(make_bundle: Any, monkeypatch: Any) -> None:
    def broken(network: Any, way: Way, *_: Any) -> Any:
        if way is Way.EAGER:
            return network
        raise BundleError("there is no compiler")

    monkeypatch.setattr("dicomnode.inference.network.in_way", broken)
    tuning = tune(load_bundle(make_bundle()), CPU, replace(QUICK, ways=(Way.BFLOAT16,)), TODAY, quiet)
    assert tuning.chosen is Way.EAGER
    assert "does not work here: there is no compiler" in tuning.ways[1].problem


@pytest.mark.parametrize("count", [1, 3, 4, 5])
def test_padding_to_a_power_of_two_changes_no_answer(count: int) -> None:
    seen = []

    class Sums(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            seen.append(len(batch))
            return batch.sum(dim=(1, 2, 3))

    batch = torch.rand(count, 1, 2, 2)
    assert torch.equal(_Padded(Sums())(batch), batch.sum(dim=(1, 2, 3)))
    assert seen == [{1: 1, 3: 4, 4: 4, 5: 8}[count]]


def test_whoever_asks_gets_float32_in_lists_and_dictionaries() -> None:
    class Boxes(torch.nn.Module):
        def forward(self, images: list[torch.Tensor]) -> Any:
            return [{"scores": image.mean(dim=(1, 2)).bfloat16(), "labels": torch.ones(1).long()} for image in images]

    (found,) = _Converted(Boxes(), torch.bfloat16)([torch.rand(3, 4, 4)])
    assert (found["scores"].dtype, found["labels"].dtype) == (torch.float32, torch.int64)


def test_open_vino_gives_the_same_answers(make_bundle: Any) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed; pip install 'dicomnode[openvino]'")
    bundle = load_bundle(make_bundle())
    pixels = reference_pixels(bundle)[:5]
    expected = np.stack(list(Predictor(bundle, CPU, 4).classify(pixels)))
    found = np.stack(list(Predictor(bundle, CPU, 4, way=Way.OPENVINO).classify(pixels)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
@pytest.mark.parametrize("way", [Way.GRAPHS, Way.GRAPHS_BFLOAT16])
def test_cuda_graphs_give_the_same_answers(make_bundle: Any, way: Way) -> None:
    bundle = load_bundle(make_bundle())
    pixels = reference_pixels(bundle)[:5]
    expected = np.stack(list(Predictor(bundle, CPU, 4).classify(pixels)))
    found = np.stack(list(Predictor(bundle, torch.device("cuda"), 4, way=way).classify(pixels)))
    np.testing.assert_allclose(found, expected, atol=2e-2)


def test_the_ways_of_each_kind_of_model() -> None:
    assert Way.OPENVINO in ways_for(Task.CLASSIFICATION, CPU)
    assert Way.GRAPHS in ways_for(Task.CLASSIFICATION, torch.device("cuda"))
    assert set(ways_for(Task.DETECTION, CPU)) == {Way.EAGER, Way.CHANNELS_LAST, Way.BFLOAT16}
    assert Way.COMPILED not in ways_for(Task.CLASSIFICATION, CPU, with_priors=True)
    network = torch.nn.Linear(1, 1)
    assert in_way(network, Way.EAGER, Task.CLASSIFICATION, CPU) is network
