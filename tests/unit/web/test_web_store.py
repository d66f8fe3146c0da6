"""STOW-RS: what is kept, and what each sender is told."""

from collections.abc import AsyncIterator, Iterator, Sequence

import anyio
import pytest

from dicomnode.archive import Archive
from dicomnode.archive.records import QidoQuery
from dicomnode.archive.space import Space
from dicomnode.errors import ArchiveError, ArchiveFullError, DicomNodeError, IdentityError, PixelError
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from tests.unit.web.conftest import Client, file_bytes, make_dataset

KIND = 'multipart/related; type="application/dicom"; boundary=b0undary'
STORED, FAILED, OTHER = "00081199", "00081198", "0008119A"


def body(*files: bytes) -> bytes:
    parts = [b"--b0undary\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n" for content in files]
    return b"".join(parts) + b"--b0undary--\r\n"


def post(client: Client, content: bytes, path: str = "/dicom-web/studies", kind: str = KIND) -> object:
    return client.request("POST", path, content=content, headers={"Content-Type": kind})


def kept(archive: Archive) -> list[str]:
    return [record.instance.sop_instance_uid for record in archive.studies.search_instances(QidoQuery())]


def uids(sequence: dict) -> list[str]:
    return [item["00081155"]["Value"][0] for item in sequence["Value"]]


def test_stored_instances_are_named_with_their_addresses(client: Client, archive: Archive) -> None:
    files = [file_bytes(make_dataset(number=number)) for number in (1, 2)]
    answer = post(client, body(*files))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert uids(answer.json()[STORED]) == ["1.2.1.1.1", "1.2.1.1.2"]
    url = answer.json()[STORED]["Value"][0]["00081190"]["Value"][0]
    assert client.get(url, headers={"Accept": "application/dicom"}).content == files[0]
    assert kept(archive) == ["1.2.1.1.1", "1.2.1.1.2"]


def test_some_stored_is_202(client: Client, archive: Archive) -> None:
    answer = post(client, body(file_bytes(make_dataset()), b"x" * 300))
    assert answer.status_code == 202
    assert uids(answer.json()[STORED]) == ["1.2.1.1.1"]
    assert answer.json()[OTHER]["Value"][0]["00081197"]["Value"] == [0xC000]
    assert kept(archive) == ["1.2.1.1.1"]


def test_none_stored_is_409(client: Client, archive: Archive) -> None:
    assert post(client, body(b"", b"x" * 300)).status_code == 409
    assert kept(archive) == []


def test_other_content_of_a_known_uid_is_a_conflict(client: Client) -> None:
    assert post(client, body(file_bytes(make_dataset()))).status_code == 200
    assert post(client, body(file_bytes(make_dataset()))).status_code == 200  # the same again is no conflict
    answer = post(client, body(file_bytes(make_dataset(StudyDescription="changed"))))
    assert answer.status_code == 409
    assert uids(answer.json()[FAILED]) == ["1.2.1.1.1"]


def test_study_of_the_address_counts(client: Client) -> None:
    assert post(client, body(file_bytes(make_dataset())), "/dicom-web/studies/1.2.1").status_code == 200
    answer = post(client, body(file_bytes(make_dataset(number=2))), "/dicom-web/studies/1.2.9")
    assert answer.status_code == 409


@pytest.mark.parametrize(
    "kind",
    [
        "application/dicom+json",
        "multipart/form-data; boundary=b0undary",
        'multipart/related; type="application/dicom+xml"; boundary=b',
        "",
    ],
)
def test_other_media_types_are_415(client: Client, kind: str) -> None:
    assert post(client, body(file_bytes(make_dataset())), kind=kind).status_code == 415


@pytest.mark.parametrize("content", [b"", b"nothing here", body(b"x")[:-20]])
def test_broken_bodies_are_400(client: Client, content: bytes) -> None:
    answer = post(client, content)
    assert answer.status_code == 400
    assert "multipart" in answer.json()["detail"]


def test_missing_boundary_is_400(client: Client) -> None:
    kind = 'multipart/related; type="application/dicom"'
    assert post(client, body(b"x"), kind=kind).status_code == 400


def test_announced_size_is_limited(client: Client, archive: Archive) -> None:
    answer = post(client, body(file_bytes(make_dataset()), b"x" * 100_001))
    assert answer.status_code == 413
    assert "web.maximum_request_bytes" in answer.json()["detail"]
    assert kept(archive) == []


