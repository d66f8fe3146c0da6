"""Orthanc as the PACS that is followed by QIDO-RS and WADO-RS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from dicomnode.archive import Archive
from dicomnode.archive.records import Kind, QidoQuery
from dicomnode.dicom.digest import content_digest
from dicomnode.errors import PeerRefusedError, PeerUnavailableError
from dicomnode.intake.poller import Poller
from dicomnode.peers.dicomweb import DicomWebPeer, InstanceSummary, StudySummary
from dicomnode.settings import PollerSettings
from tests.archives import SR, contributing, make_file, open_archive
from tests.peers_fixtures import Orthanc, free_port

TODAY = f"{datetime.now().astimezone():%Y%m%d}"
SOP_INSTANCE, MODALITY = "SOPInstanceUID", "ModalitiesInStudy"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path / "data") as opened:
        yield opened


def upload(orthanc: Orthanc, folder: Path, uid: str, study: str = "1.2.3", **attributes: object) -> Path:
    path = folder / f"{uid}.dcm"
    path.write_bytes(make_file(uid, study, **{"StudyDate": TODAY, **attributes}))
    orthanc.upload(path)
    return path


def poll(orthanc: Orthanc, archive: Archive, **options: object) -> int:
    settings = PollerSettings.model_validate(
        {"name": "orthanc", "url": orthanc.dicom_web_url, "page_size": 2} | options
    )
    with DicomWebPeer(settings.url, 10) as peer:
        return Poller(settings, archive, peer, lambda: datetime.now(UTC), Random(1)).poll(threading.Event())


@pytest.mark.orthanc
def test_a_pacs_is_followed_over_restarts(orthanc: Orthanc, archive: Archive, tmp_path: Path) -> None:
    files = [upload(orthanc, tmp_path, f"1.2.3.{number}", InstanceNumber=number) for number in range(5)]
    upload(orthanc, tmp_path, "1.3.1", "1.3", PatientID="P3")
    upload(orthanc, tmp_path, "1.4.1", "1.4", PatientID="P4", StudyDate="20200101")
    assert poll(orthanc, archive) == 6
    for number, path in enumerate(files):
        assert content_digest(archive.instances.get(f"1.2.3.{number}").path) == content_digest(path)
    assert not archive.instances.exists("1.4.1")
    assert poll(orthanc, archive) == 0
    upload(orthanc, tmp_path, "1.2.3.9")
    assert poll(orthanc, archive) == 1
    assert poll(orthanc, archive) == 0


@pytest.mark.orthanc
def test_filters_narrow_what_is_followed(orthanc: Orthanc, archive: Archive, tmp_path: Path) -> None:
    upload(orthanc, tmp_path, "1.1.1", "1.1", Modality="CT", AccessionNumber="A1")
    upload(orthanc, tmp_path, "1.2.1", "1.2", Modality="MR", AccessionNumber="A1")
    upload(orthanc, tmp_path, "1.3.1", "1.3", Modality="MR", AccessionNumber="B1")
    assert poll(orthanc, archive, modality=["MR"], filters={"AccessionNumber": "A*"}) == 1
    assert archive.instances.exists("1.2.1")


@pytest.mark.orthanc
def test_own_evidence_in_the_pacs_makes_no_new_work(orthanc: Orthanc, archive: Archive, tmp_path: Path) -> None:
    upload(orthanc, tmp_path, "1.2.3.1")
    poll(orthanc, archive)
    (study,) = archive.studies.open_studies()
    archive.studies.complete("1.2.3", "enough", study.arrivals, datetime.now(UTC))
    own = {"SOPClassUID": SR, "Modality": "SR", "SeriesInstanceUID": "1.2.3.7"}
    upload(orthanc, tmp_path, "2.25.1", ContributingEquipmentSequence=contributing("dicomnode"), **own)
    assert poll(orthanc, archive) == 1  # unknown to this node, so it is looked at once
    assert poll(orthanc, archive) == 0
    assert archive.studies.open_studies() == []
    (row,) = archive.studies.search_instances(QidoQuery(((SOP_INSTANCE, "2.25.1"),)))
    assert row.kind is Kind.OWN


@pytest.mark.orthanc
def test_compressed_instances_are_retrieved_as_they_are(orthanc: Orthanc, archive: Archive, tmp_path: Path) -> None:
    dataset = dcmread(BytesIO(make_file("1.2.3.1", StudyDate=TODAY)))
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xd9" * 10])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    path = tmp_path / "jpeg.dcm"
    dataset.save_as(path, enforce_file_format=True)
    orthanc.upload(path)
    assert poll(orthanc, archive) == 1
    assert archive.instances.get("1.2.3.1").transfer_syntax_uid == JPEGBaseline8Bit
    assert content_digest(archive.instances.get("1.2.3.1").path) == content_digest(path)


@pytest.mark.orthanc
def test_what_the_peer_says_comes_back_as_values(orthanc: Orthanc, tmp_path: Path) -> None:
    upload(orthanc, tmp_path, "1.2.3.1")
    with DicomWebPeer(orthanc.dicom_web_url, 10) as peer:
        peer.health()
        assert peer.search_studies({"StudyDate": TODAY}, 10, 0) == [StudySummary("1.2.3", 1)]
        assert peer.search_studies({MODALITY: "CT"}, 10, 0) == []
        assert peer.search_instances("1.2.3", 10, 0) == [InstanceSummary("1.2.3.9", "1.2.3.1")]
        (whole,) = [b"".join(content) for content in peer.retrieve("1.2.3", "1.2.3.9", "1.2.3.1")]
        assert whole[128:132] == b"DICM"
        with pytest.raises(PeerRefusedError, match="status 404"):
            list(peer.retrieve("9.9.9"))


def test_a_peer_that_is_away_is_unavailable() -> None:
    with DicomWebPeer(f"http://127.0.0.1:{free_port()}/dicom-web", 2) as peer:
        with pytest.raises(PeerUnavailableError, match="failed"):
            peer.health()
        with pytest.raises(PeerUnavailableError):
            list(peer.retrieve("1.2.3"))


@pytest.mark.orthanc
def test_a_pacs_that_goes_away_and_comes_back(orthanc: Orthanc, archive: Archive, tmp_path: Path) -> None:
    upload(orthanc, tmp_path, "1.2.3.1")
    settings = PollerSettings(name="orthanc", url=orthanc.dicom_web_url, interval_seconds=1)
    with DicomWebPeer(settings.url, 10) as peer:
        poller = Poller(settings, archive, peer, lambda: datetime.now(UTC), Random(1))
        assert poller.step(threading.Event()) == 1
        orthanc.stop()
        assert poller.step(threading.Event()) != 1
        orthanc.start()
        upload(orthanc, tmp_path, "1.2.3.2")
        assert poller.step(threading.Event()) == 1
    assert archive.instances.exists("1.2.3.2")
