from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dicomnode.errors import PixelError
from dicomnode.inference.pictures import read_picture
from tests.factories import ramp

COLOUR = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def _save(folder: Path, array: np.ndarray[Any, Any], name: str = "picture.png", **options: Any) -> Path:
    Image.fromarray(array).save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey(tmp_path: Path, name: str, dtype: type) -> None:
    image = read_picture(_save(tmp_path, ramp(6, 8, dtype), name))
    assert (image.kind, image.slices, image.spacing) == ("planar", (), None)
    assert np.array_equal(image.slice_array(0), ramp(6, 8)[np.newaxis].astype(np.float32))
    assert np.array_equal(image.data.affine, np.eye(4))


def test_colour(tmp_path: Path) -> None:
    assert np.array_equal(read_picture(_save(tmp_path, COLOUR)).slice_array(0), np.moveaxis(COLOUR, -1, 0))


def test_transparency_is_dropped(tmp_path: Path) -> None:
    with_alpha = np.dstack([COLOUR, np.full((6, 8), 9, np.uint8)])
    assert np.array_equal(read_picture(_save(tmp_path, with_alpha)).slice_array(0), np.moveaxis(COLOUR, -1, 0))


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_grey_stored_as_colour_is_grey(tmp_path: Path, name: str) -> None:
    image = read_picture(_save(tmp_path, np.dstack([ramp(16, 16, np.uint8)] * 3), name))
    assert tuple(image.data.shape) == (1, 16, 16)


def test_a_palette_becomes_colour(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).quantize(4).save(tmp_path / "p.png")
    assert tuple(read_picture(tmp_path / "p.png").data.shape) == (3, 6, 8)


def test_an_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned: the first row is the right side
    path = _save(tmp_path, np.dstack([ramp(16, 24, np.uint8)] * 3), "turned.jpg", exif=exif)
    assert tuple(read_picture(path).data.shape) == (1, 24, 16)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(30)])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(PixelError, match=r"x\.png"):
        read_picture(tmp_path / "x.png")


def test_a_truncated_picture_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path, COLOUR)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(PixelError, match="damaged"):
        read_picture(path)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(PixelError, match="does not exist"):
        read_picture(tmp_path / "absent.png")
