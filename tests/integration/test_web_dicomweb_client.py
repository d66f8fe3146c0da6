"""dicomweb-client, a DICOMweb client that we did not write, against the web role on a loopback port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from queue import Queue

import numpy as np
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from dicomnode.archive import Archive
from dicomnode.errors import SettingsError
from dicomnode.settings import Settings
from dicomnode.web import serve_web
from tests.factories import make_instance
from tests.serving import serving


def instances() -> list[FileDataset]:
    """Two series of one study and a series of another."""
    return [
        *(make_instance(series="one", name=str(n), InstanceNumber=n, PatientID="A") for n in (1, 2, 3)),
        make_instance(series="two", name="1", InstanceNumber=1, PatientID="A", SeriesDescription="other"),
        make_instance(study="second", name="1", PatientID="B", StudyDate="20260203"),
    ]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    web = {"port": 0, "accounts": {"required": False}}
    return Settings.model_validate({"node": {"data_dir": tmp_path / "data"}, "web": web})


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    """A running web role."""
    with Archive.open(settings) as archive, serving(archive, settings) as url:
        yield url


@pytest.fixture
def client(address: str) -> Iterator[DICOMwebClient]:
    client = DICOMwebClient(f"{address}/dicom-web")
    yield client
    client._session.close()


def test_store_query_and_retrieve(client: DICOMwebClient) -> None:
    sent = instances()
    answer = client.store_instances(sent)
    assert len(answer.ReferencedSOPSequence) == 5
    assert "FailedSOPSequence" not in answer

    (study,) = client.search_for_studies(search_filters={"PatientID": "A"})
    study_uid = study["0020000D"]["Value"][0]
    assert study_uid == sent[0].StudyInstanceUID
    assert study["00201208"]["Value"] == [4]
    ranged = client.search_for_studies(search_filters={"StudyDate": "20260201-20260228"})
    assert [item["0020000D"]["Value"][0] for item in ranged] == [sent[4].StudyInstanceUID]
    assert len(client.search_for_series(study_uid)) == 2
    assert len(client.search_for_instances(study_uid, sent[0].SeriesInstanceUID, limit=2)) == 2

    retrieved = {item.SOPInstanceUID: item for item in client.retrieve_study(study_uid)}
    assert len(retrieved) == 4
    for original in sent[:4]:
        assert np.array_equal(retrieved[original.SOPInstanceUID].pixel_array, original.pixel_array)
    assert len(client.retrieve_series(study_uid, sent[0].SeriesInstanceUID)) == 3
    place = (study_uid, sent[3].SeriesInstanceUID, sent[3].SOPInstanceUID)
    assert client.retrieve_instance(*place).SeriesDescription == "other"


def test_metadata_frames_and_bulk_data(client: DICOMwebClient) -> None:
    dataset = make_instance(pixels=np.arange(3 * 8 * 8, dtype=np.uint16).reshape(3, 8, 8))
    client.store_instances([dataset])
    place = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    metadata = client.retrieve_instance_metadata(*place)
    assert metadata["00080018"]["Value"] == [dataset.SOPInstanceUID]
    assert "InlineBinary" not in metadata["7FE00010"]
    assert len(client.retrieve_study_metadata(dataset.StudyInstanceUID)) == 1
    frames = client.retrieve_instance_frames(*place, frame_numbers=[3, 1])
    assert [frame == dataset.pixel_array[index].tobytes() for frame, index in zip(frames, (2, 0), strict=True)]
    # This client's Host header lacks the port, thus so does the address that it was given.
    path = metadata["7FE00010"]["BulkDataURI"].partition("/dicom-web")[2]
    (whole,) = client.retrieve_bulkdata(client.base_url + path)
    assert whole == dataset.pixel_array.tobytes()


def test_compressed_frames(client: DICOMwebClient) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    dataset = make_instance(pixels=pixels)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    client.store_instances([dataset])
    place = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    (stored,) = client.retrieve_instance_frames(*place, frame_numbers=[1], media_types=("image/jp2",))
    assert stored[:4] == b"\xff\x4f\xff\x51"
    (plain,) = client.retrieve_instance_frames(*place, frame_numbers=[1], media_types=("application/octet-stream",))
    assert plain == pixels.tobytes()
    assert np.array_equal(client.retrieve_instance(*place).pixel_array, pixels)


def test_transcoded_instances_and_frames(client: DICOMwebClient) -> None:
    pixels = np.arange(2 * 64 * 64, dtype=np.uint16).reshape(2, 64, 64) % 4000
    dataset = make_instance(pixels=pixels)
    client.store_instances([dataset])
    place = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    for syntax, kind in ((JPEG2000Lossless, "image/jp2"), (JPEGLSLossless, "image/jls")):
        got = client.retrieve_instance(*place, media_types=(("application/dicom", syntax),))
        assert got.file_meta.TransferSyntaxUID == syntax
        assert np.array_equal(got.pixel_array, pixels)
        frames = client.retrieve_instance_frames(*place, frame_numbers=[1, 2], media_types=((kind, syntax),))
        expected = [frame.rstrip(b"\0") for frame in generate_frames(got.PixelData, number_of_frames=2)]
        assert [bytes(frame).rstrip(b"\0") for frame in frames] == expected
    with pytest.raises(requests.HTTPError) as refused:
        client.retrieve_instance(*place, media_types=(("application/dicom", JPEGBaseline8Bit),))
    assert refused.value.response.status_code == 406


def test_rendered_images(client: DICOMwebClient) -> None:
    pixels = np.stack([np.full((16, 24), value, np.uint16) for value in (0, 1000, 2000)])
    dataset = make_instance(pixels=pixels, WindowCenter=1000, WindowWidth=2001)
    client.store_instances([dataset])
    place = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    first = Image.open(BytesIO(client.retrieve_instance_rendered(*place, media_types=("image/png",))))
    assert (first.format, first.size, first.getpixel((0, 0))) == ("PNG", (24, 16), 0)
    parameters = {"window": "0,10,linear", "viewport": "12,8"}
    content = client.retrieve_instance_frames_rendered(
        *place, frame_numbers=[2], media_types=("image/jpeg",), params=parameters
    )
    second = Image.open(BytesIO(content))
    assert (second.format, second.size) == ("JPEG", (12, 8))
    assert second.getpixel((5, 5)) == 255


def test_ranges_of_bulk_data(client: DICOMwebClient) -> None:
    dataset = make_instance()
    client.store_instances([dataset])
    place = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    path = client.retrieve_instance_metadata(*place)["7FE00010"]["BulkDataURI"].partition("/dicom-web")[2]
    (piece,) = client.retrieve_bulkdata(client.base_url + path, ("application/octet-stream",), byte_range=(16, 47))
    assert piece == dataset.PixelData[16:48]


def test_fuzzy_names_fields_and_pages(client: DICOMwebClient) -> None:
    client.store_instances(
        [make_instance(study=str(n), PatientName=f"Núñez^Eva {n}", PatientAge="040Y") for n in range(5)]
    )
    assert client.search_for_studies(search_filters={"PatientName": "nunez"}) == []
    found = client.search_for_studies(
        fuzzymatching=True,
        search_filters={"PatientName": "eva nune"},
        fields=["PatientAge"],
        limit=2,
        get_remaining=True,
    )
    assert len({study["0020000D"]["Value"][0] for study in found}) == 5
    assert all(study["00101010"]["Value"] == ["040Y"] for study in found)
    assert len(client.search_for_studies(limit=2, offset=4)) == 1


def test_rejected_instances_are_named(client: DICOMwebClient) -> None:
    dataset = make_instance()
    client.store_instances([dataset])
    dataset.StudyDescription = "changed after sending"
    with pytest.raises(requests.HTTPError) as caught:
        client.store_instances([dataset])
    assert caught.value.response.status_code == 409
    failed = caught.value.response.json()["00081198"]["Value"]
    assert failed[0]["00081155"]["Value"] == [dataset.SOPInstanceUID]


def test_many_requests_at_once(address: str, client: DICOMwebClient) -> None:
    client.store_instances(instances())
    url = f"{address}/dicom-web/studies"
    answers: Queue[int] = Queue()
    threads = [
        threading.Thread(target=lambda: answers.put(requests.get(url, timeout=30).status_code)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers.get() for _ in threads] == [200] * 8


def test_a_cut_off_request_keeps_nothing_half(address: str, client: DICOMwebClient) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"--b\r\nContent-Type: application/dicom\r\n\r\n" + bytes(128) + b"DICM"
        raise ConnectionError("the sender dies")

    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    with pytest.raises((requests.RequestException, ConnectionError)):
        requests.post(f"{address}/dicom-web/studies", data=chunks(), headers=kind, timeout=30)
    assert client.search_for_studies() == []


def test_a_taken_port_is_told(settings: Settings, address: str) -> None:
    port = int(address.rpartition(":")[2])
    taken = settings.model_copy(update={"web": settings.web.model_copy(update={"port": port})})
    with Archive.open(taken) as archive, pytest.raises(SettingsError, match=str(port)):
        serve_web(archive, taken, lambda _port: None)
