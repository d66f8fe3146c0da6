"""What a target takes: asked by negotiation, kept, asked anew where it may have changed; shown by a command."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.sop_class import Verification

from dicomnode.archive.capabilities import Capabilities
from dicomnode.cli.main import main
from dicomnode.delivery.capabilities import Knowledge, ask
from dicomnode.errors import PeerUnavailableError
from dicomnode.evidence.ladder import SENDABLE
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.probe import probe
from tests.archives import at, open_archive
from tests.node_fixtures import to_toml
from tests.peers_fixtures import free_port

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)


def peer(port: int) -> DimsePeer:
    return DimsePeer("127.0.0.1", port, "PACS", "DICOMNODE", 5.0)


@pytest.fixture
def archive(tmp_path):
    with open_archive(tmp_path / "node") as opened:
        yield opened


class Clock:
    hours = 0.0

    def __call__(self):
        return at(3600 * self.hours)


def test_each_class_is_known_in_each_transfer_syntax(store_scp):
    scp = store_scp(contexts=[ComprehensiveSRStorage], syntaxes=[ImplicitVRLittleEndian])
    found = probe(peer(scp.port), SENDABLE, SYNTAXES)
    assert found.accepted == {
        ComprehensiveSRStorage: (ImplicitVRLittleEndian,),
        Verification: (ImplicitVRLittleEndian, ExplicitVRLittleEndian),
    }
    assert found.implementation_version_name.startswith("PYNETDICOM")
    assert found.maximum_length == 16382
    assert (scp.associations, scp.calls) == (1, [])


def test_more_than_128_contexts_go_in_several_associations(store_scp):
    scp = store_scp()
    many = [*SENDABLE, *(str(uid) for uid in scp.contexts if uid not in SENDABLE)][:60]
    found = probe(peer(scp.port), many, (ExplicitVRLittleEndian, ImplicitVRLittleEndian))
    assert scp.associations == 2
    assert set(many) <= set(found.accepted)


def test_a_peer_that_is_away_is_no_peer_that_takes_nothing():
    with pytest.raises(PeerUnavailableError):
        probe(peer(free_port()), SENDABLE, SYNTAXES)


def test_a_target_is_asked_once_and_again_at_another_address_or_when_the_answer_is_old(archive, store_scp):
    scp, clock = store_scp(), Clock()
    knowledge = Knowledge(archive, "pacs", peer(scp.port), clock)
    first = knowledge.current()
    clock.hours = 2
    assert knowledge.current() == first
    assert scp.associations == 1
    assert knowledge.current(timedelta(hours=1)).probed_at == clock()
    moved = store_scp()
    assert Knowledge(archive, "pacs", peer(moved.port), clock).current().address.endswith(str(moved.port))
    assert (scp.associations, moved.associations) == (2, 1)


def test_a_refusal_is_kept_and_what_else_changed_is_asked(archive, store_scp):
    scp = store_scp()
    knowledge = Knowledge(archive, "pacs", peer(scp.port), Clock())
    knowledge.current()
    scp.stop()
    scp.contexts = [Comprehensive3DSRStorage]
    scp.start()
    found = knowledge.refused(Comprehensive3DSRStorage, "0xA900")
    assert (found.takes(Comprehensive3DSRStorage), found.takes(ComprehensiveSRStorage)) == (False, False)
    assert found.refused == {Comprehensive3DSRStorage: "0xA900"}
    assert archive.capabilities.get("pacs") == found
    assert knowledge.renew().takes(Comprehensive3DSRStorage)
    assert knowledge.refused(ComprehensiveSRStorage, "no context").refused == {}  # as it says itself


def test_one_that_does_not_answer_the_question_is_sent_to_all_the_same(archive, store_scp):
    clock = Clock()
    nobody = Knowledge(archive, "pacs", peer(free_port()), clock)
    assert nobody.current().accepted is None
    assert archive.capabilities.get("pacs") is None
    assert not nobody.refused(Comprehensive3DSRStorage, "0x0122").takes(Comprehensive3DSRStorage)
    clock.hours = 48
    assert nobody.current(timedelta(days=1)) == archive.capabilities.get("pacs")


def test_what_is_kept_comes_back_and_can_be_forgotten(archive):
    kept = Capabilities("http://pacs", at(0), None, {ComprehensiveSRStorage: "HTTP 415"})
    archive.capabilities.put("pacs", kept)
    assert archive.capabilities.get("pacs") == kept
    assert kept.syntaxes(Comprehensive3DSRStorage) is None
    archive.capabilities.forget("pacs")
    assert archive.capabilities.get("pacs") is None
    assert ask("http://pacs", at(0)) == Capabilities("http://pacs", at(0), None)


def test_the_command_shows_what_a_target_takes_and_keeps_it(tmp_path, store_scp, capsys):
    scp = store_scp(contexts=[ComprehensiveSRStorage])
    settings = tmp_path / "dicomnode.toml"
    pacs = {"name": "pacs", "host": "127.0.0.1", "port": scp.port, "ae_title": "PACS"}
    settings.write_text(to_toml({"node": {"data_dir": str(tmp_path / "data")}, "targets": [pacs]}))
    words = ["--settings", str(settings), "probe", "pacs"]
    assert main([*words, "--cached"]) == 1
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "answer: Comprehensive SR in place of Comprehensive 3D SR" in shown
    assert "just now" in shown
    assert main([*words, "--cached", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accepted"][ComprehensiveSRStorage] == [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    assert found["documents"]["heat-map"] == "nothing: does not take Segmentation"
    assert scp.associations == 1
