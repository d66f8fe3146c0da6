"""Who sends what, where the connection and the storing of its last instance end in either order."""

from pathlib import Path

import pytest

from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.audit import AuditKind
from dicomnode.intake.sending import Sending
from dicomnode.intake.storing import store_stream
from tests.archives import at, make_file, open_archive, put


@pytest.mark.parametrize("close_first", [False, True], ids=["stored, then closed", "closed, then stored"])
def test_a_broken_connection_never_holds_its_study_open(tmp_path: Path, close_first: bool) -> None:
    with open_archive(tmp_path) as archive:
        sending = Sending(archive, lambda: at(1))
        if close_first:
            sending.close()
        sending.touch("1.2.3")
        put(archive, make_file())
        if not close_first:
            sending.close()
        (study,) = archive.studies.open_studies()
        assert (study.open_associations, study.last_released) == (0, at(1))


def test_what_came_is_audited_once_for_all_instances(tmp_path: Path) -> None:
    origin = Origin(Way.C_STORE, "MR1", "BRAIN", "192.0.2.7")
    with open_archive(tmp_path) as archive:
        with Sending(archive, lambda: at(1)) as sending:
            for number in range(3):
                sending.touch("1.2.3")
                content = make_file(f"1.2.3.1.{number}", "1.2.3")
                sending.kept(store_stream(archive, [content], origin, at(1)).instance, origin)
        with Sending(archive, lambda: at(2)) as refused:
            refused.touch("1.2.4")
        (entry,) = archive.audit.list()
    assert entry.kind is AuditKind.TRANSFERRED
    assert entry.actor == "MR1@192.0.2.7"
    (study,) = entry.objects
    assert study.study_instance_uid == "1.2.3"
    assert [count for _, count in study.sop_classes] == [3]
    assert "3 instance(s) by" in entry.detail and "BRAIN" in entry.detail
