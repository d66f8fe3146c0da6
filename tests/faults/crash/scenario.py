"""What is recorded: a node's archive takes instances, answers, delivers, is closed and recovers.

Run as ``python -m tests.faults.crash.scenario FOLDER``. Prints its DICOM port, waits for a line on standard input
while instances are sent to it, does the rest, and ends. Each ``promise:`` line is something that it will not take back.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

from dicomnode.archive import Archive, files
from dicomnode.archive.files import INSTANCES, FileStore, sync_folder
from dicomnode.archive.landing import journal
from dicomnode.archive.landing.records import PAGE_BYTES
from dicomnode.archive.records import DeliveryState, JobKind, NewEvidence, NewJob, Origin, Stored, Way
from dicomnode.dicom.header import read_header
from dicomnode.intake.scp import serve_dimse
from dicomnode.intake.stow import Part, store_instances
from dicomnode.settings import Settings
from tests.archives import NOW, SR, at, complete, make_file, put

SENT = {
    "1.2.3.1": make_file("1.2.3.1", InstanceNumber=1),
    "1.2.3.2": make_file("1.2.3.2", InstanceNumber=2, PatientID="P2"),  # kept aside: another patient's
    "1.2.3.3": make_file("1.2.3.3", InstanceNumber=3),
    "1.2.3.4": make_file("1.2.3.4", InstanceNumber=4, EncapsulatedDocument=b"1" * PAGE_BYTES),  # gets a file at once
}
POSTED = {uid: make_file(uid, "1.2.4", InstanceNumber=int(uid[-1])) for uid in ("1.2.4.1", "1.2.4.2")}
OLD = {uid: make_file(uid, "1.2.6", InstanceNumber=int(uid[-1])) for uid in ("1.2.6.1", "1.2.6.2")}
ORPHAN = {"1.2.5.1": make_file("1.2.5.1", "1.2.5")}
ANSWERS = ("2.25.1", "2.25.2")


def settings_in(folder: Path) -> Settings:
    """Data in a folder that is not there yet; the index beside it, as if it were kept elsewhere."""
    return Settings.model_validate(
        {
            "node": {"data_dir": str(folder / "node" / "data")},
            "archive": {"database_url": f"sqlite:///{folder / 'index' / 'index.sqlite'}"},
            "receive": {"port": 0, "accept_unknown_peers": True},
        }
    )


def main(folder: Path) -> None:
    """Everything once."""
    (folder / "index").mkdir()
    sync_folder(folder)
    files.IN_MEMORY_BYTES = PAGE_BYTES
    # Two records fill a segment, so that they are used again.
    journal._FIRST_SEGMENT_BYTES = journal._LARGEST_SEGMENT_BYTES = 2 * PAGE_BYTES
    settings = settings_in(folder)
    with Archive.open(settings) as archive:
        _receive(settings, archive)
        _take_posted(archive)
        _answer(archive)
        _deliver(archive, 1)
        _forget(archive)
    # The last one to close the index writes its log back; a new log is begun afterwards.
    with Archive.open(settings) as archive:
        _deliver(archive, 10)
        _recover(settings, archive)


def _receive(settings: Settings, archive: Archive) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=serve_dimse, args=(settings, archive, stop, lambda port: print(port, flush=True)))
    thread.start()
    sys.stdin.readline()
    stop.set()
    thread.join()


def _take_posted(archive: Archive) -> None:
    parts = [Part({"content-type": "application/dicom"}, iter([content])) for content in POSTED.values()]
    outcome = store_instances(archive, parts, Origin(Way.STOW), lambda: NOW)
    for item in outcome.stored:
        _promise(f"stored {item.sop_instance_uid}")
    archive.instances.flush()
    _until_cleared(archive)


def _answer(archive: Archive) -> None:
    generation = complete(archive, "1.2.4")
    job = NewJob("brain", "d" * 64, JobKind.INFER, "modality MR", ("1.2.4.9",), ("pacs",), False)
    archive.jobs.add_all("1.2.4", generation, [job], [], NOW)
    leased = archive.jobs.lease("worker", NOW, 60)
    assert leased is not None
    assert archive.jobs.finish(leased.job_id, "worker", list(_evidence(archive)), "{}", at(1))
    _promise(f"finished {leased.job_id}")


def _evidence(archive: Archive) -> Iterator[NewEvidence]:
    for number, uid in enumerate(ANSWERS, 1):
        content = make_file(uid, "1.2.4", SOPClassUID=SR, Modality="SR", SeriesInstanceUID=f"2.25.9{number}")
        if number > 1:
            # Another worker had come so far with the same job before it was killed.
            _killed_after_rename(partial(archive.evidence.write_file, content, uid))
        path = archive.evidence.write_file(content, uid)
        yield NewEvidence(uid, SR, f"2.25.9{number}", "1.2.4", "brain", f"answer-{number}", path, 1)


def _deliver(archive: Archive, most: int) -> None:
    for due in archive.deliveries.due("pacs", at(2), most):
        assert archive.deliveries.lease(due.delivery_id, "sender", at(60), at(2))
        assert archive.deliveries.mark(
            due.delivery_id, "sender", DeliveryState.DELIVERED, "status 0x0000", at(2), at(3)
        )
        _promise(f"delivered {due.delivery_id}")


def _forget(archive: Archive) -> None:
    """Take in a study that nobody has work for, and delete it when it is old."""
    for (uid, content), take in zip(OLD.items(), (_land, put), strict=True):
        take(archive, content)
        _promise(f"stored {uid}")
    archive.instances.flush()
    archive.jobs.add_all("1.2.6", complete(archive, "1.2.6"), [], [], NOW)
    _promise("forgetting 1.2.6")
    assert archive.retention.forget("1.2.6", at(100), (), at(200)) is not None
    _promise("forgotten 1.2.6")


def _land(archive: Archive, content: bytes) -> Stored:
    with archive.instances.new_file() as staged:
        staged.write(content)
        return archive.instances.land(staged, read_header(BytesIO(content)), Origin(Way.C_STORE), NOW)


def _until_cleared(archive: Archive) -> None:
    """Wait until what the journal holds besides its last segment may be written over: that makes everything durable."""
    used = archive.instances._backlog._journal
    assert used is not None
    while used.size > 2 * PAGE_BYTES:
        time.sleep(0.01)


def _recover(settings: Settings, archive: Archive) -> None:
    """Index what a killed process had renamed; then its sender, who heard nothing, sends it again."""
    ((uid, content),) = ORPHAN.items()
    _killed_after_rename(lambda: _keep(FileStore(settings.node.data_dir), content))
    archive.instances.recover(Origin(Way.RECOVERED), at(4))
    assert archive.instances.exists(uid)
    put(archive, content, at(5))
    _promise(f"stored {uid}")


def _keep(files: FileStore, content: bytes) -> None:
    with files.stage() as staged:
        staged.write(content)
        files.keep(staged, INSTANCES)


def _killed_after_rename(work: Callable[[], object]) -> None:
    """Work in a process that dies before it syncs the folder of what it renamed; the system forgets nothing."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    replace = Path.replace

    def replace_and_die(source: Path, target: Path) -> None:
        replace(source, target)
        os._exit(9)

    Path.replace = replace_and_die  # type: ignore[method-assign, assignment]
    work()


def _promise(text: str) -> None:
    os.write(1, f"promise: {text}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
