from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.header import read_header
from dicomnode.errors import NotDicomError
from tests.factories import make_enhanced, make_instance, write_instance


def _bytes(**attributes: Any) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, make_instance(**attributes), enforce_file_format=True)
    return buffer.getvalue()


def test_the_attributes_of_an_instance(tmp_path: Path) -> None:
    dataset = make_instance(
        BodyPartExamined="BRAIN", IssuerOfPatientID="H", ManufacturerModelName="M 1", SeriesDate="20260101"
    )
    header = read_header(write_instance(dataset, tmp_path))

    assert header.sop_instance_uid == dataset.SOPInstanceUID
    assert header.sop_class_uid == dataset.SOPClassUID
    assert header.series_instance_uid == dataset.SeriesInstanceUID
    assert header.study_instance_uid == dataset.StudyInstanceUID
    assert header.transfer_syntax_uid == ExplicitVRLittleEndian
    assert (header.modality, header.patient_id, header.patient_name) == ("MR", "TEST-1", "Generated^Test")
    assert (header.study_date, header.study_id, header.accession_number) == ("20260102", "1", "A1")
    assert (header.series_number, header.instance_number, header.number_of_frames) == (1, 1, 1)
    assert (header.rows, header.columns) == (16, 16)
    assert (header.body_part_examined, header.issuer_of_patient_id) == ("BRAIN", "H")
    assert (header.manufacturer_model_name, header.series_date) == ("M 1", "20260101")
    assert header.contributing == ()


def test_frames_are_counted() -> None:
    buffer = BytesIO()
    dcmwrite(buffer, make_enhanced(3), enforce_file_format=True)
    assert read_header(BytesIO(buffer.getvalue())).number_of_frames == 3


@pytest.mark.parametrize("undefined_length", [False, True])
def test_contributing_equipment(undefined_length: bool) -> None:
    item = Dataset()
    item.Manufacturer, item.ManufacturerModelName = "dicomnode", "Модель"
    item.is_undefined_length_sequence_item = undefined_length
    dataset = make_instance(ContributingEquipmentSequence=[item])
    dataset["ContributingEquipmentSequence"].is_undefined_length = undefined_length
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    assert read_header(BytesIO(buffer.getvalue())).contributing == (("dicomnode", "Модель"),)


@pytest.mark.parametrize(
    ("character_set", "encoded", "name"),
    [
        ("ISO_IR 192", "Wáng^小東".encode(), "Wáng^小東"),
        ("ISO_IR 100", "Buc^Jérôme".encode("latin-1"), "Buc^Jérôme"),
        ("ISO_IR 144", "Люксембург".encode("iso8859-5"), "Люксембург"),
        ("GB18030", "王^小东".encode("gb18030"), "王^小东"),
        ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"),
        ("", "Größe^A".encode(), "Größe^A"),
        ("", "Größe^A".encode("latin-1"), "Größe^A"),
        ("ISO_IR 192", "Größe^A".encode("latin-1"), "Größe^A"),
    ],
)
def test_names_are_decoded_by_the_files_own_character_set(character_set: str, encoded: bytes, name: str) -> None:
    value = encoded + b" " * (len(encoded) % 2)
    plain = _bytes(SpecificCharacterSet="ISO_IR 192", PatientName="X" * len(value))
    marker = b"ISO_IR 192"
    charset = character_set.encode() + b" " * (len(character_set) % 2)
    changed = plain.replace(
        b"\x08\x00\x05\x00CS\x0a\x00" + marker, b"\x08\x00\x05\x00CS" + bytes([len(charset), 0]) + charset
    )
    changed = changed.replace(b"X" * len(value), value)
    assert read_header(BytesIO(changed)).patient_name == name


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_file_without_preamble_and_meta_information(syntax: str) -> None:
    buffer = BytesIO()
    dataset = make_instance(transfer_syntax=syntax)
    dcmwrite(buffer, Dataset(dataset), implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    header = read_header(BytesIO(buffer.getvalue()))
    assert header.sop_instance_uid == dataset.SOPInstanceUID
    assert header.transfer_syntax_uid == syntax


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"<!DOCTYPE html><html><body>not found</body></html>" * 20,
        b"%PDF-1.7\n" * 100,
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        bytes(128) + b"DICM",
        bytes(1000),
        b"\xff" * 1000,
        np.random.default_rng(0).bytes(4000),
    ],
    ids=["empty", "one byte", "html", "pdf", "png", "preamble only", "zeros", "ones", "noise"],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_what_is_no_dicom_is_refused_with_a_sentence(content: bytes) -> None:
    with pytest.raises(NotDicomError, match=r"DICOM|data set"):
        read_header(BytesIO(content))


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_file_cut_anywhere_is_read_or_refused() -> None:
    whole = _bytes(pixels=np.zeros((4, 4), np.uint8))
    outcomes = set()
    for length in range(0, len(whole), 7):
        try:
            outcomes.add(read_header(BytesIO(whole[:length])).sop_instance_uid)
        except NotDicomError:
            outcomes.add("refused")
    assert outcomes == {"refused", str(make_instance().SOPInstanceUID)}


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID"])
def test_a_missing_uid_is_named(keyword: str) -> None:
    buffer = BytesIO()
    dcmwrite(buffer, Dataset(make_instance(**{keyword: None})), implicit_vr=False, little_endian=True)
    with pytest.raises(NotDicomError, match=f"{keyword} is missing"):
        read_header(BytesIO(buffer.getvalue()))


