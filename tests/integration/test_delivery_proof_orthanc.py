"""Proof of delivery by Orthanc: storage commitment reported to the listener, and what it shows when asked."""

from __future__ import annotations

import pytest
import requests

from dicomnode.archive.records import DeliveryState, ProofState
from dicomnode.delivery.outbox import Outbox, make_courier, make_sender
from dicomnode.delivery.proving import Prover
from dicomnode.delivery.ways import proof_ways
from dicomnode.settings import NodeSettings, PeerSettings, ReceiveSettings, Settings, TargetSettings
from tests.deliveries import Clock, queue, stands
from tests.listeners import listening
from tests.peers_fixtures import wait_for

pytestmark = pytest.mark.orthanc
SENT = DeliveryState.DELIVERED


class Loop:
    """Listener, outbox and prover of one node, turned by hand."""

    def __init__(self, archive, target: TargetSettings, clock: Clock) -> None:
        self.clock = clock
        self.archive = archive
        sender = make_sender(target, "DICOMNODE", self.clock)
        courier = make_courier(archive, target, "DICOMNODE", self.clock)
        owner = archive.deliveries.claim_name()
        self.outbox = Outbox(archive, target, sender, courier, owner, self.clock, lambda: 1.0)
        self.prover = Prover(archive, target, proof_ways(target, (), "DICOMNODE"), self.clock, lambda: 1.0)

    def turn(self) -> tuple[DeliveryState, ProofState]:
        self.clock.seconds += 100
        self.outbox.send_due()
        self.prover.prove_due()
        return stands(self.archive)


@pytest.fixture
def node(tmp_path):
    peer = PeerSettings(name="pacs", ae_title="ORTHANC", may=("commit",))
    node = NodeSettings(data_dir=tmp_path / "node")
    settings = Settings(node=node, receive=ReceiveSettings(port=0), peers=(peer,))
    clock = Clock()
    with listening(settings, clock) as (port, archive):
        queue(archive)
        yield port, archive, clock


def by_dimse(orthanc, **settings) -> TargetSettings:
    return TargetSettings(name="pacs", host="127.0.0.1", port=orthanc.port, ae_title="ORTHANC", **settings)


def test_orthanc_commits_and_what_it_lost_is_sent_again(orthanc, node):
    port, archive, clock = node
    orthanc.add_modality("node", "DICOMNODE", port)
    loop = Loop(archive, by_dimse(orthanc, proof="commitment"), clock)
    loop.outbox.send_due()
    [instance] = orthanc.get("/instances")
    requests.delete(f"{orthanc.url}/instances/{instance}", timeout=20).raise_for_status()
    loop.prover.prove_due()
    wait_for(lambda: stands(archive) == (SENT, ProofState.FAILED), what="Orthanc's report of the loss")
    [delivery] = archive.deliveries.list()
    assert delivery.proof_status == "not committed, 0x0112 no such object instance"
    assert loop.turn()[0] is DeliveryState.WAITING
    loop.turn()
    wait_for(lambda: stands(archive) == (SENT, ProofState.COMMITTED), what="Orthanc's commitment")
    assert len(orthanc.get("/instances")) == 1


@pytest.mark.parametrize("by", ["c-find", "qido"])
def test_what_orthanc_took_is_seen_by_asking_it(orthanc, node, by):
    _, archive, clock = node
    stow = TargetSettings(name="pacs", url=orthanc.dicom_web_url)
    loop = Loop(archive, stow if by == "qido" else by_dimse(orthanc, proof="read-back"), clock)
    loop.outbox.send_due()
    [instance] = orthanc.get("/instances")
    file = orthanc.file(instance)
    requests.delete(f"{orthanc.url}/instances/{instance}", timeout=20).raise_for_status()
    loop.prover.prove_due()
    assert stands(archive) == (SENT, ProofState.PENDING)
    requests.post(f"{orthanc.url}/instances", data=file, timeout=20).raise_for_status()
    assert loop.turn() == (SENT, ProofState.VISIBLE)


def test_an_orthanc_that_does_not_know_the_node_is_looked_into(orthanc, node):
    _, archive, clock = node
    loop = Loop(archive, by_dimse(orthanc), clock)
    assert loop.turn() == (SENT, ProofState.VISIBLE)
