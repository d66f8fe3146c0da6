"""C-FIND against Orthanc and against an SCP that refuses."""

from __future__ import annotations

import json

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from dicomnode.cli.main import main
from dicomnode.errors import PeerRefusedError, PeerUnavailableError, UsageError
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.find import find_studies
from tests.archives import make_file
from tests.peers_fixtures import free_port


def peer(port: int, timeout: float = 5.0) -> DimsePeer:
    return DimsePeer("127.0.0.1", port, "PACS", "DICOMNODE", timeout)


@pytest.fixture
def find_scp():
    """A C-FIND SCP that answers with the statuses given."""
    servers = []

    def start(*statuses: int) -> int:
        entity, port = AE(ae_title="PACS"), free_port()
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)

        def answer(event):
            for status in statuses:
                yield status, event.identifier if status in (0xFF00, 0xFF01) else None

        servers.append(entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, answer)]))
        return port

    yield start
    for server in servers:
        server.shutdown()


@pytest.mark.orthanc
def test_orthancs_studies_are_found(orthanc, tmp_path, capsys):
    for number, patient in enumerate(("P1", "P2", "P1")):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(make_file(f"1.2.{number}.1", f"1.2.{number}", PatientID=patient, StudyDate="20260102"))
        orthanc.upload(path)
    found = find_studies(peer(orthanc.port), {"PatientID": "P1"})
    assert sorted(study.study_instance_uid for study in found) == ["1.2.0", "1.2.2"]
    assert (found[0].study_date, found[0].modalities, found[0].patient_name) == ("20260102", ("MR",), "Doe^Jane")
    assert main(["query", f"127.0.0.1:{orthanc.port}:ORTHANC", "PatientID=P2", "--json"]) == 0
    assert [study["study_instance_uid"] for study in json.loads(capsys.readouterr().out)] == ["1.2.1"]
    assert main(["query", f"127.0.0.1:{orthanc.port}:ORTHANC"]) == 0
    assert "3 study(ies)" in capsys.readouterr().out


def test_a_refused_search_tells_the_status(find_scp):
    with pytest.raises(PeerRefusedError, match="0xA700") as caught:
        find_studies(peer(find_scp(0xFF00, 0xA700)), {})
    assert caught.value.status == 0xA700


def test_no_more_than_wanted_is_taken(find_scp):
    assert len(find_studies(peer(find_scp(*[0xFF00] * 5, 0x0000)), {}, limit=2)) == 2


def test_a_peer_that_is_away_is_told():
    with pytest.raises(PeerUnavailableError, match="cannot connect"):
        find_studies(peer(free_port()), {})


@pytest.mark.parametrize("words", [("StudyDate",), ("NoKeyword=1",)])
def test_a_wrong_key_is_bad_usage(words, capsys):
    assert main(["query", "127.0.0.1:1:PACS", *words]) == 2


def test_an_unknown_keyword_is_refused_before_the_network():
    with pytest.raises(UsageError, match="NoKeyword"):
        find_studies(peer(1), {"NoKeyword": "1"})
