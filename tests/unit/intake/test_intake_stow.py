"""STOW-RS: what is kept, what fails, and what the sender is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.errors import ArchiveFullError
from dicomnode.intake.statuses import answer_to
from dicomnode.intake.stow import MultipartError, Part, StowOutcome, parse_multipart, store_instances
from tests.archives import at, make_file, open_archive

ORIGIN = Origin(Way.STOW, peer="127.0.0.1")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path) as opened:
        yield opened


def part(data: bytes, media_type: str = "application/dicom") -> Part:
    return Part({"content-type": media_type}, iter([data[:300], data[300:]]))


def store(archive: Archive, *files: bytes, study: str | None = None) -> StowOutcome:
    return store_instances(archive, [part(data) for data in files], ORIGIN, lambda: at(0), study)


def test_stored_instances_are_referenced(archive: Archive) -> None:
    outcome = store(archive, make_file(), make_file("1.2.3.2"))
    assert outcome.http_status == 200
    assert archive.instances.get("1.2.3.2").path.read_bytes() == make_file("1.2.3.2")
    assert outcome.response("http://node/dicom-web/") == {
        "00081190": {"vr": "UR", "Value": ["http://node/dicom-web/studies/1.2.3"]},
        "00081199": {
            "vr": "SQ",
            "Value": [
                {
                    "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.4"]},
                    "00081155": {"vr": "UI", "Value": [uid]},
                    "00081190": {
                        "vr": "UR",
                        "Value": [f"http://node/dicom-web/studies/1.2.3/series/1.2.3.9/instances/{uid}"],
                    },
                }
                for uid in ("1.2.3.1", "1.2.3.2")
            ],
        },
    }


def test_the_end_of_a_request_is_the_end_of_its_sending(archive: Archive) -> None:
    store(archive, make_file())
    (study,) = archive.studies.open_studies()
    assert (study.open_associations, study.last_released) == (0, at(0))


def test_a_duplicate_is_a_success(archive: Archive) -> None:
    store(archive, make_file())
    assert store(archive, make_file()).http_status == 200


@pytest.mark.parametrize(
    ("data", "reason", "named"),
    [
        (make_file(InstanceNumber=9), 0xC111, True),
        (make_file("1.9.1", "1.9"), 0xA900, True),
        (b"", 0xC000, False),
        (make_file("1.2.3.5")[:500], 0xC000, True),
        (make_file("1.2.3.5")[:-20], 0xC000, True),
    ],
)
def test_a_failure_does_not_keep_the_others_away(archive: Archive, data: bytes, reason: int, named: bool) -> None:
    store(archive, make_file())
    outcome = store(archive, make_file("1.2.3.2"), data, make_file("1.2.3.3"), study="1.2.3")
    assert outcome.http_status == 202
    assert [item.sop_instance_uid for item in outcome.stored] == ["1.2.3.2", "1.2.3.3"]
    assert [item.reason for item in outcome.failed] == [reason]
    sequence = outcome.response("u")["00081198" if named else "0008119A"]
    (item,) = sequence["Value"]  # type: ignore[misc]
    assert item["00081197"] == {"vr": "US", "Value": [reason]}  # type: ignore[index]


def test_nothing_stored_is_a_conflict(archive: Archive) -> None:
    assert store(archive, b"").http_status == 409
    assert store(archive).http_status == 409
    other = store_instances(archive, [part(b"{}", "application/dicom+json")], ORIGIN, lambda: at(0))
    assert (other.http_status, other.failed[0].comment) == (409, "the part is not of media type application/dicom")


def test_a_full_disk_asks_to_come_again(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise ArchiveFullError("no space")

    monkeypatch.setattr(archive.instances, "new_file", full)
    outcome = store(archive, make_file())
    assert (outcome.http_status, outcome.failed[0].reason) == (503, 0xA700)


def test_a_body_that_is_cut_off_is_refused_but_keeps_what_was_whole(archive: Archive) -> None:
    head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    cut = head + make_file() + b"\r\n" + head + make_file("1.2.3.2")[:600]
    with pytest.raises(MultipartError):
        store_instances(archive, parse_multipart([cut], "b"), ORIGIN, lambda: at(0))
    assert archive.instances.exists("1.2.3.1")
    assert not archive.instances.exists("1.2.3.2")


def test_the_unforeseen_is_a_processing_failure() -> None:
    assert answer_to(KeyError("x")).dimse_status == 0x0110
    assert answer_to(OSError(5, "I/O error")).transient
