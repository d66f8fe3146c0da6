"""Published weights come under our names and answer as they did under their own."""

import json
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser
from safetensors import safe_open
from safetensors.torch import load_file
from torchvision.models import densenet121

from dicomnode.cli.main import main
from dicomnode.cli.models import _RELEASES
from dicomnode.errors import RecipeError, UsageError
from dicomnode.learning.engine.pretrained import load_start
from dicomnode.learning.weights import RELEASES, import_weights
from dicomnode.networks import DmvCnn, Gmic, HeatMappedDmvCnn, PatchClassifier
from dicomnode.networks.patches import cut_patches
from tests.released_networks import Tensors, dmv_scores, gmic_answer, released_dmv, released_gmic


@pytest.fixture(scope="module")
def gmic_tensors() -> Tensors:
    return released_gmic()


def hollow(tensors: Tensors) -> Tensors:
    """The same names and shapes at almost no bytes."""
    return {name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in tensors.items()}


def _dense_tensors() -> Tensors:
    with torch.device("meta"):
        return densenet121(weights=None, num_classes=4).state_dict()


def saved(folder: Path, content: object) -> Path:
    path = folder / "released.p"
    torch.save(content, path)
    return path


def test_the_generated_gmic_is_as_large_as_the_released_one(gmic_tensors: Tensors) -> None:
    """The paper's table counts running means and variances and the convolution that nothing reads."""
    values = {name: tensor for name, tensor in gmic_tensors.items() if not name.endswith("num_batches_tracked")}

    assert round(sum(tensor.numel() for tensor in values.values()) / 1e6, 2) == 15.17
    assert len(gmic_tensors) == 259


def test_imported_gmic_answers_as_published(gmic_tensors: Tensors, tmp_path: Path) -> None:
    imported = import_weights(saved(tmp_path, gmic_tensors), "gmic_resnet18", tmp_path / "ours.safetensors")
    network = Gmic(patches=2).eval()
    network.load_state_dict(load_file(imported.file))
    image = torch.randn(1, 1, 320, 320, generator=torch.Generator().manual_seed(3))

    with torch.no_grad():
        ours = network(image)
        patches = cut_patches(image, ours["patches"].long(), 256)[0]
        theirs = gmic_answer(gmic_tensors, image, patches)
        local = network.local_head(ours["attention"] @ network.local_network(patches).mean(dim=(2, 3)))

    assert imported.parameters == 14_110_322
    assert imported.left_out == ("shared_rep_filter.weight",)
    assert torch.allclose(local, theirs["local"], atol=1e-4)
    for name in ("saliency", "attention", "scores"):
        assert torch.allclose(ours[name], theirs[name], atol=1e-4), name


@pytest.mark.parametrize("heatmaps", [False, True])
@pytest.mark.parametrize("image_wise", [False, True])
def test_imported_exam_network_answers_as_published(heatmaps: bool, image_wise: bool, tmp_path: Path) -> None:
    name = "dmv_cnn" + ("_image" if image_wise else "") + ("_heatmaps" if heatmaps else "")
    tensors = released_dmv(heatmaps=heatmaps, image_wise=image_wise)
    imported = import_weights(saved(tmp_path, {"model": tensors}), name, tmp_path / "ours.safetensors")
    network = DmvCnn(variant="image" if image_wise else "view", heatmaps=heatmaps).eval()
    network.load_state_dict(load_file(imported.file))
    generator = torch.Generator().manual_seed(3)
    exam = {
        view: torch.randn(1, 3 if heatmaps else 1, 110, 96, generator=generator)
        for view in ("L-CC", "R-CC", "L-MLO", "R-MLO")
    }

    with torch.no_grad():
        ours, theirs = network(exam)["scores"][0], dmv_scores(tensors, exam, image_wise=image_wise)

    assert torch.allclose(ours, theirs, atol=1e-5)
    assert theirs.std() > 0.01  # the four answers differ, so that their order is proved


def test_the_patch_classifier_takes_old_and_new_names_of_its_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = densenet121(weights=None, num_classes=4).state_dict()
    old = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): value
        for name, value in tensors.items()
        if not name.endswith("num_batches_tracked")
    }
    imported = import_weights(saved(tmp_path, old), "dmv_patch_classifier", tmp_path / "ours.safetensors")
    network = PatchClassifier()
    network.load_state_dict(load_file(imported.file))

    given = network.body.state_dict()
    assert all(torch.equal(given[name], tensors[name]) for name in tensors if not name.endswith("_tracked"))


