"""What targets get that take less than the node has: real senders, real receivers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zlib
from dataclasses import replace
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom.sop_class import StorageCommitmentPushModel, StudyRootQueryRetrieveInformationModelFind

from dicomnode.archive import Archive
from dicomnode.archive.records import DeliveryState
from dicomnode.delivery.substituting import substitute_for
from dicomnode.peers.echo import echo
from dicomnode.settings import TargetSettings, load_settings
from tests.archives import open_archive, put
from tests.exam_cases import make_exam, screened
from tests.factories import make_series
from tests.ladder_cases import answered, now, outbox_for, target
from tests.node_fixtures import to_toml
from tests.peers_fixtures import free_port, wait_for

EMPTY = DataElement("PixelData", "OB", b"")
ROLES = ("answer", "lesions", "segmentation", "text")


@pytest.fixture
def archive(tmp_path):
    with open_archive(tmp_path / "node") as opened:
        yield opened


@pytest.fixture
def study(archive, tmp_path):
    return answered(archive, make_series(tmp_path / "in", 3, modality="MR"))


@pytest.fixture
def stow_server():
    """A DICOMweb server; set `.refused` to what it answers by SOP class: a HTTP status, or a Failure Reason."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message = BytesParser().parsebytes(f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + body)
            headers = [dcmread(BytesIO(part.get_payload(decode=True))) for part in message.get_payload()]
            status, answer = stored(headers, self.server.refused)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.refused, http.url = {}, f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def stored(headers: list[Dataset], refused: dict[str, int]) -> tuple[int, bytes]:
    """A server's answer: HTTP status, and the Store Instances Response Module."""
    reasons = {header.SOPInstanceUID: refused.get(header.SOPClassUID, 0) for header in headers}
    if 415 in reasons.values():
        return 415, b""
    answer = Dataset()
    answer.ReferencedSOPSequence, answer.FailedSOPSequence = [], []
    for uid, reason in reasons.items():
        item = Dataset()
        item.ReferencedSOPInstanceUID = uid
        if reason:
            item.FailureReason = reason
        (answer.FailedSOPSequence if reason else answer.ReferencedSOPSequence).append(item)
    return 202 if any(reasons.values()) else 200, json.dumps(answer.to_json_dict()).encode()


def sent(archive, study) -> dict[str, tuple[str, str, str | None]]:
    """State, status and what went in its place, by role of the document."""
    roles = {item.sop_instance_uid: item.role for item in archive.evidence.list(study)}
    return {
        roles[item.sop_instance_uid]: (str(item.state), item.status, item.sent_sop_instance_uid)
        for item in archive.deliveries.list(study)
    }


def test_a_target_that_takes_everything_gets_everything_as_it_is(archive, study, store_scp):
    scp = store_scp()
    outbox = outbox_for(archive, target(scp.port))
    assert outbox.send_due() == 4
    assert {role: state for role, (state, _, _) in sent(archive, study).items()} == dict.fromkeys(ROLES, "delivered")
    assert {made for _, _, made in sent(archive, study).values()} == {None}
    assert scp.associations == 2  # one to ask, one to send
    assert archive.capabilities.get("pacs").takes(SegmentationStorage)


@pytest.mark.parametrize(
    ("taken", "lesions"),
    [(ComprehensiveSRStorage, "comprehensive"), (EnhancedSRStorage, "enhanced")],
)
def test_a_target_of_one_older_report_class_gets_that(archive, study, store_scp, taken, lesions):
    scp = store_scp(contexts=[taken])
    outbox_for(archive, target(scp.port)).send_due()
    found = sent(archive, study)
    assert [found[role][0] for role in ROLES] == ["delivered", "delivered", "refused", "delivered"]
    for role in ("answer", "lesions"):
        made = archive.substitutes.get(found[role][2])
        assert (made.form, made.sop_class_uid) == (lesions, taken)
        assert made.path.read_bytes().endswith(scp.received[made.sop_instance_uid])
        assert "in place of Comprehensive 3D SR" in found[role][1]
    traced = [line.text for line in archive.traces.list(study) if line.event == "delivered"]
    assert sum("in place of Comprehensive 3D SR" in text for text in traced) == 2


