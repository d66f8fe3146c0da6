"""The node's own writer gives the very bytes that pydicom gives."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from dicomnode.evidence import to_bytes
from tests.evidence_cases import documents, negative, positive
from tests.factories import make_series


def library_bytes(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("made", [positive, negative])
def test_documents_are_written_alike(tmp_path: Path, made: Callable[..., object]) -> None:
    paths = make_series(tmp_path)
    for dataset in documents(made(paths), paths).values():
        assert to_bytes(dataset) == library_bytes(dataset)


def _name(dataset: Dataset) -> None:
    dataset.PatientName = "Müller^Jürgen=山田^太郎"


def _numbers(dataset: Dataset) -> None:
    dataset.PixelSpacing = ["0.50", DSfloat(1 / 3, auto_format=True)]
    dataset.NumberOfFrames, dataset.SliceThickness = "7", None
    dataset.add_new(0x00189306, "FD", [0.1, 0.2])
    dataset.add_new(0x00700022, "FL", np.array([1.5, 2.5]).tolist())
    dataset.add_new(0x00660018, "FL", 2.5)


def _ambiguous(dataset: Dataset) -> None:
    dataset.PixelRepresentation, dataset.BitsAllocated, dataset.Rows = 0, 8, 1
    dataset.SmallestImagePixelValue, dataset.PixelData = 3, b"\x01\x02\x03"


def _ambiguous_within(dataset: Dataset) -> None:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [2, 0, 16], b"\0\0\1\0"
    dataset.ModalityLUTSequence = [item]


def _delimited(dataset: Dataset) -> None:
    dataset.add(DataElement(0x00081140, "SQ", Sequence([Dataset()]), is_undefined_length=True))
    dataset["ReferencedImageSequence"].value[0].is_undefined_length_sequence_item = True


def _private(dataset: Dataset) -> None:
    dataset.private_block(0x0011, "dicomnode", create=True).add_new(0x01, "UN", b"\x01\x02")
    dataset.add_new(0x00082112, "SQ", [])


def _character_set(dataset: Dataset) -> None:
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 100", "Müller"


def _implicit(dataset: Dataset) -> None:
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


def _big(dataset: Dataset) -> None:
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian


@pytest.mark.parametrize(
    "change",
    [
        _name,
        _numbers,
        _ambiguous,
        _ambiguous_within,
        _delimited,
        _private,
        _character_set,
        _implicit,
        _big,
    ],
)
def test_what_is_unusual_is_written_alike(tmp_path: Path, change: Callable[[Dataset], None]) -> None:
    paths = make_series(tmp_path)
    dataset = documents(negative(paths), paths)["text"]
    change(dataset)
    assert to_bytes(dataset) == library_bytes(dataset)


def test_a_stored_document_is_written_alike(tmp_path: Path) -> None:
    from pydicom import dcmread

    paths = make_series(tmp_path)
    stored = to_bytes(documents(negative(paths), paths)["answer"])
    assert to_bytes(dcmread(BytesIO(stored))) == stored