def test_a_network_with_its_patch_classifier_draws_its_heat_maps_itself(tmp_path: Path) -> None:
    (tmp_path / "patches").mkdir()
    patches = saved(tmp_path / "patches", hollow(_dense_tensors()))
    file = saved(tmp_path, {"model": hollow(released_dmv(heatmaps=True))})
    imported = import_weights(file, "dmv_cnn_heatmaps", tmp_path / "ours.safetensors", patches)

    with torch.device("meta"):
        network = HeatMappedDmvCnn(classifier=PatchClassifier(), network=DmvCnn(heatmaps=True))
        built = ConfigParser({"net": dict(imported.component)}).get_parsed_content("net")
    network.load_state_dict(load_file(imported.file), assign=True)

    assert imported.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert list(built.state_dict()) == list(network.state_dict())
    with pytest.raises(UsageError, match="dmv_cnn looks at no heat maps"):
        import_weights(file, "dmv_cnn", tmp_path / "other.safetensors", patches)


def test_the_file_says_where_it_comes_from(gmic_tensors: Tensors, tmp_path: Path) -> None:
    imported = import_weights(saved(tmp_path, hollow(gmic_tensors)), "gmic_resnet18", tmp_path / "ours.safetensors")

    with safe_open(imported.file, framework="pt") as file:
        assert file.metadata()["license"] == "AGPL-3.0-or-later"
        assert "nyukat/GMIC" in file.metadata()["source"]


def test_imported_weights_start_a_training(gmic_tensors: Tensors, tmp_path: Path) -> None:
    imported = import_weights(saved(tmp_path, gmic_tensors), "gmic_resnet18", tmp_path / "ours.safetensors")
    network = Gmic()

    load_start(network, imported.file)

    assert torch.equal(network.fusion.weight, gmic_tensors["fusion_dnn.weight"])
    with pytest.raises(RecipeError, match=r"ours\.safetensors"):
        load_start(Gmic(width=4), imported.file)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fusion_dnn.weight": None}, "lacks fusion_dnn.weight;"),
        ({"fusion_dnn.more": torch.zeros(1)}, "has fusion_dnn.more besides"),
        ({"fusion_dnn.bias": torch.zeros(3)}, r"fusion_dnn.bias has shape \(3,\), not \(2,\)"),
        ({"shared_rep_filter.weight": torch.zeros(2)}, "has shared_rep_filter.weight besides"),
    ],
)
def test_another_networks_file_is_refused(
    change: dict[str, torch.Tensor | None], said: str, gmic_tensors: Tensors, tmp_path: Path
) -> None:
    changed = {name: value for name, value in {**hollow(gmic_tensors), **change}.items() if value is not None}

    with pytest.raises(UsageError, match=said):
        import_weights(saved(tmp_path, changed), "gmic_resnet18", tmp_path / "ours.safetensors")
    assert not (tmp_path / "ours.safetensors").exists()


def test_a_file_of_another_release_lists_a_few_of_what_it_lacks(gmic_tensors: Tensors, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"released\.p as dmv_cnn: lacks four_view_resnet.* and \d+ more"):
        import_weights(saved(tmp_path, hollow(gmic_tensors)), "dmv_cnn", tmp_path / "ours.safetensors")


def test_sides_that_do_not_share_their_column_are_refused(tmp_path: Path) -> None:
    tensors = released_dmv()
    tensors["four_view_resnet.r_cc.first_conv.weight"] = torch.zeros(16, 1, 7, 7)

    with pytest.raises(UsageError, match=r"r_cc\.first_conv\.weight is no copy"):
        import_weights(saved(tmp_path, {"model": tensors}), "dmv_cnn", tmp_path / "ours.safetensors")


@pytest.mark.parametrize("content", [b"not a pickle", b""])
def test_what_is_no_torch_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "released.p"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=r"released\.p: holds no readable PyTorch tensors"):
        import_weights(path, "gmic_resnet18", tmp_path / "ours.safetensors")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("run",)

    with pytest.raises(UsageError, match="holds no readable PyTorch tensors"):
        import_weights(saved(tmp_path, {"model": Trap()}), "dmv_cnn", tmp_path / "ours.safetensors")


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "ours.safetensors"
    out.write_bytes(b"mine")

    with pytest.raises(UsageError, match="is there already"):
        import_weights(tmp_path / "released.p", "gmic_resnet18", out)
    with pytest.raises(UsageError, match=r"end in \.safetensors"):
        import_weights(tmp_path / "released.p", "gmic_resnet18", tmp_path / "ours.pt")


def test_the_command_says_whose_weights_they_are(
    gmic_tensors: Tensors, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["models", "import", str(saved(tmp_path, hollow(gmic_tensors))), "--as", "gmic_resnet18", "--out"]

    assert main([*words, str(tmp_path / "one.safetensors")]) == 0
    said = capsys.readouterr().out
    assert "14110322 parameters" in said and "licence: AGPL-3.0-or-later" in said
    assert main([*words, str(tmp_path / "two.safetensors"), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["network"] == {"_target_": "dicomnode.networks.Gmic", "local": "resnet18"}
    assert main(["models", "import", "x.p", "--as", "other", "--out", "y.safetensors"]) == 2
    assert "--as other" in capsys.readouterr().err


def test_the_command_knows_every_release() -> None:
    assert tuple(RELEASES) == _RELEASES
