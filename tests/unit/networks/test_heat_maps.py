"""The patch classifier, and the heat maps it draws."""

import pytest
import torch
from torch import nn

from dicomnode.networks import DmvCnn, HeatMappedDmvCnn, PatchClassifier
from dicomnode.networks.heat_maps import heat_maps
from dicomnode.networks.pretraining import TakesImageNet


class Brightest(nn.Module):
    """Sure of malignancy where a patch holds a value above 0.5, else of nothing."""

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        bright = patches.amax(dim=(1, 2, 3)) > 0.5
        return torch.stack([bright * 100.0, bright * -100.0, (~bright) * 100.0, bright * -100.0], dim=1)


def test_the_classifier_is_densenet_121_with_four_classes() -> None:
    with torch.device("meta"):
        network = PatchClassifier()

    assert sum(parameter.numel() for parameter in network.parameters()) == 7_978_856 - 1000 * 1025 + 4 * 1025


@pytest.mark.parametrize("size", [(64, 64), (63, 50)])
def test_the_classifier_halves_images_rounded_up(size: tuple[int, int]) -> None:
    network = PatchClassifier(growth=2, blocks=(1, 1, 1, 1), stem=4).eval()
    seen: dict[str, tuple[int, ...]] = {}
    for name in ("conv0", "pool0"):
        layer = getattr(network.body.features, name)
        layer.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output.shape[2:]}))

    with torch.no_grad():
        assert network(torch.rand(2, 1, *size)).shape == (2, 4)
    assert seen["conv0"] == tuple(-(-side // 2) for side in size)
    assert seen["pool0"] == tuple(-(-side // 4) for side in size)


def test_a_heat_map_is_the_mean_of_the_patches_over_a_pixel() -> None:
    image = torch.zeros(1, 40, 52)
    image[0, 3, 5] = 1.0  # in the first patch alone

    benign, malignant = heat_maps(Brightest(), image, patch=16, stride=12, batch=4)

    assert benign.max() < 1e-6
    assert malignant[:12, :12].min() > 0.999  # no other patch begins before pixel 12
    assert malignant[2, 14] == pytest.approx(0.5)  # one of two patches
    assert malignant[16:].max() < 1e-6 and malignant[:, 16:].max() < 1e-6


@pytest.mark.parametrize("size", [(16, 16), (10, 40), (33, 47)])
def test_every_pixel_of_any_image_is_covered(size: tuple[int, int]) -> None:
    maps = heat_maps(Brightest(), torch.ones(1, *size), patch=16, stride=10)

    assert maps.shape == (2, *size)
    assert maps[1].min() > 0.999


def test_an_exam_of_images_gets_its_heat_maps_on_the_way() -> None:
    torch.manual_seed(0)
    classifier = PatchClassifier(growth=2, blocks=(1, 1, 1, 1), stem=4)
    inner = DmvCnn(heatmaps=True, width=2)
    network = HeatMappedDmvCnn(classifier=classifier, network=inner, patch=32, stride=20).eval()
    exam = {name: torch.rand(1, 1, 70, 64) for name in ("L-CC", "R-CC", "L-MLO", "R-MLO")}
    mapped = {
        name: torch.cat([view[0], heat_maps(classifier, view[0], patch=32, stride=20)])[None]
        for name, view in exam.items()
    }

    with torch.no_grad():
        assert torch.allclose(network(exam)["scores"], inner(mapped)["scores"])
    pairs = {name: torch.cat([view, view + 1]) for name, view in exam.items()}
    assert network.train()(pairs)["cc_logits"].requires_grad and not classifier.training


def test_the_classifier_takes_imagenets_weights_under_their_old_names() -> None:
    torch.manual_seed(0)
    network = PatchClassifier(growth=2, blocks=(1, 1, 1, 1), stem=4)
    donor = PatchClassifier(growth=2, blocks=(1, 1, 1, 1), stem=4, classes=7).body.state_dict()
    published = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): tensor
        for name, tensor in donor.items()
        if not name.endswith("num_batches_tracked")
    }

    network.load_body(published)

    assert isinstance(network, TakesImageNet) and network.architecture == "densenet121"
    given = network.body.state_dict()
    assert all(torch.equal(given[name], donor[name]) for name in donor if name.startswith("features."))
    with pytest.raises(KeyError):
        network.load_body({})