@pytest.mark.parametrize(
    ("taken", "form"),
    [(GrayscaleSoftcopyPresentationStateStorage, "presentation"), (SecondaryCaptureImageStorage, "picture")],
)
def test_a_target_without_segmentations_gets_them_drawn(archive, study, store_scp, taken, form):
    scp = store_scp(contexts=[taken])
    outbox_for(archive, target(scp.port)).send_due()
    found = sent(archive, study)
    assert [found[role][0] for role in ROLES] == ["refused", "refused", "delivered", "refused"]
    made = archive.substitutes.get(found["segmentation"][2])
    assert (made.form, list(scp.received)) == (form, [made.sop_instance_uid])
    assert "in place of Segmentation" in found["segmentation"][1]


def test_masks_that_another_document_shows_are_not_drawn_again(archive, store_scp, tmp_path):
    study = answered(archive, make_exam(tmp_path / "exam"), screened)
    taken = [Comprehensive3DSRStorage, EnhancedSRStorage, GrayscaleSoftcopyPresentationStateStorage]
    scp = store_scp(contexts=taken)
    outbox_for(archive, target(scp.port)).send_due()
    found = sent(archive, study)
    assert found["segmentation"][0] == "covered"
    assert "the presentation document, which it gets, says the same" in found["segmentation"][1]
    assert (found["presentation"][0], found["picture"][0], found["heat-map"][0]) == ("delivered", "refused", "refused")
    assert [line for line in archive.traces.list(study) if line.event == "covered"]
    assert archive.substitutes.find(archive.evidence.list(study)[0].sop_instance_uid, "presentation") is None


def test_what_a_target_does_not_want_is_not_drawn_for_it(archive, study, store_scp):
    scp = store_scp(contexts=[SecondaryCaptureImageStorage])
    outbox_for(archive, target(scp.port, send={"picture": False})).send_due()
    state, status, _ = sent(archive, study)["segmentation"]
    assert state == "refused"
    assert "its settings want none" in status


def test_a_substitute_is_made_once_and_sent_again(archive, study, store_scp):
    busy = [True]
    scp = store_scp(contexts=[ComprehensiveSRStorage], answer=lambda uid: 0xA700 if busy[0] else 0x0000)
    outbox = outbox_for(archive, target(scp.port))
    outbox.send_due()
    made = archive.substitutes.get(sent(archive, study)["answer"][2])
    written = made.path.stat().st_mtime_ns
    busy[0] = False
    until_quiet(outbox, archive, study)
    assert scp.calls.count(made.sop_instance_uid) == 2
    assert archive.substitutes.get(made.sop_instance_uid) == made
    assert made.path.stat().st_mtime_ns == written


@pytest.mark.dcmtk
def test_dcmtk_with_a_profile_of_few_classes(archive, study, tmp_path):
    profile = tmp_path / "few.cfg"
    profile.write_text(PROFILE)
    (tmp_path / "got").mkdir()
    port = free_port()
    command = ["storescp", "-aet", "PACS", "-xf", str(profile), "Few", "-od", str(tmp_path / "got"), str(port)]
    with subprocess.Popen(command, env=os.environ | {"TCP_NODELAY": "1"}) as process:
        try:
            wait_for(lambda: echo("127.0.0.1", port, "PACS", "TEST", 2).answered, 30, "storescp to listen")
            outbox_for(archive, target(port)).send_due()
        finally:
            process.terminate()
    found = sent(archive, study)
    assert {state for state, _, _ in found.values()} == {"delivered"}
    got = [dcmread(path) for path in (tmp_path / "got").iterdir()]
    assert sorted(str(dataset.SOPClassUID) for dataset in got) == sorted(
        (ComprehensiveSRStorage, ComprehensiveSRStorage, EnhancedSRStorage, SecondaryCaptureImageStorage)
    )
    assert {dataset.file_meta.TransferSyntaxUID for dataset in got} == {ImplicitVRLittleEndian}
    assert archive.capabilities.get("pacs").implementation_version_name.startswith("OFFIS_DCMTK")


