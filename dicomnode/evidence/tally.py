"""How a tally is coded: number examined, number and percentage that reached the operating point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highdicom as hd

from dicomnode.evidence import concepts
from dicomnode.evidence.content import coded
from dicomnode.findings import Code, Tally

TALLIED_THINGS = ("tile", "cell")


@dataclass(frozen=True, slots=True)
class TallyConcepts:
    """Names of the three numbers, and the unit of the counts."""

    examined: Code
    positive: Code
    percentage: Code
    unit: Code


def tally_concepts(thing: str) -> TallyConcepts:
    """Concepts for a tally of tiles or cells.

    PS3.16 counts lymph nodes, specimens and similar findings, but nothing that a model looked at one
    by one; LOINC's percentages are of leukocytes in a differential count. So these are private. The
    unit is a UCUM annotation, as Counts are in CID 83.

    Args:
        thing: What was counted, one singular word of at most four letters.
    """
    things = f"{thing}s"
    return TallyConcepts(
        Code(f"{things}_examined", concepts.PRIVATE_SCHEME, f"Number of {things} examined"),
        Code(f"{things}_positive", concepts.PRIVATE_SCHEME, f"Number of {things} that reached the operating point"),
        Code(
            f"{things}_percentage", concepts.PRIVATE_SCHEME, f"Percentage of {things} that reached the operating point"
        ),
        Code(f"{{{things}}}", "UCUM", things),
    )


def tally_measurements(tally: Tally) -> list[Any]:
    """The counts, and their percentage where anything was counted (TID 300)."""
    names = tally_concepts(tally.unit)
    unit = coded(names.unit)
    counts = [
        hd.sr.Measurement(coded(names.examined), tally.examined, unit),
        hd.sr.Measurement(coded(names.positive), tally.positive, unit),
    ]
    if not tally.examined:
        return counts
    return [*counts, hd.sr.Measurement(coded(names.percentage), round(tally.percentage, 4), coded(concepts.PERCENT))]
