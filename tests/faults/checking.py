"""The checker: looks at files, at the index with sqlite3, and at the PACS; shares no code with the node."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.ledger import Ledger, data_set_digest

_ARRIVED = ("delivered", "warning")
_PROVEN = ("committed", "visible")


@dataclass(frozen=True)
class Held:
    """An object that the PACS holds beside images.

    Attributes:
        study: Study Instance UID.
        series: Series Instance UID.
        instance: SOP Instance UID.
        number: Instance Number; the highest of a series is the current one.
    """

    study: str
    series: str
    instance: str
    number: int


@dataclass(frozen=True)
class Verdict:
    """What the checker counted.

    Attributes:
        acknowledged: Instances that senders saw acknowledged.
        studies: Studies that arrived as a whole.
        lost: One line for each acknowledged instance that is not there as it was sent.
        doubled: One line for each study without exactly one current result, or with a result that is there twice.
        untrue: One line for each delivery that is told as arrived, and is not.
    """

    acknowledged: int
    studies: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    untrue: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        return (*self.lost, *self.doubled, *self.untrue)


def check(data_dir: Path, ledger: Ledger, held: Mapping[str, Held], model: str) -> Verdict:
    """Count what was lost, doubled or told wrongly.

    Args:
        data_dir: The node's folder; the node may run.
        ledger: What senders saw acknowledged.
        held: What the PACS holds beside images, by SOP Instance UID.
        model: Each whole study must have one current result of it.
    """
    with sqlite3.connect(f"file:{data_dir / 'index.sqlite'}?mode=ro", uri=True) as index:
        index.row_factory = sqlite3.Row
        return Verdict(
            acknowledged=len(ledger.instances),
            studies=len(ledger.studies),
            lost=tuple(_lost(index, data_dir, ledger)),
            doubled=tuple(_doubled(index, ledger, held, model)),
            untrue=tuple(_untrue(index, held)),
        )


def _lost(index: sqlite3.Connection, data_dir: Path, ledger: Ledger) -> list[str]:
    rows = {
        row["sop_instance_uid"]: row for row in index.execute("SELECT sop_instance_uid, path, sha256 FROM instances")
    }
    found = []
    for entry in ledger.instances:
        row = rows.get(entry.instance)
        if row is None:
            found.append(f"{entry.instance}: acknowledged, and not in the index")
            continue
        path = data_dir / row["path"]
        if not path.is_file():
            found.append(f"{entry.instance}: acknowledged, and its file is gone")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            found.append(f"{entry.instance}: its file is not what the index says")
        elif data_set_digest(path) != entry.digest:
            found.append(f"{entry.instance}: its data set is not what was sent")
    return found


def _doubled(index: sqlite3.Connection, ledger: Ledger, held: Mapping[str, Held], model: str) -> list[str]:
    current: dict[tuple[str, str], sqlite3.Row] = {}
    query = "SELECT * FROM evidence WHERE state = 'ready' AND model_name = ? ORDER BY instance_number"
    for row in index.execute(query, (model,)):
        current[row["study_instance_uid"], row["series_instance_uid"]] = row
    made = defaultdict(list)
    for (study, series), row in current.items():
        made[study].append((series, row["sop_instance_uid"]))
    there = defaultdict(list)
    for item in held.values():
        there[item.study, item.series].append(item)
    found = []
    for study in sorted(ledger.studies):
        if not made[study]:
            found.append(f"{study}: arrived as a whole, and has no result")
        for series, uid in made[study]:
            newest = max(there[study, series], key=lambda item: item.number, default=None)
            if newest is None or newest.instance != uid:
                found.append(f"{study}: the newest object of series {series} in the PACS is not the current result")
        expected = {series for series, _ in made[study]}
        strangers = {series for of_study, series in there if of_study == study} - expected
        found += [f"{study}: series {series} in the PACS belongs to no current result" for series in strangers]
    for (study, series), items in there.items():
        repeated = [number for number, count in Counter(item.number for item in items).items() if count > 1]
        found += [f"{study}: two objects of series {series} have Instance Number {number}" for number in repeated]
    return found


def _untrue(index: sqlite3.Connection, held: Mapping[str, Held]) -> list[str]:
    found = []
    for row in index.execute("SELECT * FROM deliveries"):
        keys = row.keys()
        sent = (row["sent_sop_instance_uid"] if "sent_sop_instance_uid" in keys else None) or row["sop_instance_uid"]
        told = row["state"] in _ARRIVED or ("proof" in keys and row["proof"] in _PROVEN)
        if told and sent not in held:
            found.append(f"{sent}: told as {row['state']}, and not in the PACS")
    return found
