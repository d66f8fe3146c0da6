"""The listener, with pynetdicom as the sender."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from dicomnode.archive import Archive
from dicomnode.errors import ArchiveFullError, SettingsError
from dicomnode.intake.negotiation import TRANSFER_SYNTAXES, acceptable_contexts, is_storage
from dicomnode.intake.scp import serve_dimse
from dicomnode.settings import NodeSettings, ReceiveSettings, RuleSettings, Settings
from dicomnode.settings.network import Service
from tests.archives import MR, make_file
from tests.listeners import listening

PRIVATE = "1.3.12.2.1107.5.9.1"


def settings(folder: Path, **receive: Any) -> Settings:
    return Settings(
        node=NodeSettings(data_dir=folder),
        receive=ReceiveSettings(port=0, **{"accept_unknown_peers": True} | receive),
        rules=(RuleSettings(model="*", called_ae_title="BRAIN"),),
    )


@pytest.fixture
def listener(tmp_path: Path, engine: str) -> Iterator[tuple[int, Archive]]:
    with listening(settings(tmp_path, engine=engine)) as running:
        yield running


def associate(port: int, *classes: str, called: str = "DICOMNODE", syntaxes: tuple[str, ...] = ()) -> Any:
    entity = AE("MODALITY")
    for uid in classes or (MR,):
        entity.add_requested_context(uid, list(syntaxes or (ExplicitVRLittleEndian,)))
    return entity.associate("127.0.0.1", port, ae_title=called)


def send(association: Any, data: bytes | None, sop_class: str = MR, uid: str = "1.2.3.1") -> Any:
    """Send bytes as they are; pynetdicom's own way would encode them anew. None if there is no answer."""
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = uid
    request.Priority = 2
    request.DataSet = None if data is None else BytesIO(data)
    context = next(cx for cx in association.accepted_contexts if cx.abstract_syntax == sop_class)
    answers: queue.Queue[Any] = queue.Queue()

    def keep(event: Any) -> None:
        answers.put(event.message.message_to_primitive())

    association.bind(evt.EVT_DIMSE_RECV, keep)  # pynetdicom's own thread may be the one that takes the answer
    association.dimse.send_msg(request, context.context_id)
    if data == b"":  # announced, so one fragment has to come; pynetdicom sends none for no bytes
        last_fragment = P_DATA()
        last_fragment.presentation_data_value_list = [[context.context_id, b"\x02"]]
        association.dul.send_pdu(last_fragment)
    try:
        while answers.empty() and association.is_established:
            time.sleep(0.002)
        return None if answers.empty() else answers.get()
    finally:
        association.unbind(evt.EVT_DIMSE_RECV, keep)


def dataset_of(file: bytes) -> bytes:
    """The data set of a file made by `make_file`."""
    return file[144 + int.from_bytes(file[140:144], "little") :]


def test_the_bytes_are_kept_as_they_came(listener: tuple[int, Archive]) -> None:
    port, archive = listener
    association = associate(port, called="BRAIN")
    data = dataset_of(make_file())
    assert send(association, data).Status == 0x0000
    association.release()
    stored = archive.instances.get("1.2.3.1").path.read_bytes()
    assert dataset_of(stored) == data
    study = archive.studies.get("1.2.3")
    assert (study.called_ae_titles, study.calling_ae_titles) == (("BRAIN",), ("MODALITY",))


def test_private_classes_are_kept_too(listener: tuple[int, Archive]) -> None:
    port, archive = listener
    association = associate(port, PRIVATE, Verification)
    assert association.send_c_echo().Status == 0x0000
    assert send(association, dataset_of(make_file(SOPClassUID=PRIVATE)), PRIVATE).Status == 0x0000
    association.release()
    assert archive.instances.get("1.2.3.1").sop_class_uid == PRIVATE


