"""WADO-RS: transfer syntaxes that clients ask for, and what they get."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from dicomnode.archive import Archive
from tests.factories import compress_jpeg, make_micrograph
from tests.unit.web.conftest import Client, file_bytes, keep, make_dataset
from tests.unit.web.test_web_retrieve import parts

STUDY = "/dicom-web/studies/1.2.1"
INSTANCE = f"{STUDY}/series/1.2.1.1/instances/1.2.1.1.1"
FRAMES = np.arange(2 * 32 * 48, dtype="<u2").reshape(2, 32, 48) % 4000
COLOUR = np.random.default_rng(5).integers(0, 255, (32, 32, 3), dtype=np.uint8)
DEFAULT = 'multipart/related; type="application/dicom"'


def image(syntax: str = ExplicitVRLittleEndian) -> Dataset:
    dataset = make_dataset(NumberOfFrames=2, Rows=32, Columns=48)
    dataset.PixelData = FRAMES.tobytes()
    dataset["PixelData"].VR = "OW"
    if UID(syntax).is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    return dataset


def as_file(dataset: Dataset, syntax: str) -> bytes:
    """The data set in an uncompressed syntax."""
    buffer = BytesIO()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def asking(syntax: str, kind: str = "application/dicom") -> dict[str, str]:
    return {"Accept": f'multipart/related; type="{kind}"; transfer-syntax={syntax}'}


@pytest.mark.parametrize("stored", [ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless])
@pytest.mark.parametrize(
    "wanted", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless]
)
def test_an_instance_in_the_syntax_asked_for(client: Client, archive: Archive, stored: str, wanted: str) -> None:
    keep(archive, file_bytes(image(stored)))
    ((kind, content),) = parts(client.get(INSTANCE, headers=asking(wanted)))
    assert kind == f"application/dicom; transfer-syntax={wanted}"
    dataset = dcmread(BytesIO(content))
    assert dataset.file_meta.TransferSyntaxUID == wanted
    assert (dataset.SOPInstanceUID, dataset.PatientName) == ("1.2.1.1.1", "Müller^Study 1")
    assert np.array_equal(dataset.pixel_array, FRAMES)


@pytest.mark.parametrize("stored", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_uncompressed_instances_become_explicit_little_endian(client: Client, archive: Archive, stored: str) -> None:
    dataset = image()
    if stored == ExplicitVRBigEndian:
        dataset.PixelData = FRAMES.astype(">u2").tobytes()
    keep(archive, as_file(dataset, stored))
    ((kind, content),) = parts(client.get(INSTANCE, headers={"Accept": DEFAULT}))
    assert kind.endswith(f"={ExplicitVRLittleEndian}")
    assert np.array_equal(dcmread(BytesIO(content)).pixel_array, FRAMES)
    assert parts(client.get(INSTANCE, headers=asking("*")))[0][0].endswith(f"={stored}")


def test_without_a_word_lossless_is_decompressed_and_lossy_left_alone(client: Client, archive: Archive) -> None:
    lossy = compress_jpeg(make_micrograph(COLOUR))
    keep(archive, file_bytes(image(JPEGLSLossless)))
    keep(archive, file_bytes(lossy))
    assert parts(client.get(INSTANCE, headers={"Accept": DEFAULT}))[0][0].endswith(f"={ExplicitVRLittleEndian}")
    path = f"/dicom-web/studies/{lossy.StudyInstanceUID}"
    assert parts(client.get(path, headers={"Accept": DEFAULT}))[0][0].endswith(f"={JPEGBaseline8Bit}")
    ((_, content),) = parts(client.get(path, headers=asking(ExplicitVRLittleEndian)))
    decoded = dcmread(BytesIO(content))
    assert np.array_equal(decoded.pixel_array, pixel_array(BytesIO(file_bytes(lossy))))


def test_objects_without_pixels_are_not_compressed(client: Client, archive: Archive) -> None:
    document = make_dataset(number=2)
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated"):
        delattr(document, keyword)
    keep(archive, file_bytes(image()))
    keep(archive, file_bytes(document))
    kinds = [kind.rpartition("=")[2] for kind, _ in parts(client.get(STUDY, headers=asking(RLELossless)))]
    assert kinds == [RLELossless, ExplicitVRLittleEndian]


def test_a_syntax_that_cannot_be_made_is_406_with_what_can(client: Client, archive: Archive) -> None:
    keep(archive, file_bytes(image()))
    answer = client.get(INSTANCE, headers=asking(JPEGBaseline8Bit))
    assert answer.status_code == 406
    assert JPEGBaseline8Bit in answer.json()["detail"]
    assert RLELossless in answer.json()["detail"]
    either = asking(JPEGBaseline8Bit)["Accept"] + f", {asking(RLELossless)['Accept']};q=0.5"
    assert parts(client.get(INSTANCE, headers={"Accept": either}))[0][0].endswith(f"={RLELossless}")


def test_the_better_liked_of_two_is_given(client: Client, archive: Archive) -> None:
    keep(archive, file_bytes(image()))
    weighed = f"{asking(RLELossless)['Accept']};q=0.3, {asking(JPEGLSLossless)['Accept']};q=0.8"
    assert parts(client.get(INSTANCE, headers={"Accept": weighed}))[0][0].endswith(f"={JPEGLSLossless}")


def test_damaged_pixels_are_told_by_status_or_left_as_they_are(client: Client, archive: Archive) -> None:
    dataset = image(JPEG2000Lossless)
    content = file_bytes(dataset)
    at = content.index(b"\xff\x4f\xff\x51")
    keep(archive, content[:at] + b"\0" * 40 + content[at + 40 :])
    assert client.get(INSTANCE, headers=asking(ExplicitVRLittleEndian)).status_code == 406
    assert parts(client.get(INSTANCE, headers={"Accept": DEFAULT}))[0][0].endswith(f"={JPEG2000Lossless}")


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [("image/jls", JPEGLSLossless), ("image/x-dicom-rle", RLELossless), ("image/jp2", JPEG2000Lossless)],
)
@pytest.mark.parametrize("stored", [ExplicitVRLittleEndian, RLELossless])
def test_frames_are_compressed_on_request(
    client: Client, archive: Archive, kind: str, syntax: str, stored: str
) -> None:
    keep(archive, file_bytes(image(stored)))
    answer = client.get(f"{INSTANCE}/frames/2", headers={"Accept": f'multipart/related; type="{kind}"'})
    ((content_type, stream),) = parts(answer)
    assert content_type == f"{kind.replace('x-', '')}; transfer-syntax={syntax}"
    expected = image(syntax)
    assert stream.rstrip(b"\0") == list(generate_frames(expected.PixelData, number_of_frames=2))[1].rstrip(b"\0")


def test_pixel_data_and_bulk_data_of_a_whole_study(client: Client, archive: Archive) -> None:
    keep(archive, file_bytes(image()))
    second = image(RLELossless)
    second.SOPInstanceUID, second.InstanceNumber = "1.2.1.1.2", 2
    second.file_meta.MediaStorageSOPInstanceUID = "1.2.1.1.2"
    keep(archive, file_bytes(second))
    accept = {"Accept": 'multipart/related; type="application/octet-stream"'}
    frames = [content for _, content in parts(client.get(f"{STUDY}/pixeldata", headers=accept))]
    assert frames == [frame.tobytes() for _ in range(2) for frame in FRAMES]
    values = [content for _, content in parts(client.get(f"{STUDY}/series/1.2.1.1/bulkdata", headers=accept))]
    assert values == [FRAMES.tobytes(), *(frame.tobytes() for frame in FRAMES)]
    assert client.get(f"{STUDY}/bulkdata", headers={"Accept": "image/jp2"}).status_code == 406
