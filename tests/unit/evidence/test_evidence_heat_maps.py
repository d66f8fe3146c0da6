"""Heat maps: read back with highdicom, they have the scores and the place that were meant."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from highdicom.spatial import PixelToReferenceTransformer
from pydicom.dataset import Dataset

from dicomnode.errors import InputError
from dicomnode.evidence import check, to_bytes
from dicomnode.evidence.planes import slide_plane_of
from dicomnode.findings import HeatMap
from tests.evidence_cases import SCORES, answer, documents, headers, read_back, references, sentences, tiled
from tests.slides import UPSIDE_DOWN, make_pictures, make_slide, make_slide_coordinates

_MEANT = np.nan_to_num(SCORES, nan=0.0)
_HALF_A_LEVEL = 0.5 / 255 + 1e-6


def _drawn(paths: list[Path], *maps: HeatMap) -> Dataset:
    made = documents(tiled(paths, maps or None), paths)
    document = read_back(made["heat-map"])
    assert check(document, headers(paths), companions=list(made.values())) == ()
    return document


def _read(document: Dataset) -> hd.seg.Segmentation:
    return hd.seg.segread(BytesIO(to_bytes(document)))


def _corner(image: Dataset, column: float, row: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Where highdicom sees a place in the total pixel matrix; it counts from the centre of the first pixel."""
    transform = PixelToReferenceTransformer.for_image(image, for_total_pixel_matrix=True)
    # It takes whole pixels only, so the place is found between the first pixel and its neighbours.
    zero, right, down = transform(np.array([[0, 0], [1, 0], [0, 1]]))
    return zero + (right - zero) * (column - 0.5) + (down - zero) * (row - 0.5)


def test_scores_of_a_slide_read_back_as_a_total_pixel_matrix(tmp_path: Path) -> None:
    segmentation = _read(_drawn([make_slide(tmp_path)]))
    matrix = segmentation.get_total_pixel_matrix(rescale_fractional=True, combine_segments=False)
    np.testing.assert_allclose(matrix[..., 0], _MEANT, rtol=0, atol=_HALF_A_LEVEL)


@pytest.mark.parametrize("orientation", [UPSIDE_DOWN, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.6, 0.8, 0.0, -0.8, 0.6, 0.0)])
@pytest.mark.parametrize(("start", "step"), [((0.0, 0.0), (12.0, 8.0)), ((7.5, 3.0), (9.25, 13.5))])
def test_every_corner_of_a_tile_is_where_it_is_on_the_slide(
    tmp_path: Path, orientation: tuple[float, ...], start: tuple[float, float], step: tuple[float, float]
) -> None:
    path = make_slide(tmp_path, orientation=orientation)
    image = replace(references([path])[0], frame_number=None)
    document, source = _drawn([path], HeatMap(image, SCORES, start, step)), headers([path])[0]
    for column, row in ((0, 0), (1, 0), (2, 1), (3, 2)):
        on_slide = _corner(source, start[0] + column * step[0], start[1] + row * step[1])
        np.testing.assert_allclose(_corner(document, column, row), on_slide, rtol=0, atol=1e-8)


def test_place_on_the_slide_survives_there_and_back(tmp_path: Path) -> None:
    plane = slide_plane_of(headers([make_slide(tmp_path)])[0])
    assert plane is not None
    assert plane.to_pixel(plane.to_slide(12.25, 7.5)) == pytest.approx((12.25, 7.5))


def test_a_picture_has_its_scores_on_its_own_pixels(tmp_path: Path) -> None:
    paths = make_pictures(tmp_path, 3)
    order = references(paths)
    maps = [HeatMap(image, SCORES * (number / 3), (0.0, 4.0), (12.0, 8.0)) for number, image in enumerate(order, 1)]
    document = _drawn(paths, *maps)
    uids = [image.sop_instance_uid for image in order]
    read = _read(document).get_pixels_by_source_instance(uids, rescale_fractional=True)
    assert read.shape == (3, 24, 36, 1)
    for number, plane in enumerate(read[..., 0], 1):
        expected = np.zeros((24, 36))
        expected[4:20] = np.kron(_MEANT * (number / 3), np.ones((8, 12)))
        np.testing.assert_allclose(plane, expected, rtol=0, atol=_HALF_A_LEVEL)


def test_a_picture_has_the_pixel_spacing_of_its_source(tmp_path: Path) -> None:
    document = _drawn(make_pictures(tmp_path, 2, pixel_spacing=(0.004, 0.003)))
    assert document.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing == [0.004, 0.003]


def test_a_map_that_overhangs_its_picture_is_cut(tmp_path: Path) -> None:
    paths = make_pictures(tmp_path)
    document = _drawn(paths, HeatMap(references(paths)[0], SCORES, (-6.0, 0.0), (20.0, 20.0)))
    assert document.pixel_array[23, 35] == round(0.123 * 255)
    assert document.pixel_array[23, 13] == 229 and document.pixel_array[23, 14] == 255


def test_a_slide_coordinates_image_keeps_its_frame_of_reference(tmp_path: Path) -> None:
    path = make_slide_coordinates(tmp_path)
    document = _drawn([path])
    assert document.FrameOfReferenceUID == headers([path])[0].FrameOfReferenceUID
    assert (document.Rows, document.Columns) == (24, 36)


