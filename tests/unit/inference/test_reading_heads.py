"""The quick description of plain slices is the one that pydicom gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.errors import InputError
from dicomnode.inference import heads
from dicomnode.inference.heads import read_slices
from dicomnode.inference.slices import HEAD_KEYWORDS, Slice, check_identity, describe, patient_of, readable
from dicomnode.study import Series
from tests.factories import as_series, make_enhanced, make_instance, write_instance

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def by_pydicom(series: Series) -> tuple[list[Slice], str] | str:
    (instance,) = series.instances
    try:
        with readable(instance):
            dataset = dcmread(instance.path, stop_before_pixels=True, force=True, specific_tags=list(HEAD_KEYWORDS))
            check_identity(series, instance, dataset)
            return list(describe(instance, dataset)), patient_of(dataset)
    except InputError as error:
        return str(error)


def quick(series: Series) -> tuple[list[Slice], str] | str:
    try:
        item, patient = heads._plain_slice(series, series.instances[0], heads._scanned(series.instances[0].path), {})
        return [replace(item, stored=None)], patient
    except heads.UnusualError:
        pass
    try:
        return [replace(item, stored=None) for item in read_slices(series, series.instances)], "by pydicom"
    except InputError as error:
        return str(error)


TEXTS = st.one_of(st.text("AB 0_.-\\", max_size=8), st.sampled_from(["ORIGINAL\\PRIMARY\\LOCALIZER", "Ä", "a~b"]))
NUMBERS = st.one_of(
    st.floats(-1e4, 1e4).map(lambda number: f"{number:.6g}"), st.sampled_from(["1", "+2.50", " 3 ", "1e1", ".5", "-0"])
)
ATTRIBUTES = {
    "ImageType": TEXTS,
    "PatientID": TEXTS,
    "EchoTime": NUMBERS,
    "TriggerTime": NUMBERS,
    "InversionTime": NUMBERS,
    "SliceThickness": NUMBERS,
    "AcquisitionNumber": st.integers(-3, 99),
    "TemporalPositionIdentifier": st.integers(1, 99),
    "DiffusionBValue": st.floats(0, 1000),
    "RescaleSlope": NUMBERS,
    "RescaleIntercept": NUMBERS,
    "PhotometricInterpretation": st.sampled_from(["MONOCHROME1", "MONOCHROME2", "RGB", "HSV"]),
    "PixelSpacing": st.lists(NUMBERS, min_size=2, max_size=2),
    "ImagePositionPatient": st.none() | st.lists(NUMBERS, min_size=3, max_size=3),
    "SpecificCharacterSet": st.sampled_from(["ISO_IR 100", "ISO_IR 192", "ISO_IR 13"]),
    "HighBit": st.sampled_from([11, 15]),
}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
    st.sampled_from(["CT", "MR", "MG"]),
    st.fixed_dictionaries({}, optional=ATTRIBUTES),
)
def test_both_ways_say_the_same(tmp_path: Path, syntax: str, modality: str, attributes: dict[str, Any]) -> None:
    dataset = make_instance(modality=modality, transfer_syntax=syntax, **attributes)
    series = as_series([write_instance(dataset, tmp_path / "one.dcm")])
    expected, found = by_pydicom(series), quick(series)
    if isinstance(found, tuple) and found[1] == "by pydicom":
        found = (found[0], expected[1])
    assert found == expected


def test_plain_slices_are_found_by_the_scan(tmp_path: Path) -> None:
    for modality in ("CT", "MR", "PT"):
        series = as_series([write_instance(make_instance(modality=modality, EchoTime="20"), tmp_path / "a.dcm")])
        found = quick(series)
        assert found == by_pydicom(series)
        assert found[1] == "TEST-1"


def test_frames_are_described_by_pydicom(tmp_path: Path) -> None:
    series = as_series([write_instance(make_enhanced(3), tmp_path / "a.dcm")])
    slices = read_slices(series, series.instances)
    assert [item.stored for item in slices] == [None] * 3
    assert [item.index for item in slices] == [0, 1, 2]
