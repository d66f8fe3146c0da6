"""Outlines and masks: where they are written, where not, and what is said then."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest

from dicomnode.errors import InputError
from dicomnode.evidence import (
    check,
)
from dicomnode.evidence.gate.subject import descendants
from dicomnode.findings import Polygon
from tests.evidence_cases import (
    SQUARE,
    built,
    codes,
    documents,
    finding,
    headers,
    positive,
    read_back,
    references,
    sentences,
    square,
)
from tests.factories import CORONAL, make_enhanced, make_instance, make_series, write_instance


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return make_series(tmp_path, 5)


def test_every_lesion_has_closed_outlines_and_the_tracking_of_its_segment(paths: list[Path]) -> None:
    result = positive(paths)
    made = documents(result, paths)
    report = hd.sr.Comprehensive3DSR.from_dataset(read_back(made["lesions"])).content
    planar = report.get_planar_roi_measurement_groups()
    volumetric = report.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in (*planar, *volumetric)] == ["Lesion 1", "Lesion 2"]
    closed = np.concatenate([SQUARE, SQUARE[:1]])
    np.testing.assert_array_equal(planar[0].roi.value, closed)
    assert len(volumetric[0].roi) == 2
    segments = hd.seg.Segmentation.from_dataset(read_back(made["segmentation"]))
    tracked = [(str(uid), label) for label, uid in segments.get_tracking_ids()]
    assert sorted(tracked) == sorted((f.tracking_uid, f.label) for f in result.findings)


def test_segmentation_holds_the_masks_of_the_touched_images_only(paths: list[Path]) -> None:
    result = positive(paths)
    dataset = read_back(documents(result, paths)["segmentation"])
    assert dataset.NumberOfFrames == 3
    masks = hd.seg.Segmentation.from_dataset(dataset)
    for number, lesion in enumerate(result.findings, 1):
        uids = [image.sop_instance_uid for image in lesion.mask.images]  # type: ignore[union-attr]
        pixels = masks.get_pixels_by_source_instance(uids, segment_numbers=[number])[..., 0]
        np.testing.assert_array_equal(pixels, lesion.mask.pixels)  # type: ignore[union-attr]
    assert dataset.FrameOfReferenceUID == headers(paths)[0].FrameOfReferenceUID


def test_overlapping_lesions_keep_their_own_pixels(paths: list[Path]) -> None:
    images = references(paths)
    big = square(images[:1])
    big.pixels[:, 2:14, 2:14] = True
    lesions = (finding("Lesion 1", images[:1]), finding("Lesion 2", images[:1], mask=big))
    masks = hd.seg.Segmentation.from_dataset(
        read_back(documents(positive(paths, findings=lesions), paths)["segmentation"])
    )
    pixels = masks.get_pixels_by_source_instance([images[0].sop_instance_uid])
    assert [int(pixels[..., k].sum()) for k in (0, 1)] == [30, 144]


def test_frames_of_an_enhanced_image_are_named(tmp_path: Path) -> None:
    path = write_instance(make_enhanced(6, orientation=CORONAL, order=[3, 1, 0, 2, 5, 4]), tmp_path)
    result = positive([path])
    made = documents(result, [path])
    segmentation = read_back(made["segmentation"])
    frames = [
        int(group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber)
        for group in segmentation.PerFrameFunctionalGroupsSequence
    ]
    assert sorted(frames) == [1, 5, 6]
    assert all(check(read_back(dataset), headers([path])) == () for dataset in made.values())
    source = headers([path])[0]
    for group, frame in zip(segmentation.PerFrameFunctionalGroupsSequence, frames, strict=True):
        expected = source.PerFrameFunctionalGroupsSequence[frame - 1].PlanePositionSequence[0].ImagePositionPatient
        assert group.PlanePositionSequence[0].ImagePositionPatient == expected
    assert "frame 1 of image" in sentences(made["text"])


@pytest.mark.parametrize("modality", ["OT", "XC", "SM"])
def test_images_without_a_place_in_the_patient_get_outlines_but_no_masks(tmp_path: Path, modality: str) -> None:
    path = write_instance(make_instance(modality=modality, position=None, orientation=None), tmp_path)
    made = documents(positive([path]), [path])
    assert set(made) == {"answer", "text", "lesions"}
    assert "No segmentation object" in sentences(made["text"])
    assert all(check(read_back(dataset), headers([path])) == () for dataset in made.values())


def test_enhanced_image_may_orient_each_frame_for_itself(tmp_path: Path) -> None:
    source = make_enhanced(3)
    shared = source.SharedFunctionalGroupsSequence[0]
    for frame in source.PerFrameFunctionalGroupsSequence:
        frame.PlaneOrientationSequence = shared.PlaneOrientationSequence
        frame.PixelMeasuresSequence = shared.PixelMeasuresSequence
    del shared.PlaneOrientationSequence, shared.PixelMeasuresSequence
    path = write_instance(source, tmp_path)
    made = documents(positive([path]), [path])
    assert made["segmentation"].NumberOfFrames == 3
    del source.PerFrameFunctionalGroupsSequence[1].PlaneOrientationSequence
    assert "segmentation" not in documents(positive([path]), [write_instance(source, path)])


def test_slice_distance_is_that_of_the_series_not_of_the_touched_slices(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 6, spacing=(1.0, 1.0, 2.5), SliceThickness=None)
    images = references(paths)
    apart = finding("Lesion 1", (images[0], images[4]))
    dataset = documents(positive(paths, findings=(apart,)), paths)["segmentation"]
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.SpacingBetweenSlices, measures.SliceThickness) == (2.5, 2.5)


def test_single_image_states_no_slice_distance(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 1, SliceThickness=4)
    measures = documents(positive(paths), paths)["segmentation"].SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert measures[0].SliceThickness == 4
    assert "SpacingBetweenSlices" not in measures[0]


def test_single_image_without_thickness_gets_no_masks_and_is_told(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 1, SliceThickness=None)
    made = documents(positive(paths), paths)
    assert "segmentation" not in made
    assert "state no slice thickness" in sentences(made["text"])


def test_source_without_frame_of_reference_gets_no_masks_and_is_told(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 3, modality="CT", FrameOfReferenceUID=None)
    made = documents(positive(paths), paths)
    assert "segmentation" not in made
    assert "No segmentation object" in sentences(made["text"])


def test_lesions_in_two_orientations_or_at_one_position_get_no_masks(tmp_path: Path) -> None:
    paths = make_series(tmp_path / "a", 1) + make_series(tmp_path / "b", 1, series="other", orientation=CORONAL)
    assert "several series or orientations" in sentences(documents(positive(paths), paths)["text"])
    paths = make_series(tmp_path / "c", 2, spacing=(1.0, 1.0, 0.0))
    made = documents(positive(paths), paths)
    assert "segmentation" not in made
    assert "at one position" in sentences(made["text"])


def test_mask_without_outline_is_boxed(paths: list[Path]) -> None:
    lesion = finding("Lesion 1", references(paths)[:2], contours=())
    dataset = documents(positive(paths, findings=(lesion,)), paths)["lesions"]
    outlines = [list(item.GraphicData) for _, _, item in descendants(dataset) if item.ValueType == "SCOORD"]
    assert outlines == [[4, 5, 9, 5, 9, 11, 4, 11, 4, 5]] * 2
    assert codes(dataset, "Geometric purpose of region") == ["75958009"]


def test_finding_without_outline_and_mask_leaves_the_lesions_out(paths: list[Path]) -> None:
    lesion = finding("Lesion 1", references(paths)[:1], contours=(), mask=None)
    assert set(documents(positive(paths, findings=(lesion,)), paths)) == {"answer", "text"}


def test_box_is_said_to_bound_its_lesion(paths: list[Path]) -> None:
    image = references(paths)[0]
    lesion = finding("Lesion 1", [image], contours=(Polygon(image, SQUARE, is_box=True),))
    assert codes(documents(positive(paths, findings=(lesion,)), paths)["lesions"], "Geometric purpose of region")


def test_lossy_source_is_told_in_the_segmentation(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2, LossyImageCompression="01", LossyImageCompressionRatio=10)
    dataset = documents(positive(paths), paths)["segmentation"]
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 10)


def test_mask_of_another_size_is_an_error(paths: list[Path]) -> None:
    images = references(paths)[:1]
    lesion = finding("Lesion 1", images, mask=square(images, (32, 32)))
    with pytest.raises(InputError, match=r"mask of Lesion 1 has shape \(32, 32\)"):
        built(positive(paths, findings=(lesion,)), paths)
