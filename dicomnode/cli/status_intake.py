"""What comes in, for `dicomnode status`: room on the disk, and what each peer sent today."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from dicomnode.archive import Archive
from dicomnode.archive.tallies import COUNTS, Tally, day_of
from dicomnode.settings import Settings

_MIB = 1 << 20
_STRANGERS = "?"


@dataclass(frozen=True, slots=True)
class Intake:
    """What comes in.

    Attributes:
        free_mib: MiB that the data folder's disk has left.
        refusal: Why nothing is taken just now, empty if it is.
        peers: Today's counts (UTC) by the peer's name, ``?`` for all that the settings do not name.
        attention: One line each.
    """

    free_mib: int
    refusal: str
    peers: dict[str, dict[str, int]]
    attention: tuple[str, ...]


def read_intake(archive: Archive, settings: Settings, now: datetime) -> Intake:
    """Ask the disk and the index."""
    space = archive.space.look()
    tallies = archive.tallies.of_day(day_of(now.astimezone(UTC)))
    return Intake(
        space.free // _MIB,
        space.refusal,
        {tally.peer: {name: count for name, count in asdict(tally).items() if name in COUNTS} for tally in tallies},
        (*_room(space.refusal), *_nobody(settings), *(line for tally in tallies for line in _complaints(tally))),
    )


def told(peers: dict[str, dict[str, int]]) -> list[tuple[str, str]]:
    """Each peer with its counts in words."""
    return [
        ("strangers" if name == _STRANGERS else name, ", ".join(_words(counts)) or "nothing")
        for name, counts in peers.items()
    ]


def _words(counts: dict[str, int]) -> list[str]:
    sizes = [f"{counts['size'] / _MIB:.1f} MiB"] if counts["size"] else []
    return [f"{counts['instances']} instances", *sizes] + [
        f"{count} {name}" for name, count in counts.items() if count and name not in ("size", "instances")
    ]


def _room(refusal: str) -> list[str]:
    return [f"instances are refused for now: {refusal}"] if refusal else []


def _nobody(settings: Settings) -> list[str]:
    if settings.receive.accept_unknown_peers or any("store" in peer.may for peer in settings.peers):
        return []
    return ["no peer may store: name the systems that send to this node in [[peers]]"]


def _complaints(tally: Tally) -> list[str]:
    lines = []
    if tally.peer == _STRANGERS and tally.rejected:
        lines.append(f"{tally.rejected} association(s) of strangers rejected today; the audit says whence they came")
    if tally.conflicts:
        lines.append(
            f"{tally.conflicts} instance(s) from {tally.peer} today had a known UID and other content; kept aside"
        )
    return lines
