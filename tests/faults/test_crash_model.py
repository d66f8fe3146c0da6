"""A power cut at any moment of a real run loses nothing that was promised, and no sync of the node is in vain.

``make test-crash`` tries every cut with many more fates (DICOMNODE_CRASH_FATES per event).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pydicom import dcmread
from pynetdicom import AE

from dicomnode.dicom.digest import content_digest
from tests.archives import MR
from tests.faults.crash.checker import broken_promises, write_tree
from tests.faults.crash.cutting import Remains, cut_after_promises, cut_anywhere, cut_before_syncs, distinct
from tests.faults.crash.events import Event, Rename, Sync, SyncAll, Told, Write
from tests.faults.crash.recording import start_recorded
from tests.faults.crash.scenario import OLD, ORPHAN, POSTED, SENT
from tests.faults.crash.trace import read_trace

pytestmark = pytest.mark.strace
FATES = float(os.environ.get("DICOMNODE_CRASH_FATES", "0.1"))
SEED = int(os.environ.get("DICOMNODE_CRASH_SEED", "5"))
INSTANCES, EVIDENCE, QUARANTINE = "node/data/instances", "node/data/evidence", "node/data/quarantine"
JOURNAL = "node/data/journal"

# Every sync that the node asks for, by what it keeps. A file's bytes are synced in staging, before it gets its name.
SYNCS = {
    "record of an arrival": JOURNAL + "/*/*",
    "name of a part of the journal": JOURNAL + "/*",
    "name of a journal": JOURNAL,
    "everything before the journal is used again": "",
    "bytes of an instance": INSTANCES + "/*/*",
    "name of an instance": INSTANCES + "/*",
    "name of a folder of instances": INSTANCES,
    "bytes of evidence": EVIDENCE + "/*/*",
    "name of evidence": EVIDENCE + "/*",
    "name of a folder of evidence": EVIDENCE,
    "bytes of what is kept aside": QUARANTINE + "/*/*",
    "name of what is kept aside": QUARANTINE + "/*",
    "name of a folder of what is kept aside": QUARANTINE,
    "name of what is deleted": "node/data/trash/*/*",
    "name of a folder of what is deleted": "node/data/trash/*",
    "name of the folder above it": "node/data/trash",
    "names of the folders of files": "node/data",
    "name of the data folder": "node",
    "name of the folder above": ".",
    "a transaction": "index/index.sqlite-wal",
    "what a transaction's log is written back to": "index/index.sqlite",
    "name of the transactions' log": "index",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A trace, its folder, the content digest of each instance that was sent, and its file as it is kept."""

    events: list[Event]
    root: PurePosixPath
    contents: dict[str, str]
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    root, trace = tmp_path_factory.mktemp("node"), tmp_path_factory.mktemp("trace") / "trace.txt"
    process = start_recorded("tests.faults.crash.scenario", [str(root)], trace)
    with process:
        assert process.stdin is not None and process.stdout is not None
        send(int(process.stdout.readline()), SENT.values())
        process.communicate(b"go\n", timeout=120)
    assert process.returncode == 0
    sent = {}
    for uid, content in (SENT | POSTED | OLD | ORPHAN).items():
        file = trace.with_name(uid)
        file.write_bytes(content)
        sent[uid] = content_digest(file)
    stored = (root / "node" / "data").rglob("*.dcm")
    files = {str(dcmread(path).SOPInstanceUID): path.read_bytes() for path in stored}
    return Recorded(read_trace(trace, root), PurePosixPath(root), sent, files)


def send(port: int, files: Iterable[bytes]) -> None:
    entity = AE("MODALITY")
    entity.add_requested_context(MR, "1.2.840.10008.1.2.1")
    association = entity.associate("127.0.0.1", port)
    assert association.is_established
    for content in files:
        assert association.send_c_store(dcmread(BytesIO(content))).Status == 0x0000
    association.release()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: restarts of the archive sync too, for nobody here."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="dicomnode-crash-", dir=memory if os.access(memory, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


def losses(remains: Iterable[Remains], recorded: Recorded, memory: Path) -> Iterator[str]:
    """What is broken after each power cut."""
    for number, item in enumerate(remains):
        folder = memory / str(number)
        folder.mkdir()
        write_tree(item.tree, folder)
        for problem in broken_promises(folder, item.told, recorded.contents):
            yield f"cut before event {item.cut} ({item.fate}): {problem}"
        shutil.rmtree(folder)


