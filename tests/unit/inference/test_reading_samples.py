"""Frames of real files, whatever their transfer syntax, are those that a plain reading with pydicom gives."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicomnode.dicom.header import read_header
from dicomnode.dicom.pixels import read_frames
from dicomnode.dicom.stored_bits import check_stored_bits
from dicomnode.errors import InputError
from dicomnode.inference.decoding.processes import DecodingProcesses
from dicomnode.inference.frame_reader import FrameReader, Pixels
from dicomnode.inference.heads import instance_slices
from dicomnode.inference.slices import check_instance, readable
from dicomnode.study import Instance
from tests.factories import as_instance

_MOST_BYTES = 4_000_000


@pytest.fixture(scope="module")
def processes() -> Iterator[DecodingProcesses]:
    decoding = DecodingProcesses(1)
    yield decoding
    decoding.close()


def _samples() -> Iterator[Path]:
    """One of each folder, transfer syntax, depth, number of frames and photometric interpretation."""
    root = Path(os.environ["DICOMNODE_TEST_DATA"]) / "dicom_samples"
    seen = set()
    with (root / "manifest.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kind = (row["transfer_syntax"], row["bits"], row["photometric"], row["frames"], Path(row["path"]).parent)
            if kind not in seen and int(row["bytes"]) < _MOST_BYTES and row["photometric"]:
                seen.add(kind)
                yield root / row["path"]


def _expected(instance: Instance) -> list[Pixels] | None:
    try:
        with readable(instance):
            dataset = dcmread(instance.path, force=True)
            check_instance(instance, dataset)
            check_stored_bits(dataset)
            return [frame.values for frame in read_frames(dataset)]
    except InputError:
        return None


def _found(instance: Instance, reader: FrameReader) -> list[Pixels] | None:
    try:
        return [frame.values for frame in reader.read_all(instance_slices(instance))]
    except InputError:
        return None


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_real_files(processes: DecodingProcesses) -> None:
    read = 0
    for path in _samples():
        try:
            instance = as_instance(path)
            read_header(path)
        except InputError:
            continue
        expected = _expected(instance)
        for reader in (FrameReader(), FrameReader(processes)):
            found = _found(instance, reader)
            assert (found is None) == (expected is None), path
            if found is not None and expected is not None:
                assert len(found) == len(expected)
                assert all(map(np.array_equal, found, expected)), path
                read += 1
    assert read > 60
