"""What was put right in a data set while it was read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that was not as it should be, and what was done.

    Attributes:
        kind: One word or two; repairs of one kind are counted together.
        name: The picture, file or table.
        text: What was found and what was made of it, one sentence without a full stop.
    """

    kind: str
    name: str
    text: str
