"""The reference sets of the bundles that come with the node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicomnode.bundles import load_bundle
from dicomnode.inference.tuning.patterns import grey_pattern, stained_pattern
from dicomnode.inference.tuning.reference import read_reference, reference_pixels

MODELS = Path(__file__).parents[3] / "models"


@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.iterdir() if path.is_dir()))
def test_each_bundle_holds_the_answers_of_its_reference_set(name: str) -> None:
    bundle = load_bundle(MODELS / name)
    stored = read_reference(bundle)
    assert stored is not None, "run 'dicomnode models tune' on it anew"
    assert len(stored) == len(reference_pixels(bundle))
    scores = [answer.scores[0] for answer in stored]
    assert max(scores) - min(scores) > 0.1  # saturated scores would agree whatever is done to them


@pytest.mark.parametrize("pattern", [grey_pattern, stained_pattern])
def test_patterns_are_different_from_each_other_and_the_same_again(pattern) -> None:
    images = [pattern(number, 20, 30) for number in range(24)]
    assert all(image.shape[1:] == (20, 30) and np.isfinite(image).all() for image in images)
    assert len({image.tobytes() for image in images}) == 24
    assert np.array_equal(pattern(3, 20, 30), images[3])
    assert min(image.min() for image in images) >= 0 and max(image.max() for image in images) <= 255
