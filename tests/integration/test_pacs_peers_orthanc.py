"""One Orthanc asked by DICOMweb and by DIMSE: the answers are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from dicomnode.dicom.digest import content_digest
from dicomnode.errors import PeerRefusedError
from dicomnode.peers.asking import HeldInstance, Pacs
from dicomnode.peers.pacs import open_pacs
from dicomnode.settings import PacsSettings
from tests.archives import MR, SR, make_file

pytestmark = pytest.mark.orthanc
NAME = "Yamada^Tarou=山田^太郎=やまだ^たろう"


def by_dicomweb(orthanc) -> PacsSettings:
    return PacsSettings(name="pacs", url=orthanc.dicom_web_url)


def by_dimse(orthanc, **options) -> PacsSettings:
    return PacsSettings(name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=orthanc.port, **options)


@pytest.fixture(params=[by_dicomweb, by_dimse], ids=["dicomweb", "dimse"])
def pacs(request, orthanc) -> Pacs:
    with open_pacs(request.param(orthanc), "DICOMNODE") as client:
        yield client


def fill(orthanc, folder: Path) -> dict[str, bytes]:
    """Two studies of one patient and one of another; files by SOP Instance UID."""
    identity = {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": NAME,
        "PatientID": "P*1",
        "IssuerOfPatientID": "WARD",
        "PatientBirthDate": "19500102",
        "AccessionNumber": "A7",
        "StudyDate": "20260102",
    }
    files = {
        "1.2.1.1": make_file("1.2.1.1", "1.2.1", **identity),
        "1.2.1.2": make_file("1.2.1.2", "1.2.1", **identity),
        "1.2.1.3": make_file("1.2.1.3", "1.2.1", SOPClassUID=SR, SeriesInstanceUID="1.2.1.8", **identity),
        "1.2.2.1": make_file("1.2.2.1", "1.2.2", **identity),
        "1.2.3.1": make_file("1.2.3.1", "1.2.3", **(identity | {"PatientID": "PX1"})),
    }
    for uid, content in files.items():
        path = folder / f"{uid}.dcm"
        path.write_bytes(content)
        orthanc.upload(path)
    return files


def test_a_pacs_tells_whose_a_study_is_and_what_it_holds(orthanc, pacs, tmp_path):
    fill(orthanc, tmp_path)
    study = pacs.study("1.2.1")
    assert (study.patient_id, study.patient_birth_date, study.accession_number) == ("P*1", "19500102", "A7")
    assert study.patient_name == NAME
    assert (study.number_of_instances, study.study_date, study.modalities) == (3, "20260102", ("MR",))
    assert set(pacs.instances("1.2.1")) == {
        HeldInstance("1.2.1.9", "1.2.1.1", MR),
        HeldInstance("1.2.1.9", "1.2.1.2", MR),
        HeldInstance("1.2.1.8", "1.2.1.3", SR),
    }
    assert pacs.holds("1.2.1", "1.2.1.9", "1.2.1.2")
    assert not pacs.holds("1.2.1", "1.2.1.9", "1.2.1.7")
    # The Patient ID holds a wild card, which must not let another patient in
    assert sorted(held.study_instance_uid for held in pacs.studies_of_patient("P*1")) == ["1.2.1", "1.2.2"]
    assert (pacs.study("1.9"), pacs.instances("1.9"), pacs.studies_of_patient("P9")) == (None, [], [])


def test_what_is_fetched_is_what_the_pacs_holds(orthanc, pacs, tmp_path):
    files = fill(orthanc, tmp_path)
    for wanted, keys in (
        ({"1.2.1.1", "1.2.1.2", "1.2.1.3"}, ("1.2.1",)),
        ({"1.2.1.1", "1.2.1.2"}, ("1.2.1", "1.2.1.9")),
        ({"1.2.1.3"}, ("1.2.1", "1.2.1.8", "1.2.1.3")),
    ):
        found = {}
        for number, pieces in enumerate(pacs.retrieve(*keys)):
            path = tmp_path / f"fetched{number}"
            path.write_bytes(b"".join(pieces))
            found[dcmread(path).SOPInstanceUID] = path
        assert set(found) == wanted
        for uid, path in found.items():
            original = tmp_path / "original"
            original.write_bytes(files[uid])
            assert content_digest(path) == content_digest(original)


def test_compressed_images_come_as_they_are_stored(orthanc, pacs, tmp_path):
    dataset = dcmread_bytes(make_file("1.2.1.1", "1.2.1"), tmp_path)
    dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(tmp_path / "compressed.dcm", enforce_file_format=True)
    orthanc.upload(tmp_path / "compressed.dcm")
    fetched = tmp_path / "fetched.dcm"
    for pieces in pacs.retrieve("1.2.1"):
        fetched.write_bytes(b"".join(pieces))
    assert dcmread(fetched).file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert dcmread(fetched).PixelData == dataset.PixelData


def dcmread_bytes(content: bytes, folder: Path):
    path = folder / "read.dcm"
    path.write_bytes(content)
    return dcmread(path)


def test_a_pacs_moves_to_the_node(orthanc, store_scp, tmp_path):
    fill(orthanc, tmp_path)
    node = store_scp(ae_title="DICOMNODE")
    with open_pacs(by_dimse(orthanc, retrieve="c-move"), "DICOMNODE") as client:
        with pytest.raises(PeerRefusedError):  # it does not know the node yet
            list(client.retrieve("1.2.1"))
        orthanc.add_modality("node", "DICOMNODE", node.port)
        assert list(client.retrieve("1.2.1", "1.2.1.9")) == []
    assert set(node.received) == {"1.2.1.1", "1.2.1.2"}
