"""Pictures for a screen, heat maps, and what a segmentation holds."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomnode.dicom.display import Window
from dicomnode.dicom.heat_picture import heat_picture
from dicomnode.dicom.screen import Wanted, frame_picture, slide_picture
from dicomnode.dicom.segments import read_segments, source_uids
from dicomnode.errors import PixelError
from tests.factories import make_instance, make_slide, write_instance


def test_a_picture_is_reduced_by_means_of_values(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8), np.uint16)
    pixels[::2] = 100
    path = write_instance(make_instance(pixels=pixels), tmp_path)
    picture, scale = frame_picture(path, 0, Wanted(4, Window(50, 100, "LINEAR_EXACT")))
    assert (picture.shape, scale) == ((4, 4), 0.5)
    assert set(picture.ravel().tolist()) == {128}


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_the_whole_range_goes_from_black_to_white(tmp_path: Path, photometric: str) -> None:
    pixels = np.arange(100, 116, dtype=np.uint16).reshape(4, 4)
    path = write_instance(make_instance(pixels=pixels, PhotometricInterpretation=photometric), tmp_path)
    picture, _ = frame_picture(path, 0, Wanted(64, whole_range=True))
    corners = (int(picture[0, 0]), int(picture[-1, -1]))
    assert corners == ((0, 255) if photometric == "MONOCHROME2" else (255, 0))


def test_a_frame_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = write_instance(make_instance(), tmp_path)
    with pytest.raises(PixelError, match="no frame 2"):
        frame_picture(path, 1, Wanted(64))


def test_sparse_tiles_leave_glass_between_them(tmp_path: Path) -> None:
    pixels = np.full((64, 64, 3), 10, np.uint8)
    slide = make_slide(pixels, tile=(32, 32), sparse=[(0, 0), (32, 32)])
    picture = slide_picture(write_instance(slide, tmp_path), 64)
    assert picture[5, 5].tolist() == [10, 10, 10]
    assert picture[5, 60].tolist() == [244, 244, 244]


def test_a_slide_of_too_many_tiles_is_for_a_viewer(tmp_path: Path) -> None:
    slide = make_slide(np.zeros((42, 42, 3), np.uint8), tile=(2, 2))
    path = write_instance(slide, tmp_path)
    with pytest.raises(PixelError, match="441 tiles"):
        slide_picture(path, 64)


def test_what_is_no_slide_is_told(tmp_path: Path) -> None:
    with pytest.raises(PixelError, match="where its tiles lie"):
        slide_picture(write_instance(make_instance(), tmp_path), 64)


def test_heat_is_clear_where_nothing_was_examined_and_red_above_the_threshold() -> None:
    picture = heat_picture(np.array([[0.0, 0.1, 0.4, 0.6, 1.0]], np.float32), 0.5).astype(int)
    opacity = picture[0, :, 3]
    assert opacity[0] == 0
    assert list(opacity) == sorted(opacity)
    assert [pixel[0] > pixel[2] for pixel in picture[0]] == [False, False, False, True, True]


def test_large_heat_maps_are_reduced() -> None:
    assert heat_picture(np.ones((2000, 1000), np.float32), 0.5).shape == (512, 256, 4)


def test_segments_are_listed_with_their_colours() -> None:
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "Lesion 1"
    segment.RecommendedDisplayCIELabValue = [65535, 32896, 32896]  # white: L* 100, a* and b* 0
    group, identification = Dataset(), Dataset()
    identification.ReferencedSegmentNumber = 1
    group.SegmentIdentificationSequence = [identification]
    dataset = Dataset()
    dataset.SegmentationType, dataset.Rows, dataset.Columns, dataset.NumberOfFrames = "BINARY", 4, 5, 2
    dataset.SegmentSequence, dataset.PerFrameFunctionalGroupsSequence = [segment], [group, group]
    found = read_segments(dataset)
    assert (found.kind, found.rows, found.columns, found.frames) == ("BINARY", 4, 5, 2)
    (one,) = found.segments
    assert (one.label, one.frames) == ("Lesion 1", 2)
    assert one.colour in {"#ffffff", "#fefefe", "#fffffe", "#fffeff", "#feffff"}


def test_a_file_that_cannot_be_read_is_about_no_image(tmp_path: Path) -> None:
    path = tmp_path / "broken.dcm"
    path.write_bytes(b"nothing")
    assert source_uids(path) == ()
