"""WADO-RS: instances as they came, metadata without bulk data, frames, bulk data."""

from email.parser import BytesParser
from email.policy import HTTP
from io import BytesIO

import numpy as np
import pytest
from httpx import Response
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from dicomnode.archive import Archive
from tests.unit.web.conftest import Client, Store, file_bytes, keep, make_dataset

INSTANCE = "/dicom-web/studies/1.2.1/series/1.2.1.1/instances/1.2.1.1.1"
PIXELS = np.arange(24, dtype="<u2")


def parts(answer: Response) -> list[tuple[str, bytes]]:
    """Content type and body of every part."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + answer.content)
    boundary = message.get_boundary().encode()
    bodies = answer.content.split(b"--" + boundary)[1:-1]
    found = []
    for body in bodies:
        part_head, _, content = body.partition(b"\r\n\r\n")
        kind = next(line for line in part_head.decode().split("\r\n") if line.lower().startswith("content-type"))
        found.append((kind.partition(": ")[2], content.removesuffix(b"\r\n")))
    return found


def test_study_comes_back_byte_for_byte(client: Client, archive: Archive) -> None:
    originals = [file_bytes(make_dataset(number=number)) for number in (1, 2, 3)]
    for content in originals:
        keep(archive, content)
    answer = client.get("/dicom-web/studies/1.2.1", headers={"Accept": 'multipart/related; type="application/dicom"'})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert parts(answer) == [(f"application/dicom; transfer-syntax={ExplicitVRLittleEndian}", c) for c in originals]
    assert len(parts(client.get("/dicom-web/studies/1.2.1/series/1.2.1.1"))) == 3
    assert parts(client.get(INSTANCE))[0][1] == originals[0]


def test_single_part_where_asked(client: Client, store: Store) -> None:
    dataset = store()
    answer = client.get(INSTANCE, headers={"Accept": "application/dicom"})
    assert answer.headers["content-type"].startswith("application/dicom")
    assert answer.content == file_bytes(dataset)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ('multipart/related; type="application/dicom"; transfer-syntax=*', 200),
        (f'multipart/related; type="application/dicom"; transfer-syntax={ExplicitVRLittleEndian}', 200),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50', 406),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50, */*;q=0.1', 200),
        ("image/jpeg", 406),
    ],
)
def test_accept_decides(client: Client, store: Store, accept: str, status: int) -> None:
    store()
    assert client.get(INSTANCE, headers={"Accept": accept}).status_code == status


@pytest.mark.parametrize("path", ["/dicom-web/studies/9.9", f"{INSTANCE}9", "/dicom-web/studies/9.9/metadata"])
def test_unknown_is_404(client: Client, store: Store, path: str) -> None:
    store()
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["title"] == "Not Found"


def test_metadata_is_whole_but_for_bulk_data(client: Client, store: Store) -> None:
    item = Dataset()
    item.add_new(0x00091011, "UN", bytes(2000))
    store(ReferencedImageSequence=[item], ImageType=["ORIGINAL", "PRIMARY"], FlipAngle="90")
    (found,) = client.get(f"{INSTANCE}/metadata").json()
    assert found["00100010"]["Value"] == [{"Alphabetic": "Müller^Study 1"}]
    assert found["00080008"]["Value"] == ["ORIGINAL", "PRIMARY"]
    assert found["00181314"] == {"vr": "DS", "Value": [90.0]}
    assert found["00083002"]["Value"] == [ExplicitVRLittleEndian]
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": f"http://testserver{INSTANCE}/bulkdata/7FE00010"}
    nested = found["00081140"]["Value"][0]["00091011"]["BulkDataURI"]
    assert client.get(nested).content == bytes(2000)
    assert client.get(found["7FE00010"]["BulkDataURI"]).content == PIXELS.tobytes()
    assert client.get(f"{INSTANCE}/bulkdata/00091099").status_code == 404


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_native_frames(client: Client, archive: Archive, syntax: str) -> None:
    frames = np.arange(72, dtype="<u2").reshape(3, 4, 6)
    dataset = make_dataset(NumberOfFrames=3)
    dataset.file_meta.TransferSyntaxUID = syntax
    big = syntax == ExplicitVRBigEndian
    dataset.PixelData = frames.astype(">u2" if big else "<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    keep(archive, buffer.getvalue())
    answer = client.get(f"{INSTANCE}/frames/3,1")
    kind = f"application/octet-stream; transfer-syntax={ExplicitVRLittleEndian}"
    assert parts(answer) == [(kind, frames[2].tobytes()), (kind, frames[0].tobytes())]
    assert client.get(f"{INSTANCE}/metadata").json()[0]["7FE00010"]["vr"] == "OW"


def test_frames_of_single_bits_need_not_start_at_a_byte(client: Client, store: Store) -> None:
    masks = np.random.default_rng(3).random((3, 5, 5)) > 0.5
    packed = np.packbits(masks.ravel(), bitorder="little").tobytes()
    store(
        Rows=5,
        Columns=5,
        NumberOfFrames=3,
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelData=packed + b"\0" * (len(packed) % 2),
    )
    for index in range(3):
        content = parts(client.get(f"{INSTANCE}/frames/{index + 1}"))[0][1]
        bits = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")[:25]
        assert np.array_equal(bits.reshape(5, 5), masks[index])


@pytest.mark.parametrize(("syntax", "kind"), [(RLELossless, "image/dicom-rle"), (JPEG2000Lossless, "image/jp2")])
def test_compressed_frames_as_stored_and_decoded(client: Client, archive: Archive, syntax: str, kind: str) -> None:
    frames = np.arange(2 * 64 * 64, dtype="<u2").reshape(2, 64, 64) % 4000
    dataset = make_dataset(NumberOfFrames=2, Rows=64, Columns=64)
    dataset.PixelData = frames.tobytes()
    dataset.compress(syntax, generate_instance_uid=False)
    keep(archive, file_bytes(dataset))
    stored = parts(client.get(f"{INSTANCE}/frames/2", headers={"Accept": f'multipart/related; type="{kind}"'}))
    assert stored[0][0] == f"{kind}; transfer-syntax={syntax}"
    any_syntax = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    assert parts(client.get(f"{INSTANCE}/frames/2", headers={"Accept": any_syntax})) == stored
    plain = parts(
        client.get(f"{INSTANCE}/frames/1,2", headers={"Accept": 'multipart/related; type="application/octet-stream"'})
    )
    assert [content for _, content in plain] == [frame.tobytes() for frame in frames]
    whole = parts(client.get(f"{INSTANCE}/bulkdata/7FE00010"))
    assert whole[1] == stored[0]
    wrong = 'multipart/related; type="image/jphc"'
    assert client.get(f"{INSTANCE}/frames/1", headers={"Accept": wrong}).status_code == 406


@pytest.mark.parametrize(
    ("numbers", "status"), [("0", 404), ("2", 404), ("1,2", 404), ("x", 400), ("-1", 400), ("", 404)]
)
def test_frame_numbers_are_checked(client: Client, store: Store, numbers: str, status: int) -> None:
    store()
    assert client.get(f"{INSTANCE}/frames/{numbers}").status_code == status


def test_undecodable_frame_is_told_by_status(client: Client, archive: Archive) -> None:
    dataset = make_dataset(PixelData=b"\0" * 10)
    keep(archive, file_bytes(dataset))
    answer = client.get(f"{INSTANCE}/frames/1")
    assert answer.status_code == 406
    assert "application/dicom" in answer.json()["detail"]


def test_document_has_no_frames(client: Client, archive: Archive) -> None:
    dataset = make_dataset()
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated"):
        delattr(dataset, keyword)
    keep(archive, file_bytes(dataset))
    assert client.get(f"{INSTANCE}/frames/1").status_code == 404
    assert "7FE00010" not in client.get(f"{INSTANCE}/metadata").json()[0]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_file_without_preamble_is_given_out_like_any(client: Client, archive: Archive, syntax: str) -> None:
    dataset = make_dataset()
    dataset["PixelData"].VR = "OW"
    buffer = BytesIO()
    implicit = syntax == ImplicitVRLittleEndian
    del dataset.file_meta
    dataset.save_as(buffer, implicit_vr=implicit, little_endian=True)
    keep(archive, buffer.getvalue())
    assert client.get(f"{INSTANCE}/metadata").json()[0]["00083002"]["Value"] == [syntax]
    assert parts(client.get(f"{INSTANCE}/frames/1"))[0][1] == PIXELS.tobytes()
    assert client.get(f"{INSTANCE}/bulkdata/7FE00010").content == PIXELS.tobytes()
    assert client.get(f"{INSTANCE}/rendered").status_code == 200
    accept = {"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={RLELossless}'}
    assert (
        dcmread(BytesIO(parts(client.get(INSTANCE, headers=accept))[0][1])).file_meta.TransferSyntaxUID == RLELossless
    )


def test_retrieved_file_reads_as_dicom(client: Client, store: Store) -> None:
    store()
    content = client.get(INSTANCE, headers={"Accept": "application/dicom"}).content
    assert dcmread(BytesIO(content)).PatientName == "Müller^Study 1"