PROFILE = """
[[TransferSyntaxes]]
[Implicit]
TransferSyntax1 = LittleEndianImplicit
[[PresentationContexts]]
[Contexts]
PresentationContext1 = VerificationSOPClass\\Implicit
PresentationContext2 = ComprehensiveSRStorage\\Implicit
PresentationContext3 = EnhancedSRStorage\\Implicit
PresentationContext4 = SecondaryCaptureImageStorage\\Implicit
[[Profiles]]
[Few]
PresentationContexts = Contexts
"""


@pytest.mark.orthanc
def test_orthanc_takes_all_and_says_what_it_offers(archive, study, orthanc):
    settings = target(orthanc.port, ae_title=orthanc.ae_title)
    outbox_for(archive, settings).send_due()
    assert {(state, made) for state, _, made in sent(archive, study).values()} == {("delivered", None)}
    known = archive.capabilities.get("pacs")
    assert known.takes(StudyRootQueryRetrieveInformationModelFind)
    assert known.takes(StorageCommitmentPushModel)


def test_a_web_target_is_learnt_from_what_it_refuses(archive, study, stow_server):
    stow_server.refused = {Comprehensive3DSRStorage: 415, SegmentationStorage: 0x0122}
    settings = TargetSettings.model_validate({"name": "pacs", "url": stow_server.url, "timeout_seconds": 5.0})
    until_quiet(outbox_for(archive, settings), archive, study)
    found = sent(archive, study)
    assert {state for state, _, _ in found.values()} == {"delivered"}
    forms = {role: archive.substitutes.get(made).form for role, (_, _, made) in found.items() if made}
    assert forms == {"answer": "comprehensive", "lesions": "comprehensive", "segmentation": "presentation"}


def test_a_target_that_takes_nothing_of_the_ladder_gets_nothing_and_every_reason_is_told(archive, study, store_scp):
    scp = store_scp(contexts=["1.2.840.10008.5.1.4.1.1.2"])
    outbox_for(archive, target(scp.port)).send_due()
    found = sent(archive, study)
    assert {state for state, _, _ in found.values()} == {"refused"}
    for name in ("Comprehensive 3D SR", "Comprehensive SR", "Enhanced SR"):
        assert f"does not take {name}" in found["answer"][1]
    assert scp.received == {}


def test_without_fallback_the_object_is_refused(archive, study, store_scp):
    scp = store_scp(contexts=[ComprehensiveSRStorage])
    outbox_for(archive, target(scp.port, fallback=False)).send_due()
    state, status, _ = sent(archive, study)["answer"]
    assert state == "refused"
    assert "fallback is switched off" in status
    assert scp.received == {}


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_an_object_goes_in_the_one_transfer_syntax_that_is_taken(archive, study, store_scp, syntax):
    scp = store_scp(syntaxes=[syntax])
    outbox_for(archive, target(scp.port)).send_due()
    found = sent(archive, study)
    assert [found[role][0] for role in ROLES] == ["delivered"] * 4
    assert "the target does not take it in Explicit VR Little Endian" in found["answer"][1]
    for item in archive.evidence.list(study):
        kept = dcmread(item.path)
        arrived = decoded(scp.received[item.sop_instance_uid], syntax)
        assert arrived.pop("PixelData", EMPTY).value == kept.pop("PixelData", EMPTY).value  # OB or OW by syntax
        assert arrived.to_json_dict() == kept.to_json_dict()


def decoded(data: bytes, syntax: str) -> Dataset:
    """What a receiver reads in a transfer syntax."""
    plain = zlib.decompress(data, -zlib.MAX_WBITS) if syntax == DeflatedExplicitVRLittleEndian else data
    return read_dataset(BytesIO(plain), syntax == ImplicitVRLittleEndian, True)