@pytest.mark.parametrize(
    ("data", "uid", "status"),
    [
        (b"", "1.2.3.1", 0xC000),
        (None, "1.2.3.1", 0xC000),
        (dataset_of(make_file())[:90], "1.2.3.1", 0xC000),
        (dataset_of(make_file())[:-10], "1.2.3.1", 0xC000),
        (dataset_of(make_file("1.2.3.7")), "1.2.3.1", 0xA900),
        (dataset_of(make_file(SOPClassUID=PRIVATE)), "1.2.3.1", 0xA900),
        (dataset_of(make_file("1.2.3.2", InstanceNumber=5)), "1.2.3.2", 0xC111),
    ],
    ids=["empty", "none", "cut in the head", "cut in the pixels", "other instance", "other class", "other content"],
)
def test_errors_are_answered_and_the_association_goes_on(
    listener: tuple[int, Archive], data: bytes | None, uid: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    port, archive = listener
    association = associate(port)
    assert send(association, dataset_of(make_file("1.2.3.2")), uid="1.2.3.2").Status == 0x0000
    response = send(association, data, uid=uid)
    assert response.Status == status
    assert 0 < len(response.ErrorComment) <= 64
    assert send(association, dataset_of(make_file("1.2.3.3")), uid="1.2.3.3").Status == 0x0000
    association.release()
    assert not archive.instances.exists("1.2.3.1")
    assert "refused with" in caplog.text
    assert "Doe" not in caplog.text and "P1" not in caplog.text


def test_a_full_disk_is_out_of_resources(listener: tuple[int, Archive], monkeypatch: pytest.MonkeyPatch) -> None:
    port, archive = listener

    def full() -> None:
        raise ArchiveFullError("no space")

    monkeypatch.setattr(archive.instances, "new_file", full)
    association = associate(port)
    assert send(association, dataset_of(make_file())).Status == 0xA700
    association.release()


def test_completion_knows_who_still_sends(listener: tuple[int, Archive]) -> None:
    port, archive = listener
    first, second = associate(port), associate(port)
    send(first, dataset_of(make_file()))
    send(second, dataset_of(make_file("1.2.3.2")), uid="1.2.3.2")
    assert archive.studies.open_studies()[0].open_associations == 2
    first.release()
    second.abort()
    deadline = time.monotonic() + 10
    while archive.studies.open_studies()[0].open_associations and time.monotonic() < deadline:
        time.sleep(0.05)
    (study,) = archive.studies.open_studies()
    assert study.open_associations == 0
    assert study.last_released is not None


@pytest.mark.parametrize("end", ["released", "aborted", "refused"])
def test_completion_knows_how_an_association_ended(listener: tuple[int, Archive], end: str) -> None:
    port, archive = listener
    association = associate(port)
    send(association, dataset_of(make_file()))
    if end == "refused":
        send(association, dataset_of(make_file("1.2.3.2")), uid="1.2.3.3")  # it is another one than announced
    (association.abort if end == "aborted" else association.release)()
    deadline = time.monotonic() + 10
    while archive.studies.open_studies()[0].open_associations and time.monotonic() < deadline:
        time.sleep(0.05)
    assert archive.studies.open_studies()[0].ended_once is (end == "released")


@pytest.mark.parametrize(("called", "accepted"), [("DICOMNODE", True), ("BRAIN", True), ("OTHER", False)])
def test_unknown_called_titles_are_rejected_if_so_set(tmp_path: Path, engine: str, called: str, accepted: bool) -> None:
    with listening(settings(tmp_path, engine=engine, require_called_ae_title=True)) as (port, _):
        association = associate(port, called=called)
        assert association.is_established is accepted
        if accepted:
            association.release()


def test_too_many_associations_are_rejected_for_now(tmp_path: Path, engine: str) -> None:
    with listening(settings(tmp_path, engine=engine, maximum_associations=1)) as (port, _):
        first = associate(port)
        second = associate(port)
        assert (first.is_established, second.is_rejected) == (True, True)
        first.release()


def test_garbage_on_the_port_hurts_nobody(listener: tuple[int, Archive]) -> None:
    port, _ = listener
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\xff\xff\xff\xff", b""):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(data)
    association = associate(port)
    assert association.is_established
    association.release()


def test_a_sender_that_dies_in_mid_instance_leaves_nothing(listener: tuple[int, Archive]) -> None:
    port, archive = listener
    association = associate(port)
    send(association, dataset_of(make_file()))
    request = C_STORE()
    request.MessageID = 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = MR, "1.2.3.2"
    request.Priority = 2
    association.dul.socket.socket.sendall(b"\x04\x00\x00\x00\x40\x00\x00\x00\x10\x00\x01\x00half of a fragment")
    association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    association.kill()
    again = associate(port)
    assert again.is_established
    again.release()
    assert archive.studies.record("1.2.3").source_instances == 1


def test_contexts_follow_the_senders_order() -> None:
    requested = [
        build_context(MR, ["1.2.3.4.5", JPEG2000Lossless, ImplicitVRLittleEndian]),
        build_context(MR, [ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
        build_context(PRIVATE, ["1.2.840.113619.5.2"]),
        build_context("1.2.840.10008.5.1.4.1.2.2.1", [ImplicitVRLittleEndian]),
        build_context(Verification, [ImplicitVRLittleEndian]),
    ]
    accepted = {
        str(cx.abstract_syntax): list(map(str, cx.transfer_syntax))
        for cx in acceptable_contexts(requested, ("echo", "store"))
    }
    assert accepted == {
        MR: [ExplicitVRLittleEndian, JPEG2000Lossless, ImplicitVRLittleEndian],
        str(Verification): [ImplicitVRLittleEndian],
    }


@pytest.mark.parametrize(
    ("services", "accepted"),
    [
        ((), set()),
        (("echo",), {str(Verification)}),
        (("store",), {MR}),
        (("commit", "find", "move"), {str(StorageCommitmentPushModel)}),
    ],
)
def test_contexts_follow_what_the_peer_may(services: tuple[Service, ...], accepted: set[str]) -> None:
    uids = (MR, Verification, StorageCommitmentPushModel, "1.2.840.10008.5.1.4.1.2.2.1")
    requested = [build_context(uid, [ImplicitVRLittleEndian]) for uid in uids]
    contexts = acceptable_contexts(requested, services)
    assert {str(cx.abstract_syntax) for cx in contexts} == accepted
    roles = {str(cx.abstract_syntax): (cx.scu_role, cx.scp_role) for cx in contexts}
    assert roles.get(str(StorageCommitmentPushModel), (False, True)) == (False, True)


@pytest.mark.parametrize(
    ("uid", "storage"),
    [
        (MR, True),
        (PRIVATE, True),
        ("1.2.840.10008.5.1.4.1.1.66.7", True),  # Label Map Segmentation, newer than our dictionary
        ("1.2.840.10008.1.20.1", False),  # Storage Commitment
        ("1.2.840.10008.1.3.10", False),  # Media Storage Directory
        ("1.2.840.10008.5.1.4.1.2.2.1", False),
        ("1.2.840.10008.1.1", False),
    ],
)
def test_storage_is_what_no_other_service_is(uid: str, storage: bool) -> None:
    assert is_storage(uid) is storage


def test_every_transfer_syntax_of_the_standard_is_known() -> None:
    assert {"1.2.840.10008.1.2", "1.2.840.10008.1.2.4.55", "1.2.840.10008.1.2.4.203"} <= TRANSFER_SYNTAXES
    assert "1.2.840.10008.1.2.6.2" not in TRANSFER_SYNTAXES


def test_the_port_that_is_taken_is_said(tmp_path: Path, engine: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wrong = settings(tmp_path).model_copy(
            update={"receive": ReceiveSettings(port=taken.getsockname()[1], engine=engine)}
        )
        with Archive.open(wrong) as archive, pytest.raises(SettingsError, match=r"receive\.port"):
            serve_dimse(wrong, archive, threading.Event(), lambda _: None)
