"""STOW-RS of metadata in JSON with their bulk data."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from httpx import Response
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from dicomnode.archive import Archive
from dicomnode.archive.records import QidoQuery
from tests.unit.web.conftest import Client, make_dataset

KIND = 'multipart/related; type="application/dicom+json"; boundary=b0undary'
STORED, FAILED, OTHER, PIXELS = "00081199", "00081198", "0008119A", "7FE00010"
Part = tuple[str, str, bytes]


def described(**attributes: Any) -> dict[str, Any]:
    """Metadata of an image without its pixels."""
    dataset = make_dataset(**attributes)
    del dataset.PixelData
    return dataset.to_json_dict()


def post(client: Client, documents: object, *parts: Part) -> Response:
    content = documents if isinstance(documents, bytes) else json.dumps(documents).encode()
    body = b""
    for kind, location, value in (("application/dicom+json", "", content), *parts):
        place = f"Content-Location: {location}\r\n" if location else ""
        body += f"--b0undary\r\nContent-Type: {kind}\r\n{place}\r\n".encode() + value + b"\r\n"
    headers = {"Content-Type": KIND}
    return client.request("POST", "/dicom-web/studies", content=body + b"--b0undary--\r\n", headers=headers)


def kept(archive: Archive) -> list[Dataset]:
    return [dcmread(record.instance.path) for record in archive.studies.search_instances(QidoQuery())]


def reasons(answer: Response, key: str = FAILED) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer.json()[key]["Value"]]


def test_images_are_put_together(client: Client, archive: Archive) -> None:
    pixels = np.arange(24, dtype="<u2")
    documents = [
        {**described(number=1), PIXELS: {"vr": "OW", "BulkDataURI": "http://elsewhere/pixels/1"}},
        {**described(number=2), PIXELS: {"vr": "OW", "InlineBinary": base64.b64encode(pixels.tobytes()).decode()}},
        {**described(number=3), "00091010": {"vr": "OB", "BulkDataURI": "private"}},
    ]
    parts = (
        ("application/octet-stream", "private", bytes(5000)),
        ("application/octet-stream", "http://elsewhere/pixels/1", pixels.tobytes()),
    )
    answer = post(client, documents, *parts)
    assert answer.status_code == 200, answer.text
    first, second, third = kept(archive)
    assert first.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert first.PatientName == "Müller^Study 1"
    for dataset in (first, second):
        assert np.array_equal(dataset.pixel_array.ravel(), pixels)
    assert third[0x0009, 0x1010].value == bytes(5000)
    assert "PixelData" not in third


@pytest.mark.parametrize("kind", ["image/dicom-rle", f"image/x-other; transfer-syntax={RLELossless}"])
def test_compressed_frames_come_a_part_each(client: Client, archive: Archive, kind: str) -> None:
    frames = np.arange(2 * 32 * 32, dtype="<u2").reshape(2, 32, 32)
    dataset = make_dataset(NumberOfFrames=2, Rows=32, Columns=32, PixelData=frames.tobytes())
    dataset.compress(RLELossless, generate_instance_uid=False)
    streams = list(generate_frames(dataset.PixelData, number_of_frames=2))
    document = dataset.to_json_dict() | {PIXELS: {"vr": "OB", "BulkDataURI": "/p"}}
    answer = post(client, [document], *((kind, "/p", stream) for stream in streams))
    assert answer.status_code == 200, answer.text
    (got,) = kept(archive)
    assert got.file_meta.TransferSyntaxUID == RLELossless
    assert np.array_equal(got.pixel_array, frames)


def test_another_character_set_is_a_coercion_that_is_told(client: Client, archive: Archive) -> None:
    answer = post(client, [described(SpecificCharacterSet="ISO_IR 100")])
    assert answer.status_code == 202
    assert answer.json()[STORED]["Value"][0]["00081196"]["Value"] == [0xB000]
    assert kept(archive)[0].SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize(
    "broken",
    [
        {PIXELS: {"vr": "OW", "BulkDataURI": "nowhere"}},
        {PIXELS: {"vr": "OW"}},
        {"00091010": {"vr": "OB", "BulkDataURI": "nowhere"}},
        {"00280010": {"vr": "US", "Value": ["x"]}},
        {"0028001": {"vr": "US", "Value": [1]}},
        {"00280010": "4"},
        {"00280010": {"vr": "XX", "Value": [1]}},
    ],
)
def test_what_cannot_be_put_together_is_named(client: Client, archive: Archive, broken: Mapping[str, Any]) -> None:
    answer = post(client, [{**described(number=1), **broken}, described(number=2)])
    assert answer.status_code == 202, answer.text
    assert reasons(answer) == [0xC000]
    assert answer.json()[FAILED]["Value"][0]["00081155"]["Value"] == ["1.2.1.1.1"]
    assert [dataset.SOPInstanceUID for dataset in kept(archive)] == ["1.2.1.1.2"]


def test_metadata_without_uids_are_other_failures(client: Client) -> None:
    answer = post(client, [{}])
    assert answer.status_code == 409
    assert reasons(answer, OTHER) == [0xC000]


@pytest.mark.parametrize("content", [b"no JSON", b"[1]", b'"text"', b"[" * 100_000, b"\xff"])
def test_metadata_that_are_none_are_400(client: Client, content: bytes) -> None:
    assert post(client, content).status_code in (400, 413)
