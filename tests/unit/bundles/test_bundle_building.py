"""Building a network and its preprocessing from a bundle."""

from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from safetensors.torch import load_file, save_file

from dicomnode.bundles import build_network, build_preprocessing, load_bundle
from dicomnode.bundles.building import verify_unchanged
from dicomnode.errors import BundleError

CPU = torch.device("cpu")


def test_the_network_gets_its_weights_in_float32(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle())
    network = build_network(bundle, CPU)
    weights = load_file(bundle.weights)
    assert not network.training
    for key, tensor in network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, weights[key].float())
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 2)


@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_weights_that_do_not_fit_are_named(make_bundle: Any, change: str) -> None:
    bundle = load_bundle(make_bundle())
    weights = load_file(bundle.weights)
    key = sorted(weights)[0]
    if change == "missing":
        del weights[key]
    elif change == "unknown":
        key = "extra.weight"
        weights[key] = torch.zeros(1)
    else:
        weights[key] = torch.zeros(1, 2, 3)
    save_file(weights, bundle.weights)
    with pytest.raises(BundleError, match=key):
        build_network(bundle, CPU)


def test_a_weights_file_that_is_none_is_named(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle(weights=False))
    with pytest.raises(BundleError, match=r"model\.safetensors cannot be read"):
        build_network(bundle, CPU)


def test_an_argument_that_the_class_does_not_take_is_reported(make_bundle: Any) -> None:
    path = make_bundle(inference={"network_def": {"_target_": "torch.nn.Linear", "wrong": 1}}, weights=False)
    with pytest.raises(BundleError, match="network_def cannot be built"):
        build_network(load_bundle(path), CPU)


@pytest.mark.parametrize(
    "target", ["torch.nn.functional.os.system", "torch.nn.NoSuchThing", "torchvision.models.get_model_weights.__call__"]
)
def test_a_target_that_leads_elsewhere_is_refused(make_bundle: Any, target: str) -> None:
    path = make_bundle(inference={"more": {"_target_": target}}, weights=False)
    with pytest.raises(BundleError, match="_target_"):
        build_network(load_bundle(path), CPU)


def test_preprocessing_keeps_the_way_back_in_the_affine(make_bundle: Any) -> None:
    transform = build_preprocessing(load_bundle(make_bundle()))
    image = MetaTensor(torch.rand(1, 48, 64), affine=torch.eye(4))
    out = transform(image)
    assert out.shape == (1, 32, 32)
    assert float(out.affine[0, 0]) == pytest.approx(2.0, abs=0.1)


def test_code_runs_only_when_allowed(make_bundle: Any) -> None:
    network = {"_target_": "torch.nn.Linear", "in_features": "$1 + 1", "out_features": 2}
    bundle = load_bundle(make_bundle(inference={"network_def": network}, foreign=True))
    with pytest.raises(BundleError, match="approve its digest"):
        build_network(bundle, CPU)
    assert build_network(bundle, CPU, allow_code=True)(torch.zeros(1, 2)).shape == (1, 2)


def test_a_bundle_that_changed_is_noticed(make_bundle: Any) -> None:
    bundle = load_bundle(make_bundle(weights=False))
    verify_unchanged(bundle)
    bundle.weights.write_bytes(b"other")
    with pytest.raises(BundleError, match="changed on disk"):
        verify_unchanged(bundle)
