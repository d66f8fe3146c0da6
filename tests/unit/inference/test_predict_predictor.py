"""The predictor: batches across requests, order, determinism, and networks that misbehave."""

from typing import Any

import numpy as np
import pytest
import torch

from dicomnode.bundles import Way, build_network, build_preprocessing, load_bundle
from dicomnode.errors import BundleError, ImageError, SettingsError
from dicomnode.inference.devices import choose_device
from dicomnode.inference.pool.lane import batches
from dicomnode.inference.predictor import Predictor, Request
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.study import SourceReference

CPU = torch.device("cpu")


def request(count: int, seed: int = 0, shape: tuple[int, int] = (40, 50)) -> Request:
    rng = np.random.default_rng(seed)
    images = tuple(SourceReference("1.2.840.10008.5.1.4.1.1.4", f"1.{seed}.{i}", "1.2") for i in range(count))
    pixels = tuple(rng.normal(300, 100, (1, *shape)).astype(np.float32) for _ in images)
    return Request((SliceGroup(images, pixels),), str(seed))


def test_scores_are_those_of_network_and_temperature(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle())
    asked = request(2)
    answer = Predictor(bundle, CPU).predict(asked).answer
    prepare, network = build_preprocessing(bundle), build_network(bundle, CPU)
    from monai.data import MetaTensor

    tensors = [
        prepare(MetaTensor(torch.from_numpy(item), affine=torch.eye(4))).as_tensor() for item in asked.groups[0].pixels
    ]
    with torch.inference_mode():
        scores = torch.softmax(network(torch.stack(tensors)) / 2.0, dim=1)
    assert answer.score == pytest.approx(float((1 - scores[:, 1]).mean()), abs=1e-6)


def test_batches_reach_across_requests_and_keep_their_order(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle())
    asked = [request(count, seed) for seed, count in enumerate((1, 5, 2, 1, 9))]
    alone = [Predictor(bundle, CPU, batch_size=1).predict(item).answer for item in asked]
    together = [item.answer for item in Predictor(bundle, CPU, batch_size=4).predict_each(asked)]
    assert [item.carried_by for item in together] == [item.carried_by for item in alone]
    assert [item.score for item in together] == pytest.approx([item.score for item in alone], abs=1e-6)


def test_requests_are_read_as_they_are_needed(make_bundle: Any) -> None:
    read = []

    def requests() -> Any:
        for seed in range(10):
            read.append(seed)
            yield request(1, seed)

    predictions = Predictor(load_bundle(make_bundle()), CPU, batch_size=2).predict_each(requests())
    next(predictions)
    assert read == [0, 1]


def test_the_same_request_scores_the_same_bit_for_bit(make_bundle: Any) -> None:
    predictor = Predictor(load_bundle(make_bundle()), CPU)
    assert predictor.predict(request(5)).answer.score == predictor.predict(request(5)).answer.score


def test_fixed_batches_make_scores_independent_of_how_many_there_are(make_bundle: Any) -> None:
    threads = torch.get_num_threads()
    try:
        predictor = Predictor(load_bundle(make_bundle()), CPU, batch_size=4, deterministic=True)
        many = list(predictor.predict_each([request(1, seed) for seed in range(7)]))
        assert [item.answer.score for item in many] == [
            predictor.predict(request(1, seed)).answer.score for seed in range(7)
        ]
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)


def test_a_request_without_images_is_refused(make_bundle: Any) -> None:
    with pytest.raises(ImageError, match="no image"):
        Predictor(load_bundle(make_bundle()), CPU).predict(Request((), "x"))


def test_a_network_with_other_outputs_than_classes_is_named(make_bundle: Any) -> None:
    network = {
        "_target_": "monai.networks.nets.Classifier",
        "in_shape": [1, 32, 32],
        "classes": 3,
        "channels": [4],
        "strides": [4],
    }
    predictor = Predictor(load_bundle(make_bundle(inference={"network_def": network})), CPU)
    with pytest.raises(BundleError, match=r"gave shape \(1, 3\), expected 2 logits per image"):
        predictor.predict(request(1))


def test_bfloat16_stays_close(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle())
    exact = Predictor(bundle, CPU).predict(request(3)).answer.score
    assert Predictor(bundle, CPU, way=Way.BFLOAT16).predict(request(3)).answer.score == pytest.approx(exact, abs=2e-2)


def test_batches() -> None:
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batches((), 2)) == []


@pytest.mark.parametrize("name", ["gpu", "mps", "cuda:99"])
def test_a_device_that_is_not_here_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        choose_device(name)


def test_auto_is_cpu_without_a_gpu() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_blank_image_gets_a_finite_score(make_bundle: Any) -> None:
    blank = Request((SliceGroup(request(1).images, (np.zeros((1, 40, 50), np.float32),)),), "blank")
    assert 0 <= Predictor(load_bundle(make_bundle()), CPU).predict(blank).answer.score <= 1


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ([{"_target_": "monai.transforms.Resized", "keys": ["image"], "spatial_size": [32, 32]}], "not a dictionary"),
        ([{"_target_": "monai.transforms.ScaleIntensity"}], "different sizes, such as"),
        ([{"_target_": "monai.transforms.ToNumpy"}], "must give a MetaTensor"),
    ],
)
def test_preprocessing_that_does_not_fit_is_named(
    make_bundle: Any, transforms: list[dict[str, Any]], message: str
) -> None:
    compose = {"_target_": "monai.transforms.Compose", "transforms": transforms}
    predictor = Predictor(load_bundle(make_bundle(inference={"preprocessing": compose})), CPU)
    with pytest.raises(BundleError, match=message):
        list(predictor.predict_each([request(1), request(1, shape=(60, 20))]))
