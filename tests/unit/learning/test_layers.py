"""A recipe's keys come from its parent, its variants and the command line, in this order."""

from pathlib import Path

import pytest

from dicomnode.errors import RecipeError
from dicomnode.learning.recipes.layers import read_layers

PARENT = """
published: {result: The parent's.}
network: {_target_: a.A, width: 3}
training: {epochs: 1, rate: 0.1}
variants: {long: {training.epochs: 9}, smoke: {network.width: 1}}
"""


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    (tmp_path / "parent.yaml").write_text(PARENT)
    return tmp_path


def child(folder: Path, text: str) -> Path:
    path = folder / "child.yaml"
    path.write_text(f"extends: parent.yaml\n{text}")
    return path


def test_sections_are_merged_and_components_are_replaced(recipes: Path) -> None:
    content = read_layers(child(recipes, "network: {_target_: b.B}\ntraining: {epochs: 2}"))

    assert content["network"] == {"_target_": "b.B"}
    assert content["training"] == {"epochs": 2, "rate": 0.1}


def test_a_published_result_is_not_inherited(recipes: Path) -> None:
    assert "published" not in read_layers(child(recipes, "{}"[:0]))


def test_a_variant_replaces_the_parents_of_the_same_name(recipes: Path) -> None:
    content = read_layers(child(recipes, "variants: {smoke: {training.rate: 1}}"), ("smoke=true",))

    assert content["network"]["width"] == 3
    assert content["training"] == {"epochs": 1, "rate": 1}
    assert content["variant"] == ["smoke"]


def test_the_command_line_has_the_last_word(recipes: Path) -> None:
    content = read_layers(recipes / "parent.yaml", ("training.epochs=4", "variant=long"))

    assert content["training"]["epochs"] == 4


def test_several_variants_are_applied_in_order(recipes: Path) -> None:
    content = read_layers(recipes / "parent.yaml", ("variant=[long]", "smoke=true"))

    assert (content["training"]["epochs"], content["network"]["width"]) == (9, 1)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("variant=short", "no variant 'short'; it has: long, smoke"),
        ("variant=3", "give a name"),
        ("smoke=1", "write smoke=true"),
        ("training.epochs.first=1", "epochs is not a section"),
        ("training.epochs=[", "not YAML"),
    ],
)
def test_a_wrong_change_is_named(recipes: Path, override: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        read_layers(recipes / "parent.yaml", (override,))


@pytest.mark.parametrize("parent", ["../parent.yaml", "child.yaml", "[a]"])
def test_a_parent_must_be_another_recipe_of_the_folder(recipes: Path, parent: str) -> None:
    path = recipes / "child.yaml"
    path.write_text(f"extends: {parent}\nname: child")
    with pytest.raises(RecipeError, match="extends: name one recipe"):
        read_layers(path)
