"""Archives for the tests, and files to put into them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.archive import Archive
from dicomnode.archive.records import Origin, Stored, Way
from dicomnode.archive.staged import StagedFile
from dicomnode.dicom.header import InstanceHeader, read_header
from dicomnode.dicom.part10 import part10_preamble
from dicomnode.settings import ArchiveSettings, NodeSettings, Settings

# For tests of what only SQLite does, that use the fixture `archive`
only_sqlite = pytest.mark.parametrize("index_url", ["sqlite"], indirect=True)
MR = "1.2.840.10008.5.1.4.1.1.4"
SR = "1.2.840.10008.5.1.4.1.1.88.33"
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def make_file(sop: str = "1.2.3.1", study: str = "1.2.3", source: str = "", **attributes: object) -> bytes:
    """A Part 10 file with the given attributes besides the UIDs."""
    dataset = Dataset()
    dataset.SOPClassUID = str(attributes.pop("SOPClassUID", MR))
    dataset.SOPInstanceUID = sop
    dataset.StudyInstanceUID = study
    dataset.SeriesInstanceUID = str(attributes.pop("SeriesInstanceUID", f"{study}.9"))
    dataset.Modality = "MR"
    dataset.PatientID = "P1"
    dataset.PatientName = "Doe^Jane"
    dataset.PixelData = b"\0" * 64
    dataset["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    buffer = BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True)
    return part10_preamble(dataset.SOPClassUID, sop, ExplicitVRLittleEndian, source) + buffer.getvalue()


def contributing(manufacturer: str) -> list[Dataset]:
    item = Dataset()
    item.Manufacturer = manufacturer
    return [item]


def open_archive(folder: Path, index_url: str = "") -> Archive:
    """An archive in a folder; with its index on a server, if its URL is given."""
    settings = Settings(node=NodeSettings(data_dir=folder), archive=ArchiveSettings(database_url=index_url))
    return Archive.open(settings)


def put(archive: Archive, data: bytes, now: datetime = NOW, called: str = "DICOMNODE") -> Stored:
    with archive.instances.new_file() as staged:
        staged.write(data)
        header = read_header(BytesIO(data))
        return archive.instances.commit(staged, header, Origin(Way.C_STORE, "MODALITY", called, "127.0.0.1"), now)


def complete(archive: Archive, study: str = "1.2.3", now: datetime = NOW) -> int:
    """Close a study that awaits instances."""
    open_study = next(item for item in archive.studies.open_studies() if item.study_instance_uid == study)
    generation = archive.studies.complete(study, "enough", open_study.arrivals, now)
    assert generation is not None
    return generation


def index_at_once(archive: Archive) -> None:
    """Have what lands indexed before it is acknowledged, for tests that look into the index next."""
    land = archive.instances.land

    def land_and_flush(staged: StagedFile, header: InstanceHeader, origin: Origin, now: datetime) -> Stored:
        stored = land(staged, header, origin, now)
        archive.instances.flush()
        return stored

    archive.instances.land = land_and_flush  # type: ignore[method-assign]
