"""Which pictures of a set are alike: the same pixels, or almost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.learning.data.splits import CLOSE_BITS, HASH_SIDE, close_pairs, exact_pairs, join
from dicomnode.learning.datacheck.findings import Conflict, Duplicates
from dicomnode.learning.datacheck.survey import Facts


@dataclass(frozen=True, slots=True)
class Likeness:
    """Which pictures are alike.

    Attributes:
        exact: For each picture, the first one with the same pixels.
        marks: For each picture, the number of its difference hash among the distinct ones.
        close: Pairs of distinct hashes that are close.
    """

    exact: tuple[int, ...]
    marks: tuple[int, ...]
    close: tuple[tuple[int, int], ...]

    def exact_twins_of(self, chosen: Set[int]) -> set[int]:
        """Pictures with the same pixels as one of the chosen ones, those included."""
        wanted = {self.exact[index] for index in chosen}
        return {index for index, first in enumerate(self.exact) if first in wanted}

    def near_twins_of(self, chosen: Set[int]) -> set[int]:
        """Pictures whose hash is close to that of one of the chosen ones, those included."""
        theirs = {self.marks[index] for index in chosen}
        near = theirs | {b for a, b in self.close if a in theirs} | {a for a, b in self.close if b in theirs}
        return {index for index, mark in enumerate(self.marks) if mark in near}

    def near_groups(self, pairs: Sequence[tuple[int, int]] | None = None) -> list[int]:
        """For each picture, the number of the group that close hashes, or these pairs of them, link it to."""
        groups = join(max(self.marks, default=-1) + 1, self.close if pairs is None else pairs)
        return [groups[mark] for mark in self.marks]


def find_likeness(facts: Sequence[Facts]) -> Likeness:
    """Compare all pictures with each other."""
    exact = join(len(facts), exact_pairs([one.digest.hex() for one in facts]))
    numbers: dict[bytes, int] = {}
    marks = tuple(numbers.setdefault(one.bits, len(numbers)) for one in facts)
    packed = np.frombuffer(b"".join(numbers), np.uint8).reshape(len(numbers), HASH_SIDE**2 // 8)
    return Likeness(tuple(exact), marks, tuple(near_pairs(np.unpackbits(packed, axis=1).astype(np.bool_))))


def near_pairs(hashes: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """``close_pairs`` without comparing each of many hashes with each other.

    If at most k bits differ, at least one of k + 1 parts is equal; only hashes with an equal part are compared. A part
    takes every (k + 1)th bit, for the bits of one region, such as a black border, are equal in many pictures.
    """
    found: set[tuple[int, int]] = set()
    for part in range(CLOSE_BITS + 1):
        members: dict[bytes, list[int]] = defaultdict(list)
        for index, key in enumerate(np.packbits(hashes[:, part :: CLOSE_BITS + 1], axis=1)):
            members[key.tobytes()].append(index)
        for group in members.values():
            if len(group) > 1:
                found.update((group[a], group[b]) for a, b in close_pairs(hashes[group]))
    return sorted(found)


def duplicates(names: Sequence[str], groups: Sequence[int]) -> Duplicates:
    """The groups of more than one picture."""
    shared = [tuple(names[index] for index in group) for group in _members(groups) if len(group) > 1]
    return Duplicates(sum(map(len, shared)) - len(shared), tuple(shared))


def conflicts(likeness: Likeness, names: Sequence[str], labels: Sequence[str]) -> tuple[Conflict, ...]:
    """Groups of the same pixels with several labels, then groups of near duplicates with several labels."""
    found = []
    for group in _members(likeness.exact):
        if len({labels[index] for index in group}) > 1:
            found.append(Conflict("same pixels", *_named(group, names, labels)))
    of_mark: dict[int, set[str]] = defaultdict(set)
    for mark, label in zip(likeness.marks, labels, strict=True):
        of_mark[mark].add(label)
    contradicting = [(a, b) for a, b in likeness.close if len(of_mark[a] | of_mark[b]) > 1]
    for group in _members(likeness.near_groups(contradicting)):
        # A group of one set of pixels is told above.
        if len({labels[index] for index in group}) > 1 and len({likeness.exact[index] for index in group}) > 1:
            found.append(Conflict("near duplicates", *_named(group, names, labels)))
    return tuple(found)


def _members(groups: Sequence[int]) -> list[list[int]]:
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    return list(members.values())


def _named(
    group: Sequence[int], names: Sequence[str], labels: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(names[index] for index in group), tuple(labels[index] for index in group)
