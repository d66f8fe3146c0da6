"""A process that dies at any step towards durability: what it acknowledged is there, what it did not can come again."""

from __future__ import annotations

from pathlib import Path

from dicomnode.archive.records import Origin, StoredStatus, StudyState, Way
from dicomnode.dicom.digest import content_digest
from tests import dying
from tests.archives import NOW, make_file, open_archive, put

# Stores two instances in a child that ends at the n-th step that touches the disk; writes down what it acknowledged.
STORING = """
import os, sys
from pathlib import Path
import sqlalchemy.engine.default as default
from tests.archives import make_file, open_archive, put
from tests.dying import children, die_at

root = Path(sys.argv[1])
for last in children(int(sys.argv[2])):
    archive = open_archive(root / str(last))
    die_at(last, (os, "fsync"), (os, "fdatasync"), (Path, "replace"), (default.DefaultDialect, "do_commit"))
    acknowledged = (root / f"{last}.txt").open("w")
    for number in range(2):
        put(archive, make_file(f"1.2.3.{number}", InstanceNumber=number))
        print(number, file=acknowledged, flush=True)
    os._exit(0)
"""
STEPS = 16


def test_a_process_may_die_at_any_step(tmp_path: Path) -> None:
    dying.run(STORING, tmp_path, STEPS)
    complete = 0
    for last in range(1, STEPS + 1):
        text = (tmp_path / f"{last}.txt").read_text().split()
        complete += len(text) == 2
        with open_archive(tmp_path / str(last)) as archive:
            archive.instances.recover(Origin(Way.RECOVERED), NOW)
            for number in map(int, text):
                kept = archive.instances.get(f"1.2.3.{number}")
                assert kept.path.read_bytes() == make_file(f"1.2.3.{number}", InstanceNumber=number)
            for number in range(2):
                again = put(archive, make_file(f"1.2.3.{number}", InstanceNumber=number))
                assert again.status in (StoredStatus.NEW, StoredStatus.DUPLICATE)
                assert content_digest(again.instance.path)
            record = archive.studies.record("1.2.3")
            assert (record.source_instances, record.state) == (2, StudyState.OPEN)
            assert archive.studies.get("1.2.3").called_ae_titles == ("DICOMNODE",)
        files = list((tmp_path / str(last)).rglob("*.dcm"))
        assert len(files) == 2
        assert list((tmp_path / str(last) / "staging").iterdir()) == []
    assert 0 < complete < STEPS, "the steps cover the whole way, and a little more"