def test_unannounced_size_is_limited_while_it_arrives(client: Client) -> None:
    async def endless() -> Iterator[bytes]:
        yield body(file_bytes(make_dataset()))[:-12]
        for _ in range(40):
            yield b"\0" * 10_000

    answer = client.request("POST", "/dicom-web/studies", content=endless(), headers={"Content-Type": KIND})
    assert answer.status_code == 413


def test_full_disk_is_503_with_a_word_when(client: Client, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: object) -> None:
        raise ArchiveFullError("no space left: free some disk")

    monkeypatch.setattr(type(archive.instances), "new_file", full)
    answer = post(client, body(file_bytes(make_dataset())))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_no_room_is_503_before_the_body_is_read(
    client: Client, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive.space, "look", lambda: Space(0, 0, "only 0 MiB of disk are left"))
    answer = post(client, b"never looked at")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert kept(archive) == []


def test_pieces_of_any_size_arrive_whole(client: Client) -> None:
    whole = body(file_bytes(make_dataset(number=1)), file_bytes(make_dataset(number=2)))

    def pieces(size: int) -> Sequence[bytes]:
        return [whole[at : at + size] for at in range(0, len(whole), size)]

    async def stream() -> Iterator[bytes]:
        for piece in pieces(7):
            yield piece

    answer = client.request("POST", "/dicom-web/studies", content=stream(), headers={"Content-Type": KIND})
    assert answer.status_code == 200
    assert uids(answer.json()[STORED]) == ["1.2.1.1.1", "1.2.1.1.2"]


def test_a_silent_sender_is_given_up(archive: Archive, settings: Settings) -> None:
    impatient = settings.model_copy(
        update={"receive": settings.receive.model_copy(update={"network_timeout_seconds": 0.2})}
    )

    async def stalling() -> AsyncIterator[bytes]:
        yield body(file_bytes(make_dataset()))[:-12]
        await anyio.sleep(30)
        yield b""

    client = Client(create_app(archive, impatient))
    answer = client.request("POST", "/dicom-web/studies", content=stalling(), headers={"Content-Type": KIND})
    assert answer.status_code == 408


def test_one_file_alone(client: Client, archive: Archive) -> None:
    content = file_bytes(make_dataset())
    answer = post(client, content, kind="application/dicom")
    assert answer.status_code == 200
    assert uids(answer.json()[STORED]) == ["1.2.1.1.1"]
    assert post(client, b"", kind="application/dicom").status_code == 409
    assert kept(archive) == ["1.2.1.1.1"]


class _BrokenError(DicomNodeError):
    """What nobody foresaw."""


@pytest.mark.parametrize(
    ("attributes", "path", "fault", "reason", "status"),
    [
        ({"StudyDescription": "other"}, "", None, 0xC111, 409),
        ({}, "/1.2.9", None, 0xA900, 409),
        ({"SOPClassUID": "1.2.840.10008.1.1"}, "", None, 0x0122, 409),
        ({"number": 2}, "", ArchiveFullError("no space left"), 0xA700, 503),
        ({"number": 2}, "", ArchiveError("the index is busy"), 0xA700, 503),
        ({"number": 2}, "", OSError("a disk is gone"), 0xA700, 503),
        ({"number": 2}, "", IdentityError("another patient"), 0xC112, 409),
        ({"number": 2}, "", PixelError("unsound"), 0xC001, 409),
        ({"number": 2}, "", _BrokenError("a bug"), 0x0110, 409),
    ],
)
def test_failure_reasons(
    client: Client,
    archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
    attributes: dict[str, object],
    path: str,
    fault: Exception | None,
    reason: int,
    status: int,
) -> None:
    """PS3.18 I.2.2."""
    assert post(client, body(file_bytes(make_dataset()))).status_code == 200

    def fail(*_: object) -> None:
        raise fault or AssertionError

    if fault is not None:
        monkeypatch.setattr(type(archive.instances), "land", fail)
    dataset = make_dataset(**attributes)
    answer = post(client, body(file_bytes(dataset)), f"/dicom-web/studies{path}")
    assert answer.status_code == status
    (item,) = answer.json()[FAILED]["Value"]
    assert item["00081197"] == {"vr": "US", "Value": [reason]}
    assert item["00081150"]["Value"] == [dataset.SOPClassUID]
    assert item["00081155"]["Value"] == [dataset.SOPInstanceUID]
    assert STORED not in answer.json()
