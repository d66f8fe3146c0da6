from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.part10 import part10_preamble
from dicomnode.dicom.uids import IMPLEMENTATION_CLASS_UID
from tests.factories import make_instance


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("source", ["", "SCANNER", "ODD"])
def test_head_and_bytes_make_a_file_that_pydicom_reads(syntax: str, source: str) -> None:
    dataset = make_instance(transfer_syntax=syntax)
    body = BytesIO()
    dcmwrite(body, dataset, enforce_file_format=True)
    read = dcmread(BytesIO(body.getvalue()))
    start = 132 + 12 + int(read.file_meta.FileMetaInformationGroupLength)
    head = part10_preamble(dataset.SOPClassUID, dataset.SOPInstanceUID, syntax, source)

    again = dcmread(BytesIO(head + body.getvalue()[start:]))

    assert again == read
    assert again.file_meta.TransferSyntaxUID == syntax
    assert again.file_meta.MediaStorageSOPClassUID == dataset.SOPClassUID
    assert again.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert again.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert again.file_meta.get("SourceApplicationEntityTitle", "") == source


def test_every_value_has_even_length() -> None:
    head = part10_preamble("1.2.3", "1.2.3.4.5", DeflatedExplicitVRLittleEndian, "ABC")
    assert len(head) % 2 == 0
    assert head[128:132] == b"DICM"
