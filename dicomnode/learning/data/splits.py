"""A validation list that keeps near duplicates together: ``python -m dicomnode.learning.data.splits``.

Public image sets hold the same slice several times. A validation picture whose twin is trained on measures memory, so
whole groups go to one side: exact groups as the data set states them, and pictures whose difference hashes are close.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

HASH_SIDE = 16
CLOSE_BITS = 4


def difference_hash(picture: Path | Image.Image) -> npt.NDArray[np.bool_]:
    """256 bits: is each of 16x16 pixels darker than its right neighbour, in the picture shrunk to 17x16?"""
    if isinstance(picture, Path):
        with Image.open(picture) as opened:
            return difference_hash(opened)
    small = picture.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BILINEAR)
    pixels = np.asarray(small, dtype=np.int16)
    return np.asarray(pixels[:, 1:] > pixels[:, :-1]).reshape(-1)


def close_pairs(hashes: npt.NDArray[np.bool_], bits: int = CLOSE_BITS) -> list[tuple[int, int]]:
    """Index pairs whose hashes differ in at most ``bits`` of the (N, 256) bits."""
    signs = np.where(hashes, 1.0, -1.0).astype(np.float32)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(signs), 512):
        # a . b counts equal minus different bits, so different = (bits - a . b) / 2.
        distance = (hashes.shape[1] - signs[start : start + 512] @ signs.T) / 2
        for row, column in zip(*np.nonzero(distance <= bits), strict=True):
            if start + row < column:
                pairs.append((start + int(row), int(column)))
    return pairs


def join(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Union-find: the smallest index of the group that each of ``count`` items belongs to."""
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return [root(item) for item in range(count)]


def hold_out(groups: Sequence[int], labels: Sequence[str], fraction: float, seed: int) -> list[int]:
    """Indices of whole groups, drawn at random class by class until each class has its fraction."""
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    order = sorted(members)
    random.Random(seed).shuffle(order)  # noqa: S311 - a reproducible draw, not a secret
    wanted = {label: fraction * labels.count(label) for label in set(labels)}
    held: list[int] = []
    for group in order:
        label = labels[group]
        if len(members[group]) <= wanted[label]:
            wanted[label] -= len(members[group])
            held += members[group]
    return sorted(held)


def exact_pairs(marks: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs that chain the items with equal, non-empty marks together."""
    first: dict[str, int] = {}
    return [(first.setdefault(mark, index), index) for index, mark in enumerate(marks) if mark]


def make_validation_list(folder: Path, out: Path, *, split: str, fraction: float, seed: int) -> int:
    """Write ``path,label,group`` of the held-out pictures and return their number."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == split]
    hashes = np.stack([difference_hash(folder / row["path"]) for row in rows])
    exact = exact_pairs([row.get("dup_group", "") for row in rows])
    groups = join(len(rows), [*exact, *close_pairs(hashes)])
    held = hold_out(groups, [row["label"] for row in rows], fraction, seed)
    with out.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["path", "label", "group"])
        writer.writerows([rows[index]["path"], rows[index]["label"], groups[index]] for index in held)
    return len(held)


def main(arguments: Sequence[str]) -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m dicomnode.learning.data.splits", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with labels.csv (path,label,split[,dup_group])")
    parser.add_argument("out", type=Path, help="CSV to write")
    parser.add_argument("--split", default="train")
    parser.add_argument("--fraction", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args(arguments)
    count = make_validation_list(args.data, args.out, split=args.split, fraction=args.fraction, seed=args.seed)
    print(f"{count} pictures held out in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
