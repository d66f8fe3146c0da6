"""The engine on exams: what is drawn, how heads are judged, what a breast's score is, how parts of other runs begin."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from dicomnode.errors import RecipeError
from dicomnode.learning.data.exam_augmentation import augment_views
from dicomnode.learning.data.exam_store import ExamStore, map_path, open_exams
from dicomnode.learning.data.generated_exams import generate_exams
from dicomnode.learning.data.sources import load_samples, of_split, unlisted_files
from dicomnode.learning.engine.exam_losses import category_loss, exam_loss, image_loss
from dicomnode.learning.engine.exams import ExamTask, predict_rows
from dicomnode.learning.engine.heat_maps import build_classifier, draw_missing
from dicomnode.learning.engine.pretrained import load_parts
from dicomnode.learning.recipes.augmentation import AugmentationSection
from dicomnode.learning.recipes.exam import ExamSection, PartSection
from dicomnode.learning.recipes.recipe import Recipe, load_recipe
from dicomnode.networks import BiRadsCnn, DmvCnn

TRAINING = Path(__file__).parents[3] / "training"
CPU = torch.device("cpu")


def smoke(name: str, *overrides: str) -> Recipe:
    return load_recipe(TRAINING / f"{name}.yaml", ("smoke=true", *overrides))


def section_of(recipe: Recipe) -> ExamSection:
    assert recipe.exam is not None
    return recipe.exam


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_exams(smoke("gmic_resnet18"), tmp_path_factory.mktemp("exams"))


def store(recipe: Recipe, folder: Path, split: str = "train") -> ExamStore:
    return open_exams(recipe.data, section_of(recipe), of_split(load_samples(recipe.data, folder), split), folder)


def task(recipe: Recipe, folder: Path) -> ExamTask:
    return ExamTask(recipe, section_of(recipe), store(recipe, folder), store(recipe, folder, "valid"))


class Brightest(nn.Module):
    """Scores an image by its highest pixel, which is a malignant mass if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        highest = self.scale * images.amax(dim=(1, 2, 3)).sigmoid()
        return {"scores": torch.stack([1 - highest, highest], dim=1)}


def test_generated_exams_leave_no_file_out(exams: Path) -> None:
    recipe = smoke("dmv_cnn")

    assert unlisted_files(recipe.data, exams, load_samples(recipe.data, exams)) == ()


def test_a_batch_of_images_is_prepared_and_standardised(exams: Path) -> None:
    images, truths = next(task(smoke("gmic_resnet18"), exams).batches(torch.Generator().manual_seed(0), CPU))

    assert isinstance(images, torch.Tensor) and images.shape == (4, 1, 128, 96) and truths.shape == (4, 2)
    assert images.mean().abs() < 0.3


def test_a_batch_of_exams_holds_four_views_in_parts(exams: Path) -> None:
    recipe = smoke("dmv_cnn", "training.accumulate=2")
    batches = list(task(recipe, exams).batches(torch.Generator().manual_seed(0), CPU))

    views, truths = batches[0]
    assert len(batches) == 4 and isinstance(views, dict)
    assert {name: tuple(view.shape) for name, view in views.items()} == {
        "L-CC": (2, 1, 96, 72),
        "R-CC": (2, 1, 96, 72),
        "L-MLO": (2, 1, 104, 64),
        "R-MLO": (2, 1, 104, 64),
    }
    assert truths.shape == (2, 2, 2)


def test_a_balanced_epoch_holds_every_finding_and_as_many_others(exams: Path) -> None:
    """Of 32 images, 12 are of breasts with a finding."""
    balanced = task(smoke("gmic_resnet18", "exam.balanced=true", "training.batch_size=6"), exams)

    truths = torch.cat([truths for _, truths in balanced.batches(torch.Generator().manual_seed(0), CPU)])

    assert balanced.steps_per_epoch == 4
    assert truths.any(dim=1).sum() == 12 and len(truths) == 24


def test_a_breast_is_the_mean_of_its_views(exams: Path) -> None:
    recipe = smoke("gmic_resnet18")
    rows = predict_rows(Brightest(), store(recipe, exams, "valid"), batch=3)

    assert rows.scores.shape == (8, 2) and rows.sides == ("L", "R") * 4
    malignant = rows.truths[:, 1]
    assert rows.scores[malignant, 1].min() > rows.scores[~malignant, 1].max()
    assert task(recipe, exams).validate(Brightest(), None)["auc_malignant"] == 1.0


def test_a_split_without_a_whole_exam_is_told(exams: Path) -> None:
    recipe = smoke("dmv_cnn")
    images = store(recipe, exams)

    with pytest.raises(RecipeError, match="no exam with all four standard views"):
        predict_rows(DmvCnn(width=2), replace(images, images=(), exams=()))


