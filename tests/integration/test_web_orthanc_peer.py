"""Orthanc's DICOMweb plug-in as a client of the node: it searches, pulls, pushes and reads pictures, with a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import JPEG2000Lossless

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.archive.records import QidoQuery
from dicomnode.settings import Settings
from tests.factories import make_instance
from tests.peers_fixtures import Orthanc, running_orthanc
from tests.serving import serving
from tests.unit.web.conftest import file_bytes, keep
from tests.unit.web.signed_in import Clock, make_account, make_token

pytestmark = pytest.mark.orthanc
NODE = "/dicom-web/servers/node"
PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 4000


@dataclass(frozen=True)
class Pair:
    """A web role that asks for a token, and Orthanc that has one."""

    archive: Archive
    orthanc: Orthanc

    def ask(self, verb: str, **body: object) -> Any:
        """What Orthanc answers when told to ask the node."""
        answer = requests.post(f"{self.orthanc.url}{NODE}/{verb}", json={**body, "Synchronous": True}, timeout=60)
        assert answer.status_code == 200, answer.text + (self.orthanc.folder / "orthanc.log").read_text()[-2000:]
        return answer

    def held(self) -> dict[str, bytes]:
        """What Orthanc holds, by SOP Instance UID."""
        files = [self.orthanc.file(instance) for instance in self.orthanc.get("/instances")]
        return {read(content).SOPInstanceUID: content for content in files}


def read(content: bytes) -> FileDataset:
    return dcmread(BytesIO(content))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    settings = Settings.model_validate({"node": {"data_dir": folder / "data"}, "web": {"port": 0}})
    with Archive.open(settings) as archive, serving(archive, settings) as url:
        known = dicom_web(f"{url}/dicom-web", token(archive))
        with running_orthanc(folder / "orthanc", DicomWeb=known) as orthanc:
            yield Pair(archive, orthanc)


def token(archive: Archive) -> dict[str, str]:
    now = Clock()
    now.time = datetime.now(UTC)
    make_account(archive, "orthanc", Role.OPERATOR, now)
    return make_token(archive, "orthanc", Role.OPERATOR, now)


def dicom_web(url: str, headers: dict[str, str]) -> dict[str, object]:
    return {"Enable": True, "Root": "/dicom-web/", "Servers": {"node": {"Url": url, "HttpHeaders": headers}}}


@pytest.fixture
def kept(pair: Pair, request: pytest.FixtureRequest) -> list[FileDataset]:
    """Three slices of one study in the node, the last one compressed."""
    study = str(request.node.name)
    slices = [
        make_instance(study=study, name=str(n), InstanceNumber=n, pixels=PIXELS + n, PatientName="Prüfer^Ånna")
        for n in (1, 2, 3)
    ]
    slices[2].compress(JPEG2000Lossless, generate_instance_uid=False)
    for dataset in slices:
        keep(pair.archive, file_bytes(dataset))
    return slices


def test_it_finds_what_the_node_has(pair: Pair, kept: list[FileDataset]) -> None:
    uid = kept[0].StudyInstanceUID
    found = pair.ask("qido", Uri="/studies", Arguments={"StudyInstanceUID": uid, "PatientName": "prü*"}).json()
    assert [study["0020000D"]["Value"] for study in found] == [uid]
    instances = pair.ask("qido", Uri=f"/studies/{uid}/instances", Arguments={"00200013": "2"}).json()
    assert [item["00080018"]["Value"] for item in instances] == [kept[1].SOPInstanceUID]
    assert pair.ask("qido", Uri="/studies", Arguments={"StudyInstanceUID": "1.2.3"}).json() == []


def test_it_pulls_a_study_a_series_and_an_instance(pair: Pair, kept: list[FileDataset]) -> None:
    study, series = kept[0].StudyInstanceUID, kept[0].SeriesInstanceUID
    one = {"Study": study, "Series": series, "Instance": kept[1].SOPInstanceUID}
    pair.ask("retrieve", Resources=[one])
    assert kept[1].SOPInstanceUID in pair.held()
    pair.ask("retrieve", Resources=[{"Study": study}])
    pair.ask("retrieve", Resources=[{"Study": study, "Series": series}])
    held = pair.held()
    for dataset in kept:
        got = read(held[dataset.SOPInstanceUID])
        assert got.PatientName == "Prüfer^Ånna"
        assert np.array_equal(got.pixel_array, dataset.pixel_array)


def test_it_pushes_what_it_has(pair: Pair, tmp_path: Path) -> None:
    slices = [make_instance(study="pushed", name=str(n), InstanceNumber=n, pixels=PIXELS) for n in (1, 2, 3, 4)]
    for dataset in slices:
        path = tmp_path / f"{dataset.SOPInstanceUID}.dcm"
        path.write_bytes(file_bytes(dataset))
        pair.orthanc.upload(path)
    uid = slices[0].StudyInstanceUID
    (study,) = [
        item
        for item in pair.orthanc.get("/studies")
        if pair.orthanc.get(f"/studies/{item}")["MainDicomTags"]["StudyInstanceUID"] == uid
    ]
    assert int(pair.ask("stow", Resources=[study]).json()["InstancesCount"]) == 4
    records = pair.archive.studies.search_instances(QidoQuery(match=(("StudyInstanceUID", uid),)))
    assert [record.instance.sop_instance_uid for record in records] == [item.SOPInstanceUID for item in slices]
    for record, dataset in zip(records, slices, strict=True):
        assert np.array_equal(dcmread(record.instance.path).pixel_array, dataset.pixel_array)


def test_it_reads_metadata_frames_and_pictures(pair: Pair, kept: list[FileDataset]) -> None:
    place = f"/studies/{kept[0].StudyInstanceUID}/series/{kept[0].SeriesInstanceUID}/instances/{kept[0].SOPInstanceUID}"
    metadata = pair.ask("get", Uri=f"{place}/metadata", HttpHeaders={"Accept": "application/dicom+json"}).json()
    assert metadata[0]["00080018"]["Value"] == [kept[0].SOPInstanceUID]
    plain = {"Accept": "application/octet-stream"}
    assert pair.ask("get", Uri=f"{place}/frames/1", HttpHeaders=plain).content == kept[0].PixelData
    assert pair.ask("get", Uri=f"{place}/rendered", HttpHeaders={"Accept": "image/png"}).content[:4] == b"\x89PNG"
    assert pair.ask("get", Uri=f"{place}/thumbnail", HttpHeaders={"Accept": "image/jpeg"}).content[:2] == b"\xff\xd8"
