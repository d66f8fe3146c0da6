"""Recipes are read strictly, and every mistake is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dicomnode.errors import RecipeError
from dicomnode.learning.packaging import negative_classes
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]


def test_paths_are_relative_to_the_recipe(write_recipe: WriteRecipe) -> None:
    path = write_recipe(data={"valid_list": "splits/valid.csv"})

    recipe = load_recipe(path)

    assert recipe.data.valid_list == path.parent / "splits/valid.csv"
    assert recipe.bundle.license_file == path.parent / "LICENSE"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"training": {"epoch": 3}}, r"training\.epoch: Extra inputs"),
        ({"training": {"epochs": -1}}, r"training\.epochs: .*greater than or equal to 0"),
        ({"task": "segmentation"}, "task: "),
        ({"network": {"_target_": "torch.nn.Linear"}}, r"dicomnode\.networks"),
        ({"network": {"width": "$__import__('os').getpid()"}}, "no '\\$' expression"),
        ({"preprocessing": [{"spatial_size": 32}]}, "must have a _target_"),
        ({"data": {"layout": "zip"}}, r"data\.layout: "),
        ({"name": "No Spaces"}, "name: "),
    ],
)
def test_a_wrong_value_is_named(write_recipe: WriteRecipe, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        load_recipe(write_recipe(**changes))


def test_overrides_change_values(write_recipe: WriteRecipe) -> None:
    recipe = load_recipe(write_recipe(), ("training.epochs=7", "augmentation.scale=[0.9, 1.1]"))

    assert recipe.training.epochs == 7
    assert recipe.augmentation.scale == (0.9, 1.1)


@pytest.mark.parametrize("override", ["training.epochs", "name.first=1", "training.epochz=2", "=3"])
def test_a_wrong_override_is_refused(write_recipe: WriteRecipe, override: str) -> None:
    with pytest.raises(RecipeError):
        load_recipe(write_recipe(), (override,))


@pytest.mark.parametrize(("text", "complaint"), [("a: [", "is not YAML"), ("3", "holds no keys")])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=complaint):
        load_recipe(path)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.yaml: cannot be read"):
        load_recipe(tmp_path / "none.yaml")


def test_several_classes_may_mean_no_finding(write_recipe: WriteRecipe) -> None:
    recipe = load_recipe(write_recipe())
    classes = [{"is_finding": False}, {"is_finding": True}, {"is_finding": False}]
    recipe = recipe.model_copy(
        update={
            "data": recipe.data.model_copy(update={"classes": ("old", "young", "broken")}),
            "bundle": recipe.bundle.model_copy(update={"dicomnode": {"classes": classes}}),
        }
    )
    assert negative_classes(recipe) == (0, 2)


@pytest.mark.parametrize("mark", [True, False])
def test_classes_of_one_kind_give_no_operating_point(write_recipe: WriteRecipe, mark: bool) -> None:
    recipe = load_recipe(write_recipe())
    bundle = recipe.bundle.model_copy(update={"dicomnode": {"classes": [{"is_finding": mark}] * 2}})
    with pytest.raises(RecipeError, match="some with is_finding: true"):
        negative_classes(recipe.model_copy(update={"bundle": bundle}))
