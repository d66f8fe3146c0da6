"""Storage commitment: the request against an SCP of pynetdicom, and the report as it comes to the listener."""

from __future__ import annotations

import threading

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance, Verification

from dicomnode.archive.records import DeliveryState, ProofState
from dicomnode.errors import InputError, PeerRefusedError, PeerUnavailableError
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.commitment import CommitmentReport, Referenced, read_report, request_commitment
from dicomnode.settings import NodeSettings, PeerSettings, ReceiveSettings, Settings
from tests.archives import SR, at
from tests.deliveries import OBJECT, queue, send, stands
from tests.listeners import listening
from tests.peers_fixtures import free_port, wait_for

OBJECTS = [Referenced(SR, "1.2.1"), Referenced(SR, "1.2.2")]


def information(transaction_uid: str, committed=(), failed=()) -> Dataset:
    def item(uid: str, reason: int | None = None) -> Dataset:
        made = Dataset()
        made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = SR, uid
        if reason is not None:
            made.FailureReason = reason
        return made

    told = Dataset()
    told.TransactionUID = transaction_uid
    told.ReferencedSOPSequence = [item(uid) for uid in committed]
    if failed:
        told.FailedSOPSequence = [item(uid, reason) for uid, reason in failed]
    return told


def report(association, told: Dataset) -> int:
    kind = 2 if "FailedSOPSequence" in told else 1
    model = (StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
    answer, _ = association.send_n_event_report(told, kind, *model)
    return answer.Status


@pytest.fixture
def scp():
    """Start an SCP of storage commitment: ``scp(status, report)``; gives its port and what it saw."""
    started = []

    def start(status: int = 0x0000, tells=None, offered=StorageCommitmentPushModel) -> tuple[int, list]:
        seen: list = []

        def on_action(event):
            asked = event.action_information
            seen.append(asked)
            if tells is not None:
                threading.Thread(target=tell, args=(event.assoc, asked), daemon=True).start()
            return status, None

        def tell(association, asked) -> None:
            told = tells(str(asked.TransactionUID))
            wait_for(lambda: association._reactor_checkpoint.is_set(), 10)
            seen.append(report(association, told))

        entity = AE("PACS")
        entity.add_supported_context(offered)
        port = free_port()
        handlers = [(evt.EVT_N_ACTION, on_action)]
        started.append(entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers))
        return port, seen

    yield start
    for server in started:
        server.shutdown()


def ask(port: int, answer=lambda report: 0x0000, wait_seconds: float = 0.0) -> None:
    request_commitment(DimsePeer("127.0.0.1", port, "PACS", "NODE", 10.0), "1.2.77", OBJECTS, wait_seconds, answer)


def test_the_request_names_transaction_and_objects(scp):
    port, seen = scp()
    ask(port)
    [asked] = seen
    assert asked.TransactionUID == "1.2.77"
    pairs = [(item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in asked.ReferencedSOPSequence]
    assert pairs == [(SR, "1.2.1"), (SR, "1.2.2")]


def test_a_report_on_the_same_association_is_taken_and_answered(scp):
    port, seen = scp(tells=lambda uid: information(uid, ["1.2.1"], [("1.2.2", 0x0112)]))
    taken = []
    ask(port, lambda report: taken.append(report) or 0x0000, wait_seconds=20.0)
    assert taken == [CommitmentReport("1.2.77", ("1.2.1",), (("1.2.2", 0x0112),))]
    assert wait_for(lambda: seen[1:], 10) == [0x0000]


@pytest.mark.parametrize(("status", "error"), [(0x0110, PeerUnavailableError), (0x0122, PeerRefusedError)])
def test_a_request_that_is_not_taken_says_whether_to_ask_again(scp, status, error):
    port, _ = scp(status)
    with pytest.raises(error, match=f"0x{status:04X}"):
        ask(port)


def test_a_peer_without_the_service_or_away_is_told_apart(scp):
    port, _ = scp(offered=Verification)
    with pytest.raises(PeerRefusedError, match="Storage Commitment"):
        ask(port)
    with pytest.raises(PeerUnavailableError):
        ask(free_port())


def test_an_object_in_both_lists_counts_as_failed():
    told = read_report(information("1.2.77", ["1.2.1", "1.2.2"], [("1.2.2", 0x0112)]))
    assert (told.committed, told.failed) == (("1.2.1",), (("1.2.2", 0x0112),))


@pytest.mark.parametrize("broken", [information(""), information("1.2.77", [""]), Dataset()])
def test_a_report_without_transaction_or_with_odd_uids_is_refused(broken):
    with pytest.raises(InputError):
        read_report(broken)


@pytest.mark.parametrize("with_role", [True, False])
def test_the_listener_takes_a_report_on_a_new_association(tmp_path, engine, with_role):
    peer = PeerSettings(name="pacs", ae_title="PACS", may=("commit",))
    receive = ReceiveSettings(port=0, engine=engine)
    settings = Settings(node=NodeSettings(data_dir=tmp_path), receive=receive, peers=(peer,))
    with listening(settings) as (port, archive):
        queue(archive)
        archive.proofs.request("pacs", [send(archive, at(1))], "1.2.77", at(900), at(2))
        roles = [build_role(StorageCommitmentPushModel, scp_role=True)] if with_role else []
        context = build_context(StorageCommitmentPushModel, ExplicitVRLittleEndian)
        association = AE("PACS").associate("127.0.0.1", port, [context], ext_neg=roles, ae_title="DICOMNODE")
        assert association.is_established
        told = (
            information("1.2.78", [OBJECT]),
            information("1.2.77", [OBJECT]),
            information("1.2.77", failed=[(OBJECT, 0x0112)]),
        )
        answers = [report(association, item) for item in told]
        association.release()
        assert answers == [0x0115, 0x0000, 0x0000]
        assert stands(archive) == (DeliveryState.DELIVERED, ProofState.COMMITTED)
