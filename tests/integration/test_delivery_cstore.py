"""The C-STORE sender against SCPs that refuse, abort, hang or are not there."""

from __future__ import annotations

import threading
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.presentation import AllStoragePresentationContexts

from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.document import Document
from dicomnode.delivery.outcomes import OutcomeKind
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.echo import echo
from tests.peers_fixtures import free_port

SR_3D, MR = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.4"


def write(folder: Path, number: int, sop_class: str = SR_3D, syntax: str = ExplicitVRLittleEndian) -> Document:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"1.2.3.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.2.3"
    dataset.PatientName, dataset.PatientID = "Test^Delivery", "T"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    path = folder / f"{number}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return Document(path, sop_class, dataset.SOPInstanceUID, syntax)


def sender(port: int, ae_title: str = "PACS", timeout: float = 5.0) -> CStoreSender:
    return CStoreSender(DimsePeer("127.0.0.1", port, ae_title, "DICOMNODE", timeout))


def kinds(outcomes):
    return [outcome.kind for _, outcome in outcomes]


def test_documents_arrive_as_the_bytes_of_their_files_over_one_association(tmp_path, store_scp):
    scp = store_scp()
    documents = [write(tmp_path, number) for number in range(4)]
    outcomes = list(sender(scp.port).send(documents))
    assert kinds(outcomes) == [OutcomeKind.SUCCESS] * 4
    assert [document for document, _ in outcomes] == documents
    assert scp.associations == 1
    for document in documents:
        assert document.path.read_bytes().endswith(scp.received[document.sop_instance_uid])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0xA700, OutcomeKind.TRANSIENT),
        (0xC000, OutcomeKind.PERMANENT),
        (0xA900, OutcomeKind.PERMANENT),
        (0xB000, OutcomeKind.WARNING),
        (0x0124, OutcomeKind.PERMANENT),
    ],
)
def test_one_refused_document_does_not_hide_the_others(tmp_path, store_scp, status, kind):
    scp = store_scp(answer=lambda uid: status if uid.endswith(".1") else 0x0000)
    outcomes = list(sender(scp.port).send([write(tmp_path, number) for number in range(3)]))
    assert kinds(outcomes) == [OutcomeKind.SUCCESS, kind, OutcomeKind.SUCCESS]
    assert f"0x{status:04X}" in outcomes[1][1].status


def test_an_abort_in_the_middle_leaves_the_rest_for_later(tmp_path, store_scp):
    scp = store_scp(answer=lambda uid: "abort" if uid.endswith(".1") else 0x0000)
    outcomes = list(sender(scp.port, timeout=1).send([write(tmp_path, number) for number in range(3)]))
    assert kinds(outcomes) == [OutcomeKind.SUCCESS, OutcomeKind.TRANSIENT, OutcomeKind.TRANSIENT]
    assert list(scp.received) == ["1.2.3.0"]


def test_a_peer_that_is_away_is_transient_and_may_come_back(tmp_path, store_scp):
    port = free_port()
    documents = [write(tmp_path, 1)]
    [(_, outcome)] = sender(port).send(documents)
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert "cannot connect" in outcome.status
    store_scp(port=port)
    assert kinds(sender(port).send(documents)) == [OutcomeKind.SUCCESS]


def test_a_rejected_association_is_transient_and_tells_why(tmp_path, store_scp):
    scp = store_scp()
    [(_, outcome)] = sender(scp.port, "WRONG").send([write(tmp_path, 1)])
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert "Called AE title not recognised" in outcome.status


def test_a_sop_class_that_the_peer_does_not_take_is_permanent(tmp_path, store_scp):
    scp = store_scp(contexts=[MR])
    mixed = [write(tmp_path, 1), write(tmp_path, 2, MR)]
    assert kinds(sender(scp.port).send(mixed)) == [OutcomeKind.PERMANENT, OutcomeKind.SUCCESS]
    [(_, outcome)] = sender(scp.port).send(mixed[:1])
    assert outcome.kind is OutcomeKind.PERMANENT
    assert "Comprehensive 3D SR Storage" in outcome.status


def test_a_peer_that_only_takes_implicit_vr_gets_it(tmp_path, store_scp):
    scp = store_scp(syntaxes=["1.2.840.10008.1.2"])
    document = write(tmp_path, 1)
    assert kinds(sender(scp.port).send([document])) == [OutcomeKind.SUCCESS]
    assert not document.path.read_bytes().endswith(scp.received["1.2.3.1"])
    assert dcmread(document.path).PatientID == "T"


def test_a_compressed_file_is_never_recoded(tmp_path, store_scp):
    scp = store_scp()
    jpeg = Document(write(tmp_path, 1).path, SR_3D, "1.2.3.1", "1.2.840.10008.1.2.4.70")
    assert kinds(sender(scp.port).send([jpeg])) == [OutcomeKind.PERMANENT]


