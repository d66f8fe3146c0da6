"""The networks for mammograms have the published sizes and give what their docstrings say."""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from dicomnode.networks import BiRadsCnn, DmvCnn, FullResolutionResNet, Gmic
from dicomnode.networks.dmv import Variant
from dicomnode.networks.multiple_instance import logits_of, top_share
from dicomnode.networks.pretraining import TakesImageNet
from dicomnode.networks.resnet import ResNetBody
from dicomnode.networks.resnet22 import ResNet22


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def small_gmic() -> Gmic:
    torch.manual_seed(0)
    return Gmic(width=2, local_width=4, patch=32)


def views(channels: int = 1, images: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = {"L-CC": (96, 70), "R-CC": (96, 70), "L-MLO": (110, 64), "R-MLO": (110, 64)}
    return {name: torch.randn(images, channels, *size, generator=generator) for name, size in sizes.items()}


@pytest.mark.parametrize(
    ("local", "size"), [("resnet18", 14_110_322), ("resnet34", 24_218_482), ("resnet50", 26_841_202)]
)
def test_gmic_has_the_released_size(local: str, size: int) -> None:
    with torch.device("meta"):
        network = Gmic(local=local)  # type: ignore[arg-type]

    assert count(network) == size


@pytest.mark.parametrize(("heatmaps", "size"), [(False, 6_132_592), (True, 6_135_728)])
def test_the_view_wise_network_has_the_released_size(heatmaps: bool, size: int) -> None:
    with torch.device("meta"):
        network = DmvCnn(heatmaps=heatmaps)

    assert count(network) == size


@pytest.mark.parametrize(("head", "trained"), [("fc", 21_285_698), ("conv1x1", 21_285_696)])
def test_the_baselines_have_the_published_size(head: str, trained: int) -> None:
    with torch.device("meta"):
        network = FullResolutionResNet(head=head)  # type: ignore[arg-type]

    assert count(network) == trained
    running = sum(buffer.numel() for buffer in network.buffers() if buffer.ndim)
    assert round((trained + running) / 1e6, 2) == 21.30


def test_the_columns_features_are_as_small_as_published() -> None:
    network = ResNet22(width=1, padding=3).eval()

    with torch.no_grad():
        assert network(torch.zeros(1, 1, 2944, 1920)).shape == (1, 16, 46, 30)
    assert ResNet22().channels == 256


def test_gmic_answers_at_the_published_size() -> None:
    network = Gmic(width=1, local_width=1).eval()

    with torch.no_grad():
        answer = network(torch.rand(1, 1, 2944, 1920, generator=torch.Generator().manual_seed(0)))

    assert set(answer) == {"scores", "saliency", "patches", "attention"}
    assert answer["saliency"].shape == (1, 2, 46, 30)
    assert (answer["patches"] % 64 == 0).all()
    assert (answer["patches"][0, :, 2:] - answer["patches"][0, :, :2] == 256).all()


@pytest.mark.parametrize("size", [(200, 150), (97, 131), (20, 24)])
def test_gmic_takes_images_of_any_size(size: tuple[int, int]) -> None:
    with torch.no_grad():
        answer = small_gmic().eval()(torch.rand(2, 1, *size))

    assert answer["scores"].shape == (2, 2) and ((answer["scores"] > 0) & (answer["scores"] < 1)).all()
    assert answer["patches"].shape == (2, 6, 4)
    assert torch.allclose(answer["attention"].sum(dim=1), torch.ones(2))


def test_gmic_looks_where_its_saliency_is_planted() -> None:
    network = small_gmic().eval()
    seen = []
    network.local_network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    features = torch.zeros(1, 32, 8, 10)
    features[0, :, 3, 6] = 5.0
    network.global_network.forward = lambda images: features  # type: ignore[method-assign]
    network.saliency.weight.data.fill_(1.0)
    image = torch.rand(1, 1, 256, 320)

    with torch.no_grad():
        answer = network(image)

    assert answer["patches"][0, 0].tolist() == [192, 96, 224, 128]
    assert torch.equal(seen[0][0], image[0, :, 96:128, 192:224])


def test_gmics_three_heads_train_every_parameter() -> None:
    network = small_gmic().train()

    answer = network(torch.rand(2, 1, 200, 150))
    heads = [answer[f"{head}_logits"] for head in ("global", "local", "fusion")]
    targets = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    losses = [nn.functional.binary_cross_entropy_with_logits(logits, targets) for logits in heads]
    (sum(losses) + answer["saliency"].mean()).backward()

    assert [logits.shape for logits in heads] == [(2, 2)] * 3
    assert torch.allclose(answer["fusion_logits"].sigmoid(), answer["scores"])
    missing = [
        name for name, value in network.named_parameters() if value.grad is None or not value.grad.isfinite().all()
    ]
    assert missing == []


def test_the_same_images_get_the_same_answer() -> None:
    images = torch.rand(2, 1, 128, 96, generator=torch.Generator().manual_seed(2))

    with torch.no_grad():
        first, second = small_gmic().eval()(images), small_gmic().eval()(images)

    assert all(torch.equal(first[name], second[name]) for name in first)


def test_top_share_is_the_mean_of_the_highest_places() -> None:
    maps = torch.arange(200.0).reshape(1, 2, 10, 10)

    assert top_share(maps, 0.03).tolist() == [[98.0, 198.0]]
    assert top_share(maps, 0.0001).tolist() == [[99.0, 199.0]]


def test_logits_of_certain_probabilities_are_finite() -> None:
    logits = logits_of(torch.tensor([0.0, 0.25, 1.0]))

    assert logits.isfinite().all() and logits[1].sigmoid() == pytest.approx(0.25)


@pytest.mark.parametrize("variant", ["view", "image", "breast", "joint"])
@pytest.mark.parametrize("heatmaps", [False, True])
def test_an_exam_gets_scores_for_both_sides(variant: Variant, heatmaps: bool) -> None:
    network = DmvCnn(variant=variant, heatmaps=heatmaps, width=2).train()

    answer = network(views(channels=3 if heatmaps else 1))
    logits = [value for name, value in answer.items() if name.endswith("_logits")]
    sum(value.square().sum() for value in logits).backward()

    assert answer["scores"].shape == (2, 2, 2) and {value.shape for value in logits} == {answer["scores"].shape}
    assert torch.allclose(answer["scores"], sum(value.sigmoid() for value in logits) / len(logits))
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(("variant", "side"), [("image", "L"), ("image", "R"), ("breast", "L"), ("breast", "R")])
def test_a_side_is_judged_by_its_own_views(variant: Variant, side: str) -> None:
    torch.manual_seed(0)
    network, exam = DmvCnn(variant=variant, width=2).eval(), views()
    changed = {name: view * 3 + 1 if name.startswith(side) else view for name, view in exam.items()}

    with torch.no_grad():
        before, after = network(exam)["scores"], network(changed)["scores"]

    own, other = (0, 1) if side == "L" else (1, 0)
    assert not torch.allclose(before[:, own], after[:, own])
    assert torch.equal(before[:, other], after[:, other])


def test_an_exam_is_answered_the_same_way_each_time_outside_training() -> None:
    network = DmvCnn(width=2).eval()

    with torch.no_grad():
        first, second = network(views()), network(views())

    assert set(first) == {"scores"} and torch.equal(first["scores"], second["scores"])


def test_a_missing_view_is_named() -> None:
    exam = views()
    del exam["R-MLO"]

    with pytest.raises(ValueError, match="exam without R-MLO"):
        DmvCnn(width=2)(exam)


def changed(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_columns_trained_on_birads_go_on_in_the_exam_network() -> None:
    donor = BiRadsCnn(width=2).train()
    answer = donor(views())
    assert answer["birads_logits"].shape == (2, 3) and torch.allclose(answer["scores"].sum(dim=1), torch.ones(2))

    network = DmvCnn(heatmaps=True, width=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_columns(donor.state_dict())
    after = network.state_dict()

    assert all(name.startswith("columns.") for name in changed(before, after))
    stem = "columns.cc.stem.weight"
    assert torch.equal(after[stem][:, :1], donor.state_dict()[stem])
    assert torch.equal(after[stem][:, 1:], before[stem][:, 1:])


@pytest.mark.parametrize("head", ["fc", "conv1x1"])
def test_a_baseline_scores_each_class(head: str) -> None:
    network = FullResolutionResNet(architecture="resnet18", head=head, width=4)  # type: ignore[arg-type]

    answer = network.train()(torch.rand(2, 1, 128, 96))

    assert answer["scores"].shape == answer["image_logits"].shape == (2, 2)
    assert ("saliency" in answer) == (head == "conv1x1")


def test_a_body_takes_torchvisions_weights_and_features() -> None:
    donor = resnet18(weights=None).eval()
    donor.fc = nn.Identity()
    body = ResNetBody("resnet18").eval()
    body.load_body(donor.state_dict())
    image = torch.rand(1, 1, 64, 64)

    with torch.no_grad():
        assert torch.allclose(body(image).mean(dim=(2, 3)), donor(image.expand(-1, 3, -1, -1)), atol=1e-5)


@pytest.mark.parametrize(
    "build", [lambda: Gmic(width=2), lambda: FullResolutionResNet(architecture="resnet18", head="fc")]
)
def test_the_body_starts_from_imagenet(build: Callable[[], Gmic | FullResolutionResNet]) -> None:
    network = build()
    donor = resnet18(weights=None).state_dict()

    network.load_body(donor)

    assert isinstance(network, TakesImageNet) and network.architecture == "resnet18"
    body = network.local_network if isinstance(network, Gmic) else network.body
    assert torch.equal(body.conv1.weight, donor["conv1.weight"])
    with pytest.raises(KeyError):
        network.load_body({})
