"""Pictures are read as they are, and boxes follow the preprocessing's affine."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dicomnode.errors import InputError
from dicomnode.learning.data.pictures import build_transform, processed_boxes, read_picture


def test_colour_becomes_grey_and_depth_stays(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6, 3), 90, np.uint8)).save(tmp_path / "colour.png")
    Image.fromarray(np.full((4, 6), 40000, np.uint16)).save(tmp_path / "deep.png")

    assert read_picture(tmp_path / "colour.png").tolist() == [[[90.0] * 6] * 4]
    assert read_picture(tmp_path / "deep.png").max() == 40000


@pytest.mark.parametrize("mode", ["1", "LA", "P", "CMYK"])
def test_every_kind_of_picture_becomes_one_channel(tmp_path: Path, mode: str) -> None:
    Image.new("L", (6, 4), 255).convert(mode).save(tmp_path / "picture.tif")

    assert read_picture(tmp_path / "picture.tif").tolist() == [[[255.0] * 6] * 4]


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("no picture")
    with pytest.raises(InputError, match=r"note\.png: is not a readable picture"):
        read_picture(tmp_path / "note.png")


def test_boxes_follow_resizing_and_padding(tmp_path: Path) -> None:
    pixels = np.zeros((60, 100), np.uint8)
    pixels[20:40, 50:80] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    transform = build_transform(
        [
            {"_target_": "monai.transforms.Resize", "spatial_size": 200, "size_mode": "longest", "mode": "bilinear"},
            {"_target_": "monai.transforms.SpatialPad", "spatial_size": [200, 200]},
        ]
    )

    processed = transform(read_picture(tmp_path / "wide.png"))
    (box,) = processed_boxes(torch.tensor([[50.0, 20.0, 80.0, 40.0]]), torch.as_tensor(processed.affine)).tolist()

    rows, columns = torch.where(processed.as_tensor()[0] > 100)
    seen = [columns.min().item(), rows.min().item(), columns.max().item() + 1, rows.max().item() + 1]
    assert seen == pytest.approx([100, 80, 160, 120], abs=1)
    assert box == pytest.approx(seen, abs=1)
