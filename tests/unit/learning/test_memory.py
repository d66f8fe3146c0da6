"""Less memory for the same result: batches in parts, activations computed twice, and what was needed at the peak."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from dicomnode.cli.main import main
from dicomnode.errors import RecipeError
from dicomnode.learning.data.store import parts
from dicomnode.learning.engine.budget import Budget
from dicomnode.learning.engine.memory import keep_no_activations, peak_memory
from dicomnode.learning.engine.precision import fast_type
from dicomnode.learning.engine.ranks import ALONE
from dicomnode.learning.recipes.recipe import load_recipe

WriteRecipe = Callable[..., Path]


def network() -> nn.Module:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sequential(inner, nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    model(images).square().sum().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_activations_computed_anew_change_nothing() -> None:
    plain, sparing = network(), network()
    names = list(sparing.state_dict())
    keep_no_activations(sparing, ("1",))

    expected, found = gradients(plain), gradients(sparing)

    assert list(sparing.state_dict()) == names and found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    statistics = dict(sparing.named_buffers())
    for name, buffer in plain.named_buffers():
        assert name.endswith("num_batches_tracked") or torch.equal(statistics[name], buffer)


def kept_bytes(model: nn.Module) -> int:
    """What a forward pass keeps for the backward pass."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.train()(torch.rand(2, 1, 64, 64))
    return sum(kept.values())


def test_a_pass_keeps_less() -> None:
    plain, sparing = network(), network()
    keep_no_activations(sparing, ("1.",))

    assert kept_bytes(sparing) < 0.6 * kept_bytes(plain)


def test_a_copy_computes_with_its_own_weights() -> None:
    """The moving average of the weights is such a copy."""
    model = network()
    keep_no_activations(model, ("1.",))
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()

    assert not twin.eval()(torch.ones(1, 1, 16, 16)).any()
    assert model.eval()(torch.ones(1, 1, 16, 16)).any()


def test_a_part_that_is_not_there_is_told() -> None:
    with pytest.raises(RecipeError, match=r"no part of the network begins with 'layer9\.'; it has 0, 1, 2, 3"):
        keep_no_activations(network(), ("layer9.",))


def test_a_batch_comes_in_equal_parts() -> None:
    assert [part.tolist() for part in parts([torch.arange(4), torch.arange(4, 8)], 2)] == [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
    ]


def test_a_budget_ends_no_step_halfway() -> None:
    budget = Budget(0, ALONE, clock=lambda: 0.0)

    assert list(budget.limit(range(6), together=3)) == [0, 1, 2]


def test_the_peak_is_known_and_mixed_precision_can_be_left_out() -> None:
    cpu = torch.device("cpu")

    assert peak_memory(cpu) > 10
    assert fast_type(cpu, wanted=False) is None


def test_a_batch_must_divide_into_its_parts(write_recipe: WriteRecipe) -> None:
    with pytest.raises(RecipeError, match="batch_size 8 must be a multiple of accumulate 3"):
        load_recipe(write_recipe(), ("training.accumulate=3",))


def test_a_run_in_parts_ends_with_a_report_that_tells_the_peak(
    write_recipe: WriteRecipe, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(write_recipe()), "--data", str(pictures), "--device", "cpu", "--no-check"]
    sparing = ["--set", "training.accumulate=2", "--set", "training.checkpointing=[stages.]"]

    assert main([*command, "--out", str(tmp_path / "run"), "--set", "training.epochs=1", *sparing]) == 0

    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["history"][0]["images"] == 24
    assert report["run"]["peak_memory_mib"] > 10
    assert "peak memory" in capsys.readouterr().err
