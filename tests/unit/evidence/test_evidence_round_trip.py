"""Whatever the masks are, what is written reads back as what was meant."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom import dcmread

from dicomnode.evidence import check, to_bytes
from dicomnode.findings import Mask
from tests.evidence_cases import documents, finding, positive, references
from tests.factories import make_enhanced, make_series, write_instance

_SHAPE = (3, 7, 9)  # 63 pixels a frame: frames that do not end on a byte
_masks = st.lists(arrays(np.bool_, _SHAPE), min_size=1, max_size=3)


@pytest.fixture(scope="module", params=["series", "enhanced"])
def paths(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "series":
        return make_series(folder, 3, shape=_SHAPE[1:])
    return [write_instance(make_enhanced(3, shape=_SHAPE[1:]), folder)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(masks=_masks)
def test_masks_survive_the_round_trip(paths: list[Path], masks: list[npt.NDArray[np.bool_]]) -> None:
    images = references(paths)
    lesions = tuple(
        finding(f"Lesion {number}", images[:1], contours=(), mask=Mask(images, mask), tracking_uid=f"2.25.{number}")
        for number, mask in enumerate(masks, 1)
    )
    made = documents(positive(paths, findings=lesions), paths)
    headers = [dcmread(path, stop_before_pixels=True) for path in paths]
    for dataset in made.values():
        assert check(dcmread(BytesIO(to_bytes(dataset))), headers, companions=list(made.values())) == ()
    kept = [mask for mask in masks if mask.any()]
    assert ("segmentation" in made) == ("lesions" in made) == bool(kept)
    if kept:
        segmentation = hd.seg.segread(BytesIO(to_bytes(made["segmentation"])))
        assert segmentation.NumberOfFrames == sum(int(mask.any(axis=(1, 2)).sum()) for mask in kept)
        for number, mask in enumerate(kept, 1):
            np.testing.assert_array_equal(_pixels(segmentation, headers, number), mask)


def _pixels(segmentation: hd.seg.Segmentation, headers: list[hd.SOPClass], number: int) -> npt.NDArray[np.bool_]:
    """(3, Rows, Columns) of one segment, put where its frames' references say."""
    places = {header.SOPInstanceUID: index for index, header in enumerate(headers)}
    pixels = np.zeros(_SHAPE, bool)
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    frames = np.atleast_3d(segmentation.pixel_array).reshape(-1, *_SHAPE[1:])
    for plane, group in zip(frames, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        named = group if "SegmentIdentificationSequence" in group else shared
        if named.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            source = group.DerivationImageSequence[0].SourceImageSequence[0]
            frame = source.get("ReferencedFrameNumber")
            pixels[places[source.ReferencedSOPInstanceUID] if frame is None else frame - 1] = plane
    return pixels
