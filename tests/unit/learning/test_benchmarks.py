"""What networks cost, ours beside the published figures."""

import json
from concurrent.futures.process import BrokenProcessPool

import pytest
import torch
from torch import nn

from dicomnode.cli import bench
from dicomnode.cli.main import main
from dicomnode.errors import TrainingError
from dicomnode.learning.benchmarks import (
    CANDIDATES,
    PUBLISHED,
    PUBLISHED_SIZE,
    Conditions,
    Measurement,
    Spread,
    default_conditions,
    measure_all,
)
from dicomnode.learning.benchmarks.candidates import inputs_of, loss_of
from dicomnode.learning.benchmarks.measuring import _counts, multiply_adds

SMALL = Conditions(device="cpu", size=(192, 192), images=1, repeats=2, threads=1)


@pytest.mark.parametrize("name", ["gmic_resnet18", "gmic_resnet50", "dmv_cnn", "resnet34_fc"])
def test_operations_are_those_of_the_paper(name: str) -> None:
    published = PUBLISHED[name].multiply_adds_billions

    assert multiply_adds(CANDIDATES[name], PUBLISHED_SIZE) == pytest.approx(published, rel=0.1)


def test_every_network_of_the_table_is_measured() -> None:
    assert list(CANDIDATES) == list(PUBLISHED)


def test_parameters_are_those_of_the_paper_if_counted_like_it() -> None:
    with torch.device("meta"):
        counted = {name: _counts(candidate.build(PUBLISHED_SIZE)) for name, candidate in CANDIDATES.items()}
    del counted["faster_rcnn"]  # theirs has another body

    for name, (parameters, as_published) in counted.items():
        assert round(as_published / 1e6, 2) == pytest.approx(PUBLISHED[name].parameters_millions, abs=0.011), name
        assert parameters < as_published


class Finder(nn.Module):
    """Loses the width of the only box of each image."""

    def forward(self, images: list[torch.Tensor], targets: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        widths = torch.stack([target["boxes"][0, 2] - target["boxes"][0, 0] for target in targets])
        return {"one": widths.sum(), "other": torch.stack([image.sum() * 0 + 1 for image in images]).sum()}


def test_a_detector_is_given_images_with_boxes() -> None:
    candidate = CANDIDATES["faster_rcnn"]
    images = inputs_of(candidate, (60, 90), 2, torch.device("cpu"))

    assert [image.shape for image in images] == [(1, 60, 90)] * 2
    assert loss_of(candidate, Finder(), images) == pytest.approx(2 * 30 + 2)
    assert multiply_adds(candidate, PUBLISHED_SIZE) is None


def test_a_small_exam_keeps_the_proportions_of_its_views() -> None:
    exam = inputs_of(CANDIDATES["dmv_cnn_heatmaps"], (1472, 960), 1, torch.device("meta"))

    assert exam["L-CC"].shape == (1, 3, 1338, 971) and exam["R-MLO"].shape == (1, 3, 1487, 874)


def test_a_gpu_gets_the_published_exam_and_a_cpu_less() -> None:
    assert default_conditions(torch.device("cuda", 1)).size == PUBLISHED_SIZE
    small = default_conditions(torch.device("cpu"))
    assert (small.size, small.images) == ((736, 480), 1)


def test_the_command_measures_in_a_process_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "networks", "--networks", "dmv_cnn", "--size", "192x192", "--repeats", "1", "--device", "cpu"]

    assert main([*words, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    (row,) = values["networks"]
    assert (row["network"], row["parameters"], row["images"]) == ("dmv_cnn", 6_132_592, 4)
    assert row["published"]["memory_gb"] == 2.4 and row["memory_gb"] > 0.01
    assert 0 < row["forward"]["least"] <= row["forward"]["median"] <= row["forward"]["greatest"]
    assert values["conditions"]["size"] == [192, 192] and "2002.07613" in values["published_source"]


@pytest.mark.parametrize("error", [BrokenProcessPool("killed"), torch.OutOfMemoryError("CUDA out of memory")])
def test_a_network_too_large_for_the_memory_is_named(error: Exception) -> None:
    def measured(name: str, conditions: Conditions) -> Measurement:
        raise error

    with pytest.raises(TrainingError, match=r"bench dmv_cnn: ended early.*192x192; give a smaller --size"):
        list(measure_all(["dmv_cnn"], SMALL, measured))


def test_the_table_says_on_what_it_stands() -> None:
    one = Measurement("gmic_resnet18", 1, 14_110_322, 15_172_498, 0.5, Spread(10, 9, 12), Spread(30, 28, 31), 120.9)
    other = Measurement("faster_rcnn", 1, 41_300_000, 41_400_000, 0.5, Spread(10, 9, 12), Spread(30, 28, 31), None)

    text = "\n".join(bench._lines(SMALL, [one, other]))

    assert "192 x 192 pixels" in text and "not the published size" in text
    assert "14.11" in text and "15.17 (15.17)" in text and "10 (9 to 12)" in text
    assert "~920" in text and "~46" not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--networks", "other"], "--networks other: is none of gmic_resnet18"),
        (["--repeats", "0"], "--repeats 0"),
    ],
)
def test_a_wrong_word_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "networks", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("size", ["2944", "100x3000", "ax b"])
def test_a_wrong_size_is_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "networks", "--size", size])
    assert "--size" in capsys.readouterr().err