def test_every_head_of_an_image_network_and_its_saliency_is_judged() -> None:
    logits, truths = torch.tensor([[0.0, 2.0], [1.0, -1.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    answer = {
        "scores": logits,
        "global_logits": logits,
        "local_logits": -logits,
        "saliency": torch.full((2, 2, 3, 3), 0.5),
    }

    loss = image_loss(answer, truths, 0.01)

    heads = sum(
        functional.binary_cross_entropy_with_logits(one, truths, reduction="sum") / 2 for one in (logits, -logits)
    )
    assert loss.item() == pytest.approx(float(heads) + 0.01 * 9.0)


def test_heads_of_an_exam_network_are_averaged() -> None:
    logits, truths = torch.randn(3, 2, 2), torch.randint(0, 2, (3, 2, 2)).float()
    expected = functional.binary_cross_entropy_with_logits(logits, truths)

    assert exam_loss({"cc_logits": logits, "mlo_logits": logits}, truths).item() == pytest.approx(expected.item())


def test_categories_are_judged_once_an_exam() -> None:
    logits, truths = torch.randn(2, 3), functional.one_hot(torch.tensor([[2, 2], [0, 0]]), 3).float()
    expected = functional.cross_entropy(logits, torch.tensor([2, 0]))

    assert category_loss({"birads_logits": logits}, truths).item() == pytest.approx(expected.item())


def test_what_turns_in_is_background() -> None:
    images = torch.full((2, 2, 20, 20), -1.5)
    images[:, :, 5:15, 5:15] = 2.0
    section = AugmentationSection(shift=0.5, rotation_degrees=40)

    moved = augment_views(images, section, torch.Generator().manual_seed(0))

    assert moved.min() >= -1.5 - 1e-5 and moved.max() <= 2.0 + 1e-5
    assert not torch.equal(moved, images)


def test_noise_is_of_the_image_not_of_its_heat_maps() -> None:
    images = torch.zeros(1, 3, 8, 8)

    moved = augment_views(images, AugmentationSection(noise=0.5), torch.Generator().manual_seed(1))

    assert moved[:, 0].std() > 0 and not moved[:, 1:].any()


def save(network: nn.Module, path: Path) -> Path:
    torch.save({"epoch": 1, "model": network.state_dict()}, path)
    return path


def test_columns_of_another_run_begin_a_network_and_the_rest_is_told(tmp_path: Path) -> None:
    donor, network = BiRadsCnn(width=2), DmvCnn(width=2, heatmaps=True)
    own = network.columns.cc.stem.weight.clone()
    part = PartSection(weights=save(donor, tmp_path / "best.pt"), source="columns.", target="columns.")

    lines = load_parts(network, {"columns": part})

    stem, given = network.columns.cc.stem.weight, donor.columns.cc.stem.weight
    assert torch.equal(stem[:, :1], given) and torch.equal(stem[:, 1:], own[:, 1:])
    assert "left out there: hidden.weight, hidden.bias, output.weight, output.bias" in lines[0]
    assert lines[1] == "init_parts: drawn at random: heads.cc, heads.mlo"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            {"source": "rows."},
            r"columns: .*best\.pt does not fit the network: 'rows\.\.\.\.' is not in both",
        ),
        ({"source": "columns.", "target": "rows."}, r"'rows\.cc\..*' is not in both"),
        ({"source": "columns.", "target": "columns."}, r"columns\.\S+ has shape"),
    ],
)
def test_parts_that_do_not_fit_are_told(tmp_path: Path, part: dict[str, Any], message: str) -> None:
    weights = save(BiRadsCnn(width=4), tmp_path / "best.pt")

    with pytest.raises(RecipeError, match=message):
        load_parts(DmvCnn(width=2), {"columns": PartSection(weights=weights, **part)})


def test_heat_maps_are_drawn_once(exams: Path) -> None:
    recipe = smoke("dmv_cnn_heatmaps")
    section = section_of(recipe)
    assert section.heat_maps is not None
    images, said = store(recipe, exams, "valid"), list[str]()
    with pytest.raises(RecipeError, match="heat maps are missing"):
        images.read(images.images[:1])

    for _ in range(2):
        draw_missing(images, section.heat_maps, recipe.seed, CPU, said.append)

    assert said == ["heat maps drawn: 16 of 16"]
    channels = images.read(images.images[:1])
    assert channels.shape == (1, 3, 96, 72) and 0 <= channels[:, 1:].min() <= channels[:, 1:].max() <= 1
    assert images.maps is not None and map_path(images.maps, images.images[0]).is_file()


def test_the_patch_classifier_has_the_weights_of_its_run(tmp_path: Path) -> None:
    section = section_of(smoke("dmv_cnn_heatmaps")).heat_maps
    assert section is not None
    donor = build_classifier(section, seed=7)

    kept = build_classifier(section.model_copy(update={"weights": save(donor, tmp_path / "best.pt")}), seed=8)

    assert all(torch.equal(kept.state_dict()[name], value) for name, value in donor.state_dict().items())
    with pytest.raises(RecipeError, match=r"exam\.heat_maps\.weights .*none\.pt: holds no readable weights"):
        build_classifier(section.model_copy(update={"weights": tmp_path / "none.pt"}), seed=8)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("exam.mlo_size=[64, 64]",), "unit image needs the same cc_size and mlo_size"),
        (("data.in_memory=true",), r"task exam needs data\.in_memory: false"),
        (("exam=null",), "task exam needs the section exam and no preprocessing"),
        (("init=checkpoint", "init_weights=a.pt", "init_parts.a.weights=b.pt"), "init_parts needs init: checkpoint"),
    ],
)
def test_a_recipe_for_exams_is_checked(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        smoke("gmic_resnet18", *overrides)


@pytest.fixture(autouse=True)
def _same_draws() -> Iterator[None]:
    torch.manual_seed(0)
    np.random.seed(0)
    yield