def test_a_uid_that_is_a_path_is_refused() -> None:
    uid = str(make_instance().SeriesInstanceUID)
    content = _bytes().replace(uid.encode(), b"../../etc/passwd".ljust(len(uid), b"/"))
    with pytest.raises(NotDicomError, match="SeriesInstanceUID is not a UID"):
        read_header(BytesIO(content))


def test_the_message_holds_no_patient_data() -> None:
    content = _bytes().replace(b"\x20\x00\x0d\x00UI", b"\x20\x00\x0c\x00UI")
    with pytest.raises(NotDicomError) as caught:
        read_header(BytesIO(content))
    assert "Generated" not in str(caught.value)
    assert "TEST-1" not in str(caught.value)


def test_a_missing_file_stays_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_header(tmp_path / "absent.dcm")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("undefined_length", [False, True])
@pytest.mark.parametrize("long_head", [False, True])
def test_what_was_requested(syntax: str, undefined_length: bool, long_head: bool) -> None:
    items = [Dataset(), Dataset()]
    for number, item in enumerate(items, 1):
        item.ScheduledProcedureStepID, item.RequestedProcedureID = f"S{number}", f"R{number}"
        item.is_undefined_length_sequence_item = undefined_length
    dataset = make_instance(
        transfer_syntax=syntax,
        RequestAttributesSequence=items,
        PerformedProcedureStepStartDate="20260102",
        PerformedProcedureStepStartTime="101500.5",
    )
    dataset["RequestAttributesSequence"].is_undefined_length = undefined_length
    if long_head:
        dataset.private_block(0x0029, "LONG", create=True).add_new(0x10, "OB", bytes(100_000))
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    header = read_header(BytesIO(buffer.getvalue()))
    assert (header.scheduled_procedure_step_id, header.requested_procedure_id) == ("S1", "R1")
    assert header.performed_procedure_step_start_date == "20260102"
    assert header.performed_procedure_step_start_time == "101500.5"


def test_damage_behind_the_image_s_description_costs_what_stands_there() -> None:
    content = _bytes(PerformedProcedureStepStartDate="20260102")
    at = content.index(b"\x40\x00\x44\x02DA")
    header = read_header(BytesIO(content[:at] + b"\x40\x00\x01\x00??" + content[at + 6 :]))
    assert (header.rows, header.performed_procedure_step_start_date) == (16, "")
