"""An archive with instances in it, and the application on it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import anyio
import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Way
from dicomnode.dicom.header import read_header
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from tests.unit.web.signed_in import Clock

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Store = Callable[..., Dataset]


def make_dataset(study: str = "1", series: str = "1", number: int = 1, **attributes: object) -> Dataset:
    """A small MR instance; its UIDs follow from its place."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = MRImageStorage
    dataset.StudyInstanceUID = f"1.2.{study}"
    dataset.SeriesInstanceUID = f"1.2.{study}.{series}"
    dataset.SOPInstanceUID = f"1.2.{study}.{series}.{number}"
    dataset.PatientName = f"Müller^Study {study}"
    dataset.PatientID = f"P-{study}"
    dataset.StudyDate = f"202611{min(int(study), 28):02d}"
    dataset.StudyTime = "101500"
    dataset.StudyDescription = f"Head {study}"
    dataset.Modality = "MR"
    dataset.SeriesNumber = int(series)
    dataset.InstanceNumber = number
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 4, 6, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = np.arange(24, dtype="<u2").tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def file_bytes(dataset: Dataset) -> bytes:
    """The data set as a Part 10 file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def keep(archive: Archive, content: bytes) -> None:
    """Put a file into the archive as intake does."""
    with archive.instances.new_file() as staged:
        staged.write(content)
        archive.instances.commit(staged, read_header(BytesIO(content)), Origin(Way.STOW), NOW)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "models").mkdir()
    return Settings.model_validate(
        {
            "node": {"ae_title": "TESTNODE", "data_dir": tmp_path / "data"},
            "models": {"folder": tmp_path / "models"},
            "web": {
                "maximum_request_bytes": 100_000,
                "allowed_hosts": ["testserver"],
                "accounts": {"required": False},
            },
        }
    )


@pytest.fixture
def archive(settings: Settings) -> Iterator[Archive]:
    with Archive.open(settings) as opened:
        yield opened


@pytest.fixture
def store(archive: Archive) -> Store:
    def make_and_keep(**attributes: object) -> Dataset:
        dataset = make_dataset(**attributes)  # type: ignore[arg-type]
        keep(archive, file_bytes(dataset))
        return dataset

    return make_and_keep


class Client:
    """Requests to the application without a network in between."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def get(self, url: str, **more: object) -> httpx.Response:
        return self.request("GET", url, **more)

    def request(self, method: str, url: str, **more: object) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.request(method, url, **more)  # type: ignore[arg-type]

        return anyio.run(ask)


@pytest.fixture
def closed(settings: Settings) -> Settings:
    """The same node, which asks who is there."""
    accounts = settings.web.accounts.model_copy(update={"required": True})
    return settings.model_copy(update={"web": settings.web.model_copy(update={"accounts": accounts})})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guarded(archive: Archive, closed: Settings, clock: Clock) -> FastAPI:
    """The application of the node that asks who is there."""
    return create_app(archive, closed, clock)


@pytest.fixture
def client(archive: Archive, settings: Settings) -> Client:
    return Client(create_app(archive, settings))