def test_segment_says_what_its_values_mean(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    segment = _drawn([path]).SegmentSequence[0]
    assert segment.SegmentLabel == "Infiltrating duct carcinoma of breast probability"
    assert "0 also where nothing was examined" in segment.SegmentDescription
    assert "a calibrated probability" in segment.SegmentDescription
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "408643008"
    guessed = tiled([path], answer=answer(references([path])[:1], calibrated=False))
    other = documents(guessed, [path])["heat-map"].SegmentSequence[0]
    assert other.SegmentLabel == "Neoplasm of brain score"
    assert "not a calibrated probability" in other.SegmentDescription


def test_filed_in_a_series_of_its_own_with_the_same_uids_each_time(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    first, again = (documents(tiled([path]), [path]) for _ in range(2))
    assert to_bytes(first["heat-map"]) == to_bytes(again["heat-map"])
    assert first["heat-map"].SeriesDescription == "AI brain_mri_lesion_detector 0.1.0: heat map (unverified)"
    assert len({document.SeriesInstanceUID for document in first.values()}) == len(first) == 3


def test_height_above_the_glass_is_kept_in_micrometres(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    header = headers([path])[0]
    header.TotalPixelMatrixOriginSequence[0].ZOffsetInSlideCoordinateSystem = 2.5
    header.save_as(path)
    document = _drawn([path])
    assert document.TotalPixelMatrixOriginSequence[0].ZOffsetInSlideCoordinateSystem == 2.5
    frame = document.PerFrameFunctionalGroupsSequence[0]
    assert frame.PlanePositionSlideSequence[0].ZOffsetInSlideCoordinateSystem == 2.5


def test_a_slide_without_depth_of_field_is_as_thick_as_a_pixel(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    header = headers([path])[0]
    del header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness
    header.save_as(path)
    document = _drawn([path])
    assert document.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness == 0.003
    assert _read(document).get_total_pixel_matrix(combine_segments=False).shape == (2, 3, 1)


def test_specimen_goes_with_it_without_its_history(tmp_path: Path) -> None:
    document = _drawn([make_slide(tmp_path)])
    assert document.ContainerIdentifier == "GENERATED-1_A"
    assert document.SpecimenDescriptionSequence[0].SpecimenIdentifier == "GENERATED-1_A_1"
    assert len(document.SpecimenDescriptionSequence[0].SpecimenPreparationSequence) == 0


def test_the_slide_that_carried_the_answer_is_drawn(tmp_path: Path) -> None:
    paths = [make_slide(tmp_path, name=name) for name in ("1", "2")]
    second = references(paths[1:])
    result = tiled(paths, answer=answer(second[:1]))
    made = documents(result, paths)
    named = made["heat-map"].ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert [item.ReferencedSOPInstanceUID for item in named] == [second[0].sop_instance_uid]
    assert "Heat maps left out, because one object has one grid: 1." in sentences(made["text"])


def test_pictures_of_other_sizes_are_left_out(tmp_path: Path) -> None:
    paths = [*make_pictures(tmp_path, 2), *make_pictures(tmp_path, 1, shape=(8, 8), name="other")]
    made = documents(tiled(paths), paths)
    assert made["heat-map"].NumberOfFrames == 2
    assert "left out, because one object has one grid: 1." in sentences(made["text"])


@pytest.mark.parametrize("lacking", ["FrameOfReferenceUID", "ImageOrientationSlide"])
def test_a_slide_that_does_not_say_where_it_lies_gets_words_instead(tmp_path: Path, lacking: str) -> None:
    path = make_slide(tmp_path)
    header = headers([path])[0]
    delattr(header, lacking)
    header.save_as(path)
    made = documents(tiled([path]), [path])
    assert set(made) == {"answer", "text"}
    assert "No heat map object: the tiled image does not state where on the slide it lies" in sentences(made["text"])


def test_a_picture_too_large_for_a_map_gets_words_instead(tmp_path: Path) -> None:
    paths = make_pictures(tmp_path, Rows=12000, Columns=12000)
    made = documents(tiled(paths), paths)
    assert "No heat map object: the image has more pixels" in sentences(made["text"])


def test_tiles_of_one_frame_name_it_once(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    frames = references([path])
    words = sentences(documents(tiled([path], answer=answer([*frames[:2], frames[0]])), [path])["text"])
    assert "The answer was carried by frames 1 and 2 of image 1 of series 1." in words


def test_nothing_examined_is_no_heat_map(tmp_path: Path) -> None:
    path = make_slide(tmp_path)
    image = replace(references([path])[0], frame_number=None)
    empty = HeatMap(image, np.full((2, 2), np.nan, np.float32), (0.0, 0.0), (8.0, 8.0))
    assert set(documents(tiled([path], (empty,)), [path])) == {"answer", "text"}


@pytest.mark.parametrize("score", [-0.01, 1.01, np.inf])
def test_a_score_out_of_range_is_an_error(tmp_path: Path, score: float) -> None:
    path = make_slide(tmp_path)
    image = replace(references([path])[0], frame_number=None)
    wrong = HeatMap(image, np.array([[0.5, score]], np.float32), (0.0, 0.0), (8.0, 8.0))
    with pytest.raises(InputError, match="they must be 0 to 1"):
        documents(tiled([path], (wrong,)), [path])
