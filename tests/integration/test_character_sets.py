"""Names in every character set of the samples, from the sender through the node to Orthanc and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest
import requests
from pydicom import dcmread
from pydicom.data import get_charset_files

from dicomnode.archive import Archive
from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.document import Document
from dicomnode.delivery.identity import told_by
from dicomnode.delivery.outcomes import OutcomeKind
from dicomnode.dicom.header import read_header
from dicomnode.evidence.correcting import differences, identity_of
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.pacs import open_pacs
from dicomnode.settings import NodeSettings, PacsSettings, ReceiveSettings, Settings
from tests.factories import make_series
from tests.ladder_cases import answered
from tests.listeners import listening
from tests.peers_fixtures import Orthanc, running_orthanc

pytestmark = [pytest.mark.orthanc, pytest.mark.filterwarnings("ignore::UserWarning")]
# Of the files that pydicom brings, as its own tests and PS3.5 annexes H, I and J have them.
NAMES = {
    "chrArab": "قباني^لنزار",
    "chrFren": "Buc^Jérôme",
    "chrGerm": "Äneas^Rüdiger",
    "chrGreek": "Διονυσιος",
    "chrH31": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "chrH32": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    "chrHbrw": "שרון^דבורה",
    "chrI2": "Hong^Gildong=洪^吉洞=홍^길동",
    "chrKoreanMulti": "김희중",
    "chrRuss": "Люкceмбypг",  # noqa: RUF001  with Latin letters among them, as the file has it
    "chrX1": "Wang^XiaoDong=王^小東",
    "chrX2": "Wang^XiaoDong=王^小东",
}
# Written here, since pydicom has no file of them: character set, name.
MADE = {
    "GBK": ("GBK", "Wang^XiaoDong=王^小东=wáng^xiǎo dōng"),
    "groups": ("ISO_IR 192", "Дое^Джейн^Dr.^III=王^小東^博士=やまだ^たろう"),
    "kanji": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    "Latin2": ("ISO_IR 101", "Dvořák^Antonín"),
}
# Orthanc 1.10 drops the escape sequences of a source in JIS X 0201 with JIS X 0208 when it tells the name; our results,
# in UTF-8, it gives back as they were.
MANGLED = {"chrH32"}


@pytest.fixture(scope="module")
def peer(tmp_path_factory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc"), DefaultEncoding="Utf8") as server:
        yield server


@pytest.fixture(scope="module")
def node(tmp_path_factory) -> Iterator[tuple[int, Archive]]:
    receive = ReceiveSettings(port=0, accept_unknown_peers=True)
    data_dir = tmp_path_factory.mktemp("node")
    with listening(Settings(node=NodeSettings(data_dir=data_dir), receive=receive)) as started:
        yield started


def sample(name: str, folder: Path) -> tuple[Path, str]:
    if name in NAMES:
        [path] = get_charset_files(f"{name}.dcm")
        return Path(path), NAMES[name]
    character_set, words = MADE[name]
    [path] = make_series(folder, 1, study=name, SpecificCharacterSet=character_set, PatientName=words)
    return path, words


def deliver(port: int, ae_title: str, paths: Sequence[Path]) -> None:
    sender = CStoreSender(DimsePeer("127.0.0.1", port, ae_title, "SENDER", 20.0))
    outcomes = [outcome for _, outcome in sender.send([document_of(path) for path in paths])]
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.SUCCESS}, outcomes


def document_of(path: Path) -> Document:
    header = read_header(path)
    return Document(path, header.sop_class_uid, header.sop_instance_uid, header.transfer_syntax_uid)


def data_set_of(content: bytes) -> bytes:
    """What follows the file meta information, whose length is told in its first element (PS3.10 7.1)."""
    return content[144 + int.from_bytes(content[140:144], "little") :]


@pytest.mark.parametrize("name", [*NAMES, *MADE])
def test_a_name_comes_back_from_orthanc_as_it_was_sent(name, node, peer, tmp_path):
    port, archive = node
    source, words = sample(name, tmp_path)
    deliver(port, "DICOMNODE", [source])
    header = read_header(source)
    kept = archive.instances.get(header.sop_instance_uid).path
    assert data_set_of(kept.read_bytes()) == data_set_of(source.read_bytes()), "stored as it came"
    assert archive.studies.record(header.study_instance_uid).attributes.patient_name.rstrip("=") == words

    study = answered(archive, [source])
    evidence = archive.evidence.list(study)
    assert {item.role for item in evidence} >= {"answer", "text"}
    deliver(peer.port, "ORTHANC", [source, *(item.path for item in evidence)])
    ours = {item.sop_instance_uid for item in evidence}
    for uid in ours:
        [found] = requests.post(f"{peer.url}/tools/lookup", data=uid, timeout=20).json()
        returned = dcmread(BytesIO(peer.file(found["ID"])))
        assert (returned.SpecificCharacterSet, str(returned.PatientName).rstrip("=")) == ("ISO_IR 192", words)

    by_dimse = PacsSettings(name="a", ae_title="ORTHANC", host="127.0.0.1", port=peer.port, retrieve="none")
    for asked in (by_dimse, PacsSettings(name="b", url=peer.dicom_web_url, retrieve="none")):
        with open_pacs(asked, "DICOMNODE") as pacs:
            held = pacs.study(study)
        assert held is not None
        if name in MANGLED:
            continue
        assert held.patient_name.rstrip("=") == words
        for item in evidence:
            assert differences(identity_of(dcmread(item.path)), told_by(held)) == ()
