"""What the published studies ask of the engine: optimisers, L1, frozen parts, ImageNet weights, balanced drawing."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dicomnode.cli.main import main
from dicomnode.errors import RecipeError
from dicomnode.learning.data.augmentation import augment
from dicomnode.learning.data.pictures import build_transform
from dicomnode.learning.data.sources import load_samples, of_split
from dicomnode.learning.data.store import ImageStore, balanced, open_images
from dicomnode.learning.engine.classification import Classification, macro_auc, weights_l1
from dicomnode.learning.engine.freezing import to_training, train_only
from dicomnode.learning.engine.optimisation import make_optimizer, make_schedule
from dicomnode.learning.engine.pretrained import load_imagenet
from dicomnode.learning.recipes.augmentation import AugmentationSection
from dicomnode.learning.recipes.hyperparameters import TrainingSection
from dicomnode.learning.recipes.recipe import DataSection, load_recipe
from dicomnode.networks import ImageNetClassifier

WriteRecipe = Callable[..., Path]


def training(**changes: Any) -> TrainingSection:
    values = {"epochs": 2, "batch_size": 4, "learning_rate": 0.1, "monitor": "accuracy", **changes}
    return TrainingSection.model_validate(values)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0}, torch.optim.SGD),
        ({"optimizer": "adam", "weight_decay": 0.003}, torch.optim.Adam),
        ({}, torch.optim.AdamW),
    ],
)
def test_the_recipe_names_the_optimizer(changes: dict[str, Any], kind: type) -> None:
    optimizer = make_optimizer(nn.Linear(2, 2), training(**changes))

    assert type(optimizer) is kind
    group = optimizer.param_groups[0]
    assert group["lr"] == 0.1 and group["weight_decay"] == changes.get("weight_decay", 0.01)
    assert group.get("momentum") == changes.get("momentum")


def test_momentum_needs_sgd() -> None:
    with pytest.raises(ValueError, match="momentum belongs to optimizer sgd"):
        training(momentum=0.9)


def test_a_constant_schedule_without_warm_up_never_changes() -> None:
    section = training(schedule="constant", warmup_epochs=0)
    optimizer = make_optimizer(nn.Linear(2, 2), section)
    schedule = make_schedule(optimizer, section, 3)

    rates = []
    for _ in range(6):
        rates += schedule.get_last_lr()[:1]
        optimizer.step()
        schedule.step()

    assert rates == [0.1] * 6


def test_l1_counts_trained_weights_and_no_biases() -> None:
    model = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
    for parameter in model.parameters():
        nn.init.constant_(parameter, -2.0)
    model[1].weight.requires_grad_(False)

    assert weights_l1(model).item() == 4


def test_l1_is_part_of_the_loss(write_recipe: WriteRecipe) -> None:
    empty = ImageStore((), torch.zeros(0, 1, 2, 2), torch.zeros(0, 4, 4))
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    batch = (torch.rand(2, 1, 2, 2), torch.tensor([0, 1]))
    plain, penalised = (
        Classification(load_recipe(write_recipe(training={"l1": weight})), empty, empty).loss(model, batch)
        for weight in (0.0, 0.5)
    )

    assert (penalised - plain).item() == pytest.approx(0.5 * weights_l1(model).item(), rel=1e-5)


def test_only_the_named_part_is_trained_and_the_rest_keeps_its_statistics() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2), nn.BatchNorm1d(2))
    train_only(model, ("2.", "3."))
    to_training(model)

    model(torch.rand(4, 2))

    trained = {name.partition(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"2", "3"}
    assert model[1].num_batches_tracked == 0 and model[3].num_batches_tracked == 1


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(RecipeError, match=r"train_only: no parameter begins with 'fc'; one is bias"):
        train_only(nn.Linear(2, 2), ("fc",))


def test_a_balanced_epoch_draws_the_rarer_class_as_often() -> None:
    labels = torch.tensor([0] * 900 + [1] * 100)

    drawn = torch.cat(list(balanced(labels, 8, torch.Generator().manual_seed(0))))

    assert len(drawn) == 1000
    assert 0.45 < labels[drawn].double().mean() < 0.55


def test_an_upside_down_flip_turns_rows() -> None:
    images = torch.arange(6.0).reshape(1, 1, 3, 2) / 10
    section = AugmentationSection(flip_vertical=1.0)

    changed, _ = augment(images, section, torch.Generator().manual_seed(0))

    assert torch.allclose(changed, images.flip(2), atol=1e-5)


def test_contrast_keeps_the_mean() -> None:
    images = torch.rand(2, 3, 8, 8) * 0.2 + 0.4

    changed, _ = augment(images, AugmentationSection(contrast=0.5), torch.Generator().manual_seed(1))

    assert torch.allclose(changed.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)), atol=1e-4)
    assert not torch.allclose(changed, images, atol=1e-3)


def test_streamed_images_equal_those_in_memory(write_recipe: WriteRecipe, pictures: Path) -> None:
    recipe = load_recipe(write_recipe())
    transform = build_transform(recipe.preprocessing[1:])  # the percentiles belong to grey values
    section = recipe.data.model_copy(update={"colour": "rgb", "rotations": (90.0,)})
    samples = of_split(load_samples(section, pictures), "valid")

    kept = open_images(section, samples, transform, torch.float32)
    streamed = open_images(section.model_copy(update={"in_memory": False}), samples, transform)

    assert len(samples) == 16 and next(kept.batches(3)).shape == (3, 3, 32, 32)
    assert torch.equal(torch.cat(list(streamed.batches(5))), torch.cat(list(kept.batches(5))))
    chosen = torch.tensor([4, 1])
    assert torch.equal(streamed.images[chosen], kept.images[chosen])


@pytest.fixture(scope="module")
def body() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return ImageNetClassifier(architecture="resnet18", classes=2).body.state_dict()


def network() -> ImageNetClassifier:
    torch.manual_seed(2)
    return ImageNetClassifier(architecture="resnet18", classes=2)


def test_weights_come_from_a_file(tmp_path: Path, body: dict[str, torch.Tensor]) -> None:
    torch.save(body, tmp_path / "resnet18.pth")
    ours = network()

    load_imagenet(ours, tmp_path / "resnet18.pth")

    assert torch.equal(ours.state_dict()["body.conv1.weight"], body["conv1.weight"])


def test_weights_come_from_torchvisions_cache(tmp_path: Path, body: dict[str, torch.Tensor]) -> None:
    (tmp_path / "checkpoints").mkdir()
    torch.save(body, tmp_path / "checkpoints" / "resnet18-f37072fd.pth")
    before, ours = torch.hub.get_dir(), network()
    torch.hub.set_dir(str(tmp_path))
    try:
        load_imagenet(ours)
    finally:
        torch.hub.set_dir(before)

    assert torch.equal(ours.state_dict()["body.conv1.weight"], body["conv1.weight"])


def test_without_weights_the_error_offers_random_ones() -> None:
    def away(published: Any) -> dict[str, torch.Tensor]:
        raise OSError("no route to host")

    with pytest.raises(RecipeError, match=r"resnet18-f37072fd\.pth elsewhere .*init=random"):
        load_imagenet(network(), fetch=away)


@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps(print, protocol=2)])
def test_a_file_without_weights_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(RecipeError, match="holds no readable weights"):
        load_imagenet(network(), tmp_path / "w.pth")


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(RecipeError, match=r"w\.pth: does not hold torchvision's weights of resnet18"):
        load_imagenet(network(), tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("kind", "changes", "complaint"),
    [
        ("classifier", {"init": "imagenet"}, "init imagenet needs the network"),
        ("classifier", {"init_weights": "w.pth"}, "init_weights needs init: imagenet"),
        ("classifier", {"training": {"optimizer": "lion"}}, r"training\.optimizer"),
        ("detector", {"data": {"colour": "rgb"}}, r"data\.colour: rgb needs task classification"),
        ("detector", {"data": {"tiles": {"size": [32, 32]}}}, r"data\.tiles needs task detection and the network"),
    ],
)
def test_what_does_not_go_together_is_refused(
    write_recipe: WriteRecipe, kind: str, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RecipeError, match=complaint):
        load_recipe(write_recipe(kind, **changes))


def test_a_run_keeps_what_is_not_trained(write_recipe: WriteRecipe, pictures: Path, tmp_path: Path) -> None:
    changes = {"epochs": 1, "train_only": ["head"], "optimizer": "sgd", "class_balance": "weighted", "clip_norm": None}
    path, out = write_recipe(training=changes), tmp_path / "out"

    assert main(["train", str(path), "--data", str(pictures), "--out", str(out), "--device", "cpu"]) == 0

    from dicomnode.learning.engine.training import build_network

    start = build_network(load_recipe(path)).state_dict()
    end = torch.load(out / "last.pt", weights_only=True)["model"]
    changed = {name for name in start if not torch.equal(start[name], end[name])}
    assert changed == {"head.weight", "head.bias"}


def test_a_recipe_tells_evaluate_how_the_folder_is_laid_out(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write_recipe(training={"epochs": 1}), tmp_path / "out"
    assert main(["train", str(path), "--data", str(pictures), "--out", str(out), "--device", "cpu"]) == 0
    capsys.readouterr()
    path = write_recipe(data={"rotations": [90, 180], "source": "here", "expected": "labels.csv"})
    command = ["evaluate", str(out / "bundle" / "tiny_classifier"), "--data", str(pictures), "--device", "cpu"]

    assert main([*command, "--recipe", str(path), "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["all"]["images"] == 3 * 8


def test_labels_may_be_mapped_to_classes(pictures: Path) -> None:
    section = DataSection(layout="labels_csv", classes=("yes", "no"), folders={"tumour": "yes", "none": "no"})

    assert {sample.label for sample in load_samples(section, pictures)} == {0, 1}


def test_the_area_under_the_curve_counts_pairs_in_the_right_order_and_ties_half() -> None:
    scores = torch.tensor([0.9, 0.6, 0.6, 0.3, 0.1])
    table, labels = torch.stack([1 - scores, scores], dim=1), torch.tensor([1, 1, 0, 1, 0])

    pairs = [(a > b) + (a == b) / 2 for a in scores[labels == 1] for b in scores[labels == 0]]

    assert macro_auc(table, labels) == pytest.approx(float(sum(pairs) / len(pairs)))
    assert macro_auc(table[:2], labels[:2]) == 0.0