def test_what_the_run_promised_is_in_its_trace(recorded: Recorded) -> None:
    told = [event.text for event in recorded.events if isinstance(event, Told)]
    sent, old, found = ([f"stored {uid}" for uid in uids] for uids in ((*SENT, *POSTED), OLD, ORPHAN))
    done = ["finished 1", "delivered 1"]
    assert told == [*sent, *done, *old, "forgetting 1.2.6", "forgotten 1.2.6", "delivered 2", *found]


def test_nothing_promised_is_lost_where_it_hurts_most(recorded: Recorded, memory: Path) -> None:
    remains = distinct(cut_before_syncs(recorded.events, recorded.root))
    assert len(remains) > 50
    assert list(losses(remains, recorded, memory)) == []


def test_nothing_promised_is_lost_by_chance(recorded: Recorded, memory: Path) -> None:
    remains = distinct(cut_anywhere(recorded.events, recorded.root, SEED, FATES))
    assert list(losses(remains, recorded, memory)) == []


@pytest.mark.parametrize("kept", SYNCS)
def test_without_one_sync_something_is_lost(recorded: Recorded, memory: Path, kept: str) -> None:
    left_out = syncs_of(SYNCS[kept], recorded)
    assert left_out, f"the node does not sync the {kept}"
    # Most losses show as soon as something is promised, some only in the midst of a change.
    remains = (
        item
        for cut in (cut_after_promises, cut_before_syncs)
        for item in reversed(distinct(cut(recorded.events, recorded.root, left_out)))
    )
    assert next(losses(remains, recorded, memory), None), f"nothing depends on the sync of the {kept}"


def test_the_node_asks_for_no_other_sync(recorded: Recorded) -> None:
    known = {number for pattern in SYNCS.values() for number in syncs_of(pattern, recorded)}
    others = [
        event.path.relative_to(recorded.root)
        for number, event in enumerate(recorded.events)
        if isinstance(event, Sync) and number not in known and number != 1  # the scenario's own
    ]
    # SQLite's own, while it founds the index
    assert {path.as_posix() for path in others} <= {"index/index.sqlite-journal"}


@pytest.mark.parametrize("uid", SENT)
def test_bytes_and_record_are_synced_before_success_is_answered(recorded: Recorded, uid: str) -> None:
    events: Sequence[Any] = recorded.events
    digest = hashlib.sha256(recorded.files[uid]).hexdigest()
    record = after(events, -1, lambda event: isinstance(event, Write) and digest.encode() in event.data)
    journal, offset = events[record].path, events[record].offset + len(events[record].data)
    assert journal.suffix == ".segment"
    written = record + (
        events[record + 1] == Write(journal, offset, recorded.files[uid])
    )  # the bytes follow, unless they have a file
    record_synced = after(events, written, lambda event: isinstance(event, Sync) and event.path == journal)
    assert record_synced < events.index(Told(f"stored {uid}"))
    if written == record:
        renamed = after(events, -1, lambda event: isinstance(event, Rename) and event.target.stem == digest)
        staged, folder = events[renamed].source, events[renamed].target.parent
        bytes_synced = after(events, -1, lambda event: isinstance(event, Sync) and event.path == staged)
        name_synced = after(events, renamed, lambda event: isinstance(event, Sync) and event.path == folder)
        assert bytes_synced < renamed < name_synced < record


def after(events: Sequence[Any], start: int, wanted: Callable[[Any], bool]) -> int:
    """Number of the first such event after another."""
    return next(number for number, event in enumerate(events) if number > start and wanted(event))


def syncs_of(pattern: str, recorded: Recorded) -> frozenset[int]:
    """Numbers of the syncs of files or folders that end up at a path like this, or of all; not the scenario's own."""
    events, names = recorded.events, final_names(recorded.events)
    if not pattern:
        return frozenset(number for number, event in enumerate(events) if isinstance(event, SyncAll))
    return frozenset(
        number
        for number, event in enumerate(events)
        if isinstance(event, Sync)
        and number > 1
        and matches(names.get(event.path, event.path).relative_to(recorded.root), pattern)
    )


def matches(path: PurePosixPath, pattern: str) -> bool:
    wanted = PurePosixPath(pattern).parts
    return len(path.parts) == len(wanted) and all(map(fnmatch, path.parts, wanted))


def final_names(events: Sequence[Event]) -> dict[PurePosixPath, PurePosixPath]:
    """Where staged files went first."""
    found: dict[PurePosixPath, PurePosixPath] = {}
    for event in events:
        if isinstance(event, Rename):
            found.setdefault(event.source, event.target)
    return found
