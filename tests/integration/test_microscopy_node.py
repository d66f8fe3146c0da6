"""A slide and a smear by C-STORE to the node with its own bundles: what comes back says all that a reader must know."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from dicomnode.bundles import load_bundle
from tests.integration.test_delivery_node import delivered, send, target
from tests.slides import make_cells, make_slide

pytestmark = pytest.mark.timeout(600)

MODELS = Path(__file__).parents[2] / "models"
HISTOLOGY, BLOOD = "histology_idc_classifier", "blood_cell_classifier"


def _tissue(shape: tuple[int, ...]) -> np.ndarray:
    """Pink with purple grains: coloured enough to be examined, and no two frames alike."""
    random = np.random.default_rng(0)
    grains = random.random(shape[:3])[..., None] < 0.2
    return np.where(grains, (110, 60, 150), (225, 150, 195)).astype(np.uint8)


def _items(dataset: Dataset, meaning: str) -> list[Dataset]:
    found = []
    for item in dataset.get("ContentSequence", []):
        name = item.get("ConceptNameCodeSequence", [Dataset()])[0].get("CodeMeaning")
        found += [item] * (name == meaning) + _items(item, meaning)
    return found


@pytest.fixture
def answers(node_factory, store_scp, tmp_path):
    """Send files of one study to a node where the two bundles are live; gives the objects that came back."""
    scp = store_scp()
    node = node_factory({"targets": [target(scp)]}, models=MODELS, deploy=(HISTOLOGY, BLOOD))

    def ask(path: Path) -> list[Dataset]:
        return [dcmread(BytesIO(scp.received[uid]), force=True) for uid in delivered(node, send(node, [path]))]

    return ask


def _check_answer(answer: Dataset, name: str, source: Dataset, unit: str) -> None:
    bundle = load_bundle(MODELS / name)
    [sent] = _items(answer, "Device Observer Name") or _items(answer, "Device Observer Name ")
    assert sent.TextValue == name
    probability = _items(answer, "Certainty of Finding") + _items(answer, "Probability of cancer")
    assert probability and 0 <= float(probability[0].MeasuredValueSequence[0].NumericValue) <= 100
    parameters = [item.TextValue for item in _items(answer, "Algorithm Parameters")]
    assert f"operating threshold = {bundle.node.operating_point.threshold:g}" in parameters
    images = [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for group in _items(answer, "Measurement Group")
        for item in group.ContentSequence
        if item.ValueType == "IMAGE"
    ]
    assert set(images) == {source.SOPInstanceUID}
    counts = {item.ValueType for item in _items(answer, f"Number of {unit}s examined")}
    assert counts == {"NUM"}


def _of_kind(objects: list[Dataset], what: str) -> Dataset:
    [found] = [item for item in objects if what in item.SeriesDescription]
    return found


def test_a_slide_comes_back_with_counts_of_tiles_and_a_heat_map(answers, tmp_path):
    pixels = _tissue((12, 100, 100, 3))
    path = make_slide(tmp_path, grid=(3, 4), tile=100, spacing=(0.002, 0.002), pixels=pixels)
    objects = answers(path)
    _check_answer(_of_kind(objects, "answer"), HISTOLOGY, dcmread(path), "tile")
    heat_map = _of_kind(objects, "heat map")
    assert (heat_map.Modality, heat_map.SegmentationType) == ("SEG", "FRACTIONAL")
    assert (heat_map.TotalPixelMatrixRows, heat_map.TotalPixelMatrixColumns) == (3, 4)


def test_cells_come_back_counted(answers, tmp_path):
    path = make_cells(tmp_path, count=5, pixels=_tissue((5, 200, 200, 3)))
    objects = answers(path)
    _check_answer(_of_kind(objects, "answer"), BLOOD, dcmread(path), "cell")
    text = " ".join(item.get("TextValue", "") for item in _items(_of_kind(objects, ": text"), "Finding"))
    assert "of 5 cells" in text