def test_a_silent_peer_is_left_after_the_timeout(tmp_path, store_scp):
    release = threading.Event()
    scp = store_scp(answer=lambda uid: 0x0000 if release.wait(10) else 0xC000)
    [(_, outcome)] = sender(scp.port, timeout=0.5).send([write(tmp_path, 1)])
    release.set()
    assert outcome.kind is OutcomeKind.TRANSIENT


def test_a_file_that_is_gone_does_not_stop_the_others(tmp_path, store_scp):
    scp = store_scp()
    documents = [write(tmp_path, number) for number in range(2)]
    documents[0].path.unlink()
    assert kinds(sender(scp.port).send(documents)) == [OutcomeKind.PERMANENT, OutcomeKind.SUCCESS]


def test_an_association_is_kept_for_what_comes_next(tmp_path, store_scp):
    scp = store_scp()
    kept = CStoreSender(DimsePeer("127.0.0.1", scp.port, "PACS", "DICOMNODE", 5.0), keep_open=True)
    assert kinds(kept.send([write(tmp_path, 1)])) == [OutcomeKind.SUCCESS]
    kept.rest()
    assert kinds(kept.send([write(tmp_path, 2)])) == [OutcomeKind.SUCCESS]
    assert scp.associations == 1
    assert kinds(kept.send([write(tmp_path, 3, MR)])) == [OutcomeKind.SUCCESS]
    assert kinds(kept.send([write(tmp_path, 4)])) == [OutcomeKind.SUCCESS]
    assert scp.associations == 2
    kept.close()


def test_an_association_that_the_peer_ended_meanwhile_is_opened_anew(tmp_path, store_scp):
    aborted = []

    def answer(uid):
        if uid.endswith(".2") and not aborted:
            aborted.append(uid)
            return "abort"
        return 0x0000

    scp = store_scp(answer=answer)
    kept = CStoreSender(DimsePeer("127.0.0.1", scp.port, "PACS", "DICOMNODE", 5.0), keep_open=True)
    assert kinds(kept.send([write(tmp_path, 1)])) == [OutcomeKind.SUCCESS]
    assert kinds(kept.send([write(tmp_path, 2)])) == [OutcomeKind.SUCCESS]
    assert (aborted, scp.associations) == (["1.2.3.2"], 2)
    kept.close()


def test_an_explicit_file_is_deflated_for_a_peer_that_is_sent_it_so(tmp_path, store_scp):
    deflated = "1.2.840.10008.1.2.1.99"
    scp = store_scp(syntaxes=[deflated])
    document = replace(write(tmp_path, 1), send_as_uid=deflated)
    assert kinds(sender(scp.port).send([document])) == [OutcomeKind.SUCCESS]
    assert document.path.read_bytes().endswith(zlib.decompress(scp.received["1.2.3.1"], -zlib.MAX_WBITS))


@pytest.mark.parametrize("taken", [True, False])
def test_a_segmentation_is_deflated_where_that_is_wanted_and_the_peer_takes_it(tmp_path, store_scp, taken):
    deflated = "1.2.840.10008.1.2.1.99"
    scp = store_scp(syntaxes=[ExplicitVRLittleEndian, *([deflated] if taken else [])])
    documents = [write(tmp_path, 1, "1.2.840.10008.5.1.4.1.1.66.4"), write(tmp_path, 2)]
    wanting = CStoreSender(DimsePeer("127.0.0.1", scp.port, "PACS", "DICOMNODE", 5.0), deflate=True)
    outcomes = list(wanting.send(documents))
    assert kinds(outcomes) == [OutcomeKind.SUCCESS] * 2
    received = scp.received["1.2.3.1"]
    content = zlib.decompress(received, -zlib.MAX_WBITS) if taken else received
    assert documents[0].path.read_bytes().endswith(content)
    assert documents[1].path.read_bytes().endswith(scp.received["1.2.3.2"])


def test_echo_tells_whether_and_why_not(store_scp):
    scp = store_scp()
    assert echo("127.0.0.1", scp.port, "PACS", "DICOMNODE", 5).answered
    wrong = echo("127.0.0.1", scp.port, "WRONG", "DICOMNODE", 5)
    assert (wrong.answered, "Called AE title not recognised" in wrong.text) == (False, True)
    away = echo("127.0.0.1", free_port(), "PACS", "DICOMNODE", 5)
    assert (away.answered, "cannot connect" in away.text) == (False, True)
    nowhere = echo("host.invalid", 104, "PACS", "DICOMNODE", 5)
    assert not nowhere.answered


def test_more_kinds_than_one_association_can_negotiate_take_two(tmp_path, store_scp):
    classes = sorted({context.abstract_syntax for context in AllStoragePresentationContexts})[:70]
    scp = store_scp()
    documents = [write(tmp_path, number, sop_class) for number, sop_class in enumerate(classes)]
    assert kinds(sender(scp.port).send(documents)) == [OutcomeKind.SUCCESS] * len(classes)
    assert (len(scp.received), scp.associations) == (len(classes), 2)
