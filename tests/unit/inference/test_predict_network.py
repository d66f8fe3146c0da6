"""A detector's boxes and masks, from the network to source pixels, and networks that answer wrongly."""

from typing import Any

import numpy as np
import pytest
import torch

from dicomnode.bundles import load_bundle
from dicomnode.errors import BundleError
from dicomnode.inference.network import Batching, SliceNetwork
from dicomnode.inference.predictor import Predictor, Request
from dicomnode.inference.slice_group import SliceGroup
from dicomnode.study import SourceReference

pytest.importorskip("dicomnode.networks.detector")

CPU = torch.device("cpu")
NETWORK = {
    "_target_": "dicomnode.networks.LesionDetector",
    "size": 64,
    "classes": 2,
    "channels": 16,
    "hidden": 32,
    "min_score": 0.0,
}
CLASSES = [
    {"name": name, "code": {"value": name, "scheme": "99T", "meaning": name}, "is_finding": True} for name in ("a", "b")
]
PREPROCESSING = {
    "_target_": "monai.transforms.Compose",
    "transforms": [
        {"_target_": "monai.transforms.ScaleIntensity"},
        {"_target_": "monai.transforms.Resize", "spatial_size": 64, "size_mode": "longest"},
        {"_target_": "monai.transforms.SpatialPad", "spatial_size": [64, 64]},
    ],
}


def detector_bundle(make_bundle: Any, threshold: float = 0.0, **inference: Any) -> Any:
    node = {
        "task": "detection",
        "classes": CLASSES,
        "calibration": None,
        "operating_point": {"threshold": threshold},
        "aggregation": {"method": "maximum", "statement": "The strongest box answers."},
    }
    content = {"network_def": NETWORK, "preprocessing": PREPROCESSING} | inference
    return load_bundle(make_bundle("detector", node=node, inference=content))


def pixels(count: int, shape: tuple[int, int] = (90, 120)) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(100, 30, (1, *shape)).astype(np.float32) for _ in range(count)]


def test_boxes_lie_on_the_source_image_strongest_first(make_bundle: Any) -> None:
    network = SliceNetwork(detector_bundle(make_bundle), CPU, Batching(2))
    found = list(network.detect(pixels(3)))
    assert len(found) == 3
    boxes = [item for detections in found for item in detections]
    assert boxes
    for item in boxes:
        assert (item.box[:2] >= 0).all()
        assert (item.box[2:] <= [120, 90]).all()
        assert (item.box[2:] > item.box[:2]).all()
        assert item.label in (1, 2)
    for detections in found:
        scores = [item.score for item in detections]
        assert scores == sorted(scores, reverse=True)


def test_regions_lie_in_their_boxes_and_are_made_only_where_needed(make_bundle: Any) -> None:
    bundle = detector_bundle(make_bundle)
    regions = [item for item in next(SliceNetwork(bundle, CPU, Batching()).detect(pixels(1))) if item.region]
    for item in regions:
        assert item.region is not None
        low, high = item.region.outline.min(axis=0), item.region.outline.max(axis=0)
        assert (low >= item.box[:2] - 2).all()  # a processed pixel is about two source pixels
        assert (high <= item.box[2:] + 2).all()
    strict = detector_bundle(lambda name, **given: make_bundle("strict", **given), threshold=1.0)
    assert not any(item.region for item in next(SliceNetwork(strict, CPU, Batching()).detect(pixels(1))))


def test_a_detector_answers_and_repeats(make_bundle: Any) -> None:
    predictor = Predictor(detector_bundle(make_bundle), CPU)
    images = tuple(SourceReference("1.2.840.10008.5.1.4.1.1.4", f"1.2.{i}", "1.2") for i in range(3))
    request = Request((SliceGroup(images, tuple(pixels(3)), (0.5, 0.5), 3.0),), "seed")
    first, again = predictor.predict(request), predictor.predict(request)
    assert first.answer == again.answer
    assert first.answer.classes == ()
    assert [item.tracking_uid for item in first.findings] == [item.tracking_uid for item in again.findings]
    assert [item.label for item in first.findings] == [f"Lesion {n + 1}" for n in range(len(first.findings))]
    assert len(first.boxes) == 3
    assert first.findings  # a threshold of 0 makes every box a lesion


def test_a_classifier_behind_a_detector_bundle_is_named(make_bundle: Any) -> None:
    wrong = {"_target_": "torch.nn.Identity"}
    network = SliceNetwork(detector_bundle(make_bundle, network_def=wrong), CPU, Batching())
    with pytest.raises(BundleError, match="gave no 'boxes', 'labels' and 'scores'"):
        list(network.detect(pixels(1)))


def test_a_label_beyond_the_classes_is_named(make_bundle: Any) -> None:
    more = {**NETWORK, "classes": 40}
    network = SliceNetwork(detector_bundle(make_bundle, network_def=more), CPU, Batching())
    with pytest.raises(BundleError, match="its classes are 1 to 2"):
        list(network.detect(pixels(4)))
