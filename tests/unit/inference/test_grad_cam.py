"""Grad-CAM says where on the picture a class is seen, in the place where it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Resize, SpatialPad
from monai.visualize import GradCAM
from torch import nn

from dicomnode.inference.feature_maps import FeatureMaps
from dicomnode.inference.grad_cam import grad_cam
from dicomnode.inference.pixelmap import pixel_map
from dicomnode.networks import BloodCellCnn, ClassifierEnsemble, ImageNetClassifier, ResNetClassifier, SymmetryAveraged


class Bright(nn.Module):
    """Class 1 is brightness, class 0 darkness: its answer is known, and so is its reason."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.constant_(layer.weight, 1.0)
                nn.init.zeros_(layer.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = self.layers(images).mean(dim=(1, 2, 3))
        return torch.stack([-mean, mean], dim=1)


STRIDED = [nn.Conv2d(1, 1, 7, 2, 3), nn.MaxPool2d(3, 2, 1), nn.Conv2d(1, 1, 3, 2, 1)]
POOLED = [nn.Conv2d(1, 1, 3, padding="same"), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3, dilation=2), nn.MaxPool2d(2)]


def peak(found: np.ndarray | torch.Tensor) -> np.ndarray:
    """Column, row of the centre of what is high, counted from the corner."""
    values = np.asarray(found)
    rows, columns = np.nonzero(values >= 0.95 * values.max())
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


@pytest.mark.parametrize("layers", [STRIDED, POOLED], ids=["strided", "pooled"])
@pytest.mark.parametrize(("row", "column"), [(40, 24), (16, 56), (72, 80)])
def test_the_map_is_high_where_the_class_is_seen(layers: list[nn.Module], row: int, column: int) -> None:
    image = torch.zeros(1, 1, 96, 96)
    image[..., row - 2 : row + 3, column - 2 : column + 3] = 1
    found = grad_cam(Bright(*layers), image, 1)
    assert found is not None
    assert found.shape == (1, 96, 96)
    assert np.abs(peak(found[0]) - [column + 0.5, row + 0.5]).max() <= 4  # half an element of the strided one
    against = grad_cam(Bright(*layers), image, 0)
    assert against is not None
    assert not against.any()


def test_elements_lie_where_the_layers_look() -> None:
    maps = FeatureMaps((32, 40))
    with maps.watching(network := nn.Sequential(nn.Conv2d(1, 1, 7, 2, 3), nn.MaxPool2d(2))):
        network(torch.zeros(1, 1, 32, 40))
    assert maps.grid.step == (4.0, 4.0)
    assert maps.grid.start == (1.5, 1.5)  # 0.5 after the convolution, and half of its step of 2 further


@pytest.mark.parametrize("symmetry", ["mirror", "dihedral"])
def test_every_view_is_turned_back(symmetry: str) -> None:
    image = torch.zeros(1, 1, 64, 64)
    image[..., 8:13, 40:45] = 1
    network = SymmetryAveraged(classifier=Bright(*POOLED), symmetry=symmetry).eval()  # type: ignore[arg-type]
    found = grad_cam(network, image, 1)
    assert found is not None
    assert np.abs(peak(found[0]) - [42.5, 10.5]).max() <= 1


def test_members_of_an_ensemble_are_averaged() -> None:
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    members = [Bright(*STRIDED), Bright(*POOLED)]
    one, other = (grad_cam(member, image, 1) for member in members)
    both = grad_cam(ClassifierEnsemble(members=members), image, 1)
    assert one is not None and other is not None and both is not None
    assert torch.allclose(both, (one + other) / 2, atol=1e-6)


def test_it_is_what_monai_computes() -> None:
    torch.manual_seed(3)
    network = ResNetClassifier(classes=3, width=8).eval()
    image = torch.rand(1, 1, 64, 64)
    maps = FeatureMaps((64, 64))
    with torch.enable_grad(), maps.watching(network):
        logits = network(image)
    assert maps.last is not None
    (gradients,) = torch.autograd.grad(logits[:, 2].sum(), [maps.last])
    ours = (gradients.mean(dim=(2, 3), keepdim=True) * maps.last).sum(dim=1).clamp(min=0)
    judge = GradCAM(network, "stages", postprocessing=lambda found: found, upsampler=lambda _: lambda found: found)
    assert np.allclose(ours.detach().numpy(), judge(image, class_idx=2)[:, 0].detach(), atol=1e-6)


@pytest.mark.parametrize(
    ("network", "channels", "size"),
    [
        (ImageNetClassifier(architecture="resnet18", classes=2), 3, 96),
        (ImageNetClassifier(architecture="efficientnet_b0", classes=2), 3, 96),
        (BloodCellCnn(size=32, classes=2), 3, 32),
    ],
    ids=["resnet18", "efficientnet_b0", "blood cells"],
)
def test_networks_of_every_make_have_a_map(network: nn.Module, channels: int, size: int) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = grad_cam(network.eval(), torch.rand(1, channels, size, size), 1)
    assert found is not None
    assert found.shape == (1, size, size)
    assert bool((found >= 0).all())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_without_feature_map_has_none() -> None:
    assert grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), torch.rand(1, 1, 8, 8), 0) is None


@pytest.mark.parametrize(("rows", "columns"), [(120, 80), (60, 200)])
def test_a_map_comes_back_through_preprocessing_onto_the_picture(rows: int, columns: int) -> None:
    pixels = np.zeros((1, rows, columns), np.float32)
    pixels[0, 20:30, 50:60] = 1
    image = MetaTensor(torch.from_numpy(pixels), affine=torch.eye(4, dtype=torch.float64))
    processed = Compose([Resize(96, size_mode="longest", mode="bilinear"), SpatialPad((96, 96))])(image)
    back = pixel_map(processed, (rows, columns))
    found = grad_cam(Bright(nn.Conv2d(1, 1, 3, padding=1)), processed.as_tensor()[None], 1)
    assert found is not None
    whole = back.map_to_source(found[0], (rows, columns))
    assert whole.shape == (rows, columns)
    assert np.abs(peak(whole) - [55, 25]).max() <= 1.0 * max(rows, columns) / 96
    coarse = back.map_to_source(found[0], (rows // 4, columns // 4))
    assert np.abs(4 * peak(coarse) - [55, 25]).max() <= 4


def test_what_preprocessing_cut_away_stays_empty() -> None:
    image = MetaTensor(torch.ones(1, 40, 40), affine=torch.eye(4, dtype=torch.float64))
    cut = image[:, 10:30, 5:25]
    cut.affine = torch.tensor([[1.0, 0, 0, 10], [0, 1, 0, 5], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.float64)
    whole = pixel_map(cut, (40, 40)).map_to_source(torch.ones(20, 20), (40, 40))
    assert whole[10:30, 5:25].min() == 1
    assert whole.sum() == 400
