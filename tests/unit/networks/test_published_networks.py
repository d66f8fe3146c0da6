"""The published networks have the published sizes and take the published images."""

import pytest
import torch
from torch import nn

from dicomnode.networks import BloodCellCnn, BrainMriCnn, ChestCtCnn, HistologyCnn, ImageNetClassifier
from dicomnode.networks.imagenet import Architecture, original_parameters


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_chest_ct_cnn_has_the_published_size() -> None:
    with torch.device("meta"):
        network = ChestCtCnn(size=224, classes=4)

    assert count(network) == 14_547_908


def test_brain_mri_cnn_has_about_100_million_parameters() -> None:
    with torch.device("meta"):
        network = BrainMriCnn(size=224, classes=4)

    assert count(network) == 102_866_708


@pytest.mark.parametrize(
    ("architecture", "size"),
    [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032), ("inception_v3", 27_161_264)],
)
def test_a_network_with_its_original_head_has_the_published_size(architecture: Architecture, size: int) -> None:
    assert original_parameters(architecture) == size


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (BrainMriCnn(size=16, classes=3, channels=(2, 3), hidden=(4, 5)), (3, 16, 16)),
        (ChestCtCnn(size=32, classes=3, channels=(2, 2, 2, 2, 4), hidden=(4, 5)), (1, 32, 32)),
        (HistologyCnn(size=20, classes=3, channels=(2, 3, 4), hidden=5), (3, 20, 20)),
        (BloodCellCnn(size=32, classes=3), (3, 32, 32)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_cnn_gives_a_logit_per_class(network: nn.Module, shape: tuple[int, ...]) -> None:
    assert network.eval()(torch.rand(2, *shape)).shape == (2, 3)


def test_the_head_has_the_hidden_layers_asked_for() -> None:
    network = ImageNetClassifier(architecture="resnet18", classes=2, hidden=[100]).eval()

    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 2)
    assert count(network) == 11_689_512 - (512 * 1000 + 1000) + (512 * 100 + 100) + (100 * 2 + 2)


def test_the_body_takes_weights_and_the_head_does_not() -> None:
    donor = ImageNetClassifier(architecture="resnet18", classes=2)
    network = ImageNetClassifier(architecture="resnet18", classes=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    network.load_body(donor.body.state_dict())

    after = network.state_dict()
    assert torch.equal(after["body.conv1.weight"], donor.state_dict()["body.conv1.weight"])
    assert torch.equal(after["body.fc.1.weight"], before["body.fc.1.weight"])


def test_weights_of_another_network_are_refused() -> None:
    network = ImageNetClassifier(architecture="resnet18", classes=2)

    with pytest.raises(KeyError):
        network.load_body({"conv1.weight": torch.zeros(64, 3, 7, 7)})
    wrong = {name: torch.zeros(1) for name in network.body.state_dict()}
    with pytest.raises(RuntimeError, match="size mismatch"):
        network.load_body(wrong)
