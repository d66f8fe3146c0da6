"""Near duplicates stay on one side of a split."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicomnode.learning.data.splits import close_pairs, difference_hash, hold_out, join, make_validation_list


def test_union_find_joins_chains() -> None:
    assert join(6, [(0, 1), (3, 2), (1, 2), (4, 4)]) == [0, 0, 0, 0, 4, 5]


def test_hashes_close_in_four_bits_are_pairs() -> None:
    hashes = np.zeros((4, 256), dtype=bool)
    hashes[1, :4] = True
    hashes[2, :9] = True

    assert close_pairs(hashes) == [(0, 1), (0, 3), (1, 3)]


def test_groups_are_held_out_whole() -> None:
    groups = [0, 0, 0, 3, 4, 5, 5, 7, 8, 9]
    labels = ["a"] * 6 + ["b"] * 4
    labels[6] = "a"

    held = hold_out(groups, labels, 0.5, seed=1)

    assert held and len(held) < len(groups)
    for group in set(groups):
        sides = {index in held for index, other in enumerate(groups) if other == group}
        assert len(sides) == 1


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """30 pictures, each of which has a copy that JPEG has changed a little; two more are the same by mark only."""
    random = np.random.default_rng(0)
    rows = [("path", "label", "split", "dup_group")]
    for number in range(30):
        picture = Image.fromarray(random.integers(0, 255, (8, 8), np.uint8)).resize((64, 64))
        for copy, quality in (("a", 95), ("b", 70)):
            name = f"{number}{copy}.jpg"
            picture.save(tmp_path / name, quality=quality)
            rows.append((name, "xy"[number % 2], "train", "7" if number in (4, 8) else ""))
    with (tmp_path / "labels.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows(rows)
    return tmp_path


def test_a_list_keeps_twins_and_marked_groups_together(twins: Path) -> None:
    assert (difference_hash(twins / "1a.jpg") != difference_hash(twins / "1b.jpg")).sum() <= 4

    count = make_validation_list(twins, twins / "valid.csv", split="train", fraction=0.3, seed=3)

    with (twins / "valid.csv").open(newline="") as lines:
        held = {row["path"] for row in csv.DictReader(lines)}
    assert 10 <= count == len(held) <= 20
    assert {name.replace("a.", "b.") for name in held if "a." in name} == {name for name in held if "b." in name}
    assert ("4a.jpg" in held) == ("8a.jpg" in held)


def test_the_same_seed_gives_the_same_list(twins: Path) -> None:
    for name in ("one.csv", "two.csv"):
        make_validation_list(twins, twins / name, split="train", fraction=0.3, seed=3)

    assert (twins / "one.csv").read_bytes() == (twins / "two.csv").read_bytes()
