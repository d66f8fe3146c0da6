"""Heat maps of findings, drawn by a patch classifier before the run that needs them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.bundle import ConfigParser
from torch import nn

from dicomnode.learning.data.exam_store import ExamStore, map_path, prepared, write_maps
from dicomnode.learning.engine.exams import ExamTask
from dicomnode.learning.engine.pretrained import load_start
from dicomnode.learning.recipes.exam import HeatMapSection
from dicomnode.networks.heat_maps import heat_maps

_TOLD_EVERY = 50


def build_classifier(section: HeatMapSection, seed: int) -> nn.Module:
    """The patch classifier with its weights, ready to classify.

    Raises:
        RecipeError: If there are no such weights.
    """
    torch.manual_seed(seed)
    network: nn.Module = ConfigParser({"network_def": dict(section.classifier)}).get_parsed_content("network_def")
    if section.weights is not None:
        load_start(network, section.weights, "exam.heat_maps.weights")
    return network.eval()


def draw_heat_maps(task: ExamTask, device: torch.device, say: Callable[[str], None]) -> None:
    """Draw what heat maps the task's images lack; of several processes, the first does it."""
    section = task.section.heat_maps
    if section is not None and task.ranks.is_first:
        for store in (task.train, task.valid):
            draw_missing(store, section, task.recipe.seed, device, say)
    task.ranks.agreed(None)


def draw_missing(
    store: ExamStore, section: HeatMapSection, seed: int, device: torch.device, say: Callable[[str], None]
) -> None:
    """Draw the heat maps that the store's folder lacks, with the images as the network is shown them.

    Args:
        store: Has a folder of maps.
        section: The patch classifier.
        seed: Its weights' where none are given.
        device: Where to compute.
        say: Told now and then how many are done.
    """
    folder = store.maps
    missing = [] if folder is None else [one for one in store.images if not map_path(folder, one).is_file()]
    if folder is None or not missing:
        return
    classifier = build_classifier(section, seed).to(device)
    for number, image in enumerate(missing, start=1):
        pixels = torch.from_numpy(prepared(image, store.section.size_of(image.position)).pixels).to(device)
        write_maps(folder, image, heat_maps(classifier, pixels, patch=section.patch, stride=section.stride))
        if number % _TOLD_EVERY == 0 or number == len(missing):
            say(f"heat maps drawn: {number} of {len(missing)}")
