"""The last echo of each peer, and the devices of the workers."""

from dataclasses import replace
from datetime import timedelta

from dicomnode.archive import Archive
from dicomnode.archive.devices import DeviceRecord
from dicomnode.archive.echoes import Echo, PeerKind
from tests.archives import NOW, at, open_archive

ECHO = Echo(PeerKind.TARGET, "pacs", NOW, True, "0x0000 success", 12)
DEVICE = DeviceRecord("worker-1", "cuda:0", "A card", 5 * 2**30, 80 * 2**30, ("brain", "breast"), NOW)


def test_the_last_echo_of_each_peer_is_kept(tmp_path) -> None:
    with open_archive(tmp_path) as archive:
        other = replace(ECHO, kind=PeerKind.PACS)
        worse = replace(ECHO, at=at(60), good=False, detail="nobody listens there", milliseconds=3)
        for echo in (ECHO, other, worse):
            archive.echoes.note(echo)
        assert archive.echoes.list() == [other, worse]


def test_devices_are_told_anew_and_forgotten(tmp_path) -> None:
    with open_archive(tmp_path) as archive:
        note(archive, DEVICE)
        note(archive, replace(DEVICE, models=(), seen=at(10)))
        assert archive.devices.list() == [replace(DEVICE, models=(), seen=at(10))]
        later = replace(DEVICE, owner="worker-2", seen=at(1000))
        note(archive, later)
        assert archive.devices.list() == [later]
        archive.devices.forget("worker-2")
        assert archive.devices.list() == []


def note(archive: Archive, record: DeviceRecord) -> None:
    archive.devices.note(record, record.seen - timedelta(seconds=300))