def test_a_class_that_is_refused_although_it_was_accepted_is_learnt(archive, study, store_scp):
    refused = {item.sop_instance_uid for item in archive.evidence.list(study) if item.role in ("answer", "lesions")}
    scp = store_scp(answer=lambda uid: 0xA900 if uid in refused else 0x0000)
    outbox = outbox_for(archive, target(scp.port))
    outbox.send_due()
    assert sent(archive, study)["answer"][0] == "waiting"
    assert Comprehensive3DSRStorage in archive.capabilities.get("pacs").refused
    until_quiet(outbox, archive, study)
    state, status, made = sent(archive, study)["answer"]
    assert state == "delivered"
    assert "0xA900" in status
    assert archive.substitutes.get(made).form == "comprehensive"


def until_quiet(outbox, archive, study) -> None:
    """Send until nothing waits any more."""

    def quiet():
        outbox.send_due()
        return all(item.state is not DeliveryState.WAITING for item in archive.deliveries.list(study))

    wait_for(quiet, 30, "the outbox to be empty")


def test_a_retry_asks_anew_and_sends_what_is_taken_by_then(archive, study, store_scp):
    scp = store_scp(contexts=[SecondaryCaptureImageStorage])
    outbox = outbox_for(archive, target(scp.port))
    outbox.send_due()
    assert sent(archive, study)["answer"][0] == "refused"
    scp.stop()
    scp.contexts.append(Comprehensive3DSRStorage)
    scp.start()
    archive.deliveries.retry(now(), study_instance_uid=study)
    outbox.send_due()
    assert sent(archive, study)["answer"][0] == "delivered"
    assert sent(archive, study)["answer"][2] is None


def test_a_substitute_that_comes_back_is_known_as_the_nodes_own(archive, study, store_scp):
    scp = store_scp(contexts=[ComprehensiveSRStorage])
    outbox_for(archive, target(scp.port)).send_due()
    made = archive.substitutes.get(sent(archive, study)["answer"][2])
    dataset = dcmread(made.path)
    del dataset.ContributingEquipmentSequence
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    before = archive.studies.record(study).generation
    assert str(put(archive, buffer.getvalue()).status) == "own"
    assert archive.studies.record(study).generation == before


def test_an_object_whose_identity_was_corrected_has_substitutes_too(archive, study, tmp_path):
    [evidence] = [item for item in archive.evidence.list(study) if item.role == "segmentation"]
    dataset = dcmread(evidence.path)
    dataset.PatientID, dataset.PatientName = "CORRECTED", "Other^Name"
    changed = tmp_path / "corrected.dcm"
    dataset.save_as(changed, enforce_file_format=True)
    made = substitute_for(archive, replace(evidence, path=changed), "picture", "for a test", now())
    assert dcmread(made.path).PatientID == "CORRECTED"


def test_the_dispatch_role_sends_older_kinds_and_says_so(store_scp, tmp_path):
    scp = store_scp(contexts=[ComprehensiveSRStorage, SecondaryCaptureImageStorage])
    pacs = {"name": "pacs", "host": "127.0.0.1", "port": scp.port, "ae_title": "PACS", "proof": "none"}
    settings_path = tmp_path / "dicomnode.toml"
    settings_path.write_text(to_toml({"node": {"data_dir": str(tmp_path / "data")}, "targets": [pacs]}))
    with Archive.open(load_settings(settings_path)) as opened:
        study_uid = answered(opened, make_series(tmp_path / "in", 3, modality="MR"))
        command = [sys.executable, "-m", "dicomnode", "serve", "--role", "dispatch", "--settings", str(settings_path)]
        with subprocess.Popen(command) as process:
            try:
                wait_for(lambda: len(scp.received) == len(ROLES), 100, "four objects")
                states = {"delivered"}
                wait_for(lambda: {state for state, _, _ in sent(opened, study_uid).values()} == states, 30, "the rows")
            finally:
                process.terminate()
        assert {made for _, _, made in sent(opened, study_uid).values()} == set(scp.received)
        traced = [line.text for line in opened.traces.list(study_uid) if line.event == "delivered"]
    for name in ("Comprehensive 3D SR", "Enhanced SR", "Segmentation"):
        assert any(f"in place of {name}" in text for text in traced)
