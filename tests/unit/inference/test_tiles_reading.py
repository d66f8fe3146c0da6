"""Which images of a series are examined, how they are cut into tiles, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataset import FileDataset

from dicomnode.bundles import Tiling
from dicomnode.errors import GeometryError, IdentityError, PixelError
from dicomnode.inference.slide_images import Slides, read_slides
from dicomnode.inference.tiles import Tile, tiles_of
from dicomnode.inference.tissue import tissue_share
from tests.factories import as_series, compress_jpeg, make_micrograph, make_slide, write_instance

TILING = Tiling(spacing=0.004, size=32, minimum_tissue=0.25)
PINK, GLASS = (200, 120, 180), (240, 240, 238)


def slide_pixels(rows: int = 128, columns: int = 160) -> npt.NDArray[np.uint8]:
    """Glass with tissue, each pixel of it different, from row 32 to 96 and column 64 to 128."""
    pixels = np.empty((rows, columns, 3), np.uint8)
    pixels[:] = GLASS
    noise = np.random.default_rng(0).integers(-20, 20, (rows, columns, 3))
    tissue = (np.array(PINK) + noise).astype(np.uint8)
    pixels[rows // 4 : rows * 3 // 4, columns * 2 // 5 : columns * 4 // 5] = tissue[
        rows // 4 : rows * 3 // 4, columns * 2 // 5 : columns * 4 // 5
    ]
    return pixels


def read(folder: Path, *datasets: FileDataset) -> Slides:
    return read_slides(as_series([write_instance(dataset, folder) for dataset in datasets]), TILING)


def tiles(slides: Slides) -> list[Tile]:
    return list(tiles_of(slides.instances, TILING))


def places(found: list[Tile]) -> list[tuple[int, int]]:
    return [(tile.row, tile.column) for tile in found]


FOUR = [(1, 2), (1, 3), (2, 2), (2, 3)]


@pytest.mark.parametrize("frame", [(64, 64), (48, 80), (200, 200), (128, 160)])
def test_tiles_are_those_of_the_whole_matrix(tmp_path: Path, frame: tuple[int, int]) -> None:
    pixels = slide_pixels()
    found = tiles(read(tmp_path, make_slide(pixels, tile=frame)))
    assert places(found) == FOUR
    for tile in found:
        part = pixels[tile.row * 32 : tile.row * 32 + 32, tile.column * 32 : tile.column * 32 + 32]
        np.testing.assert_array_equal(tile.pixels, part.transpose(2, 0, 1))


def test_a_sparse_slide_gives_the_same_tiles_where_it_has_frames(tmp_path: Path) -> None:
    pixels = slide_pixels()
    found = tiles(read(tmp_path, make_slide(pixels, sparse=[(64, 64), (0, 64), (0, 0)])))
    assert sorted(places(found)) == FOUR
    only = tiles(read(tmp_path, make_slide(pixels, name="2", series="other", sparse=[(0, 64)])))
    assert places(only) == [(1, 2), (1, 3)]


def test_a_finer_slide_is_averaged(tmp_path: Path) -> None:
    pixels = slide_pixels().repeat(4, axis=0).repeat(4, axis=1)
    fine = tiles(read(tmp_path, make_slide(pixels, spacing=0.001)))
    assert places(fine) == FOUR
    np.testing.assert_array_equal(fine[0].pixels, slide_pixels()[32:64, 64:96].transpose(2, 0, 1))


def test_jpeg_frames_become_rgb(tmp_path: Path) -> None:
    pixels = np.empty((64, 64, 3), np.uint8)
    pixels[:] = PINK
    dataset = compress_jpeg(make_slide(pixels, tile=(32, 64)))
    found = tiles(read(tmp_path, dataset))
    assert places(found) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    np.testing.assert_allclose(found[0].pixels.mean(axis=(1, 2)), PINK, atol=2)


def test_the_coarsest_resolution_that_suffices_is_read(tmp_path: Path) -> None:
    pixels = slide_pixels()
    levels = [
        make_slide(np.repeat(np.repeat(pixels, 2, 0), 2, 1), spacing=0.002, name="fine", InstanceNumber=1),
        make_slide(pixels, spacing=0.00401, name="right", InstanceNumber=2),
        make_slide(pixels[::4, ::4], spacing=0.016, name="coarse", InstanceNumber=3),
        make_slide(pixels, name="label", ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"], InstanceNumber=4),
        make_slide(pixels, name="over", ImageType=["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"], InstanceNumber=5),
    ]
    slides = read(tmp_path, *levels)
    assert [item.instance.instance_number for item in slides.instances] == [2]
    assert slides.notes == (
        "2 label, overview or thumbnail images left out",
        "2 other resolutions of the slide left out",
    )


def test_frames_of_a_microscopic_image_are_images_of_their_own(tmp_path: Path) -> None:
    pixels = slide_pixels()
    slides = read(tmp_path, make_micrograph(np.stack([pixels, pixels[::-1]])))
    images = slides.instances[0].images
    assert [image.reference.frame_number for image in images] == [1, 2]
    assert [(tile.image, tile.row, tile.column) for tile in tiles(slides)] == [(n, *p) for n in (0, 1) for p in FOUR]


@pytest.mark.parametrize(("side", "count"), [(32, 1), (29, 1), (28, 0), (63, 4), (34, 1)])
def test_a_tile_may_stick_out_by_a_tenth(tmp_path: Path, side: int, count: int) -> None:
    pixels = np.full((side, side, 3), PINK, np.uint8)
    found = tiles(read(tmp_path, make_micrograph(pixels)))
    assert len(found) == count
    assert all((tile.pixels == np.array(PINK)[:, None, None]).all() for tile in found)


@pytest.mark.parametrize(
    ("datasets", "complaint"),
    [
        ([{"spacing": None}], "states no Pixel Spacing in the specimen.* set Pixel Spacing"),
        ([{"spacing": 0.01}], "0.01 mm to a pixel, too coarse for a model that looks at 0.004 mm"),
        ([{"spacing": 0.004}, {"spacing": None, "name": "2"}], "states no Pixel Spacing"),
        ([{"ImageType": ["ORIGINAL", "PRIMARY", "LABEL"]}], "holds no image of tissue"),
    ],
)
def test_what_cannot_be_trusted_is_refused(tmp_path: Path, datasets: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises((GeometryError, PixelError), match=complaint):
        read(tmp_path, *(make_micrograph(slide_pixels(), **given) for given in datasets))


def test_two_slides_of_one_resolution_are_not_guessed_between(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"holds 2 whole slide images of 0\.004 mm"):
        read(tmp_path, make_slide(slide_pixels(), name="1"), make_slide(slide_pixels(), name="2"))


def test_images_of_two_patients_are_refused(tmp_path: Path) -> None:
    other = make_micrograph(slide_pixels(), name="2", PatientID="TEST-2")
    with pytest.raises(IdentityError, match="2 different Patient IDs"):
        read(tmp_path, make_micrograph(slide_pixels()), other)


def test_a_truncated_slide_is_refused(tmp_path: Path) -> None:
    dataset = make_slide(slide_pixels())
    dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]
    slides = read(tmp_path, dataset)
    with pytest.raises(PixelError, match="cannot be decoded"):
        tiles(slides)


def test_the_frame_behind_a_place_is_known(tmp_path: Path) -> None:
    image = read(tmp_path, make_slide(slide_pixels(), tile=(64, 64))).instances[0].images[0]
    assert image.reference.frame_number is None
    assert image.frame_at(70, 10).frame_number == 4
    assert image.frame_at(10, 140).frame_number == 3


@pytest.mark.parametrize(("colour", "share"), [(GLASS, 0), (PINK, 1), ((0, 0, 0), 0), ((90, 90, 95), 0)])
def test_tissue_has_a_colour(colour: tuple[int, int, int], share: float) -> None:
    tile = np.broadcast_to(np.array(colour, np.float32)[:, None, None], (3, 4, 4))
    assert tissue_share(tile) == share
