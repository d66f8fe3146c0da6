"""Formats of annotations: what is read is what was written, and what is wrong is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from dicomnode.errors import InputError, RecipeError
from dicomnode.learning.data.annotations import (
    AnnotatedImage,
    AnnotationSet,
    Region,
    read_class_masks,
    read_coco,
    read_kitti,
    write_class_masks,
    write_coco,
    write_kitti,
)
from dicomnode.learning.data.annotations.parts import connected_parts
from dicomnode.learning.data.shapes import (
    MaskFile,
    Outline,
    RunLengths,
    decode_runs,
    encode_runs,
    fitted,
    mask_box,
    read_grey,
    shape_mask,
)
from dicomnode.learning.data.sources import load_samples
from dicomnode.learning.recipes.recipe import DataSection

# pycocotools' decoder does not know numpy 2's way to ask for an array
AS_COCO = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIZE = (12, 10)
SQUARE = Outline((((2.0, 1.0), (6.0, 1.0), (6.0, 5.0), (2.0, 5.0)),))


def ring_mask() -> np.ndarray:
    mask = np.zeros((10, 12), np.bool_)
    mask[6:9, 7:12], mask[7, 8] = True, False
    return mask


def example() -> AnnotationSet:
    runs = encode_runs(ring_mask())
    first = AnnotatedImage(
        "images/a.png",
        SIZE,
        (Region("mass", (2.0, 1.0, 6.0, 5.0), SQUARE), Region("spot", (7.0, 6.0, 12.0, 9.0), runs)),
    )
    return AnnotationSet(("mass", "spot"), (first, AnnotatedImage("images/b.png", SIZE, ())))


def write_pictures(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    for name in "ab":
        Image.new("I;16", SIZE).save(folder / "images" / f"{name}.png")


def test_coco_gives_back_polygons_runs_and_empty_pictures(tmp_path: Path) -> None:
    write_coco(example(), tmp_path / "annotations.json")

    assert read_coco(tmp_path / "annotations.json") == example()


@AS_COCO
def test_coco_is_what_pycocotools_takes_it_for(tmp_path: Path) -> None:
    write_coco(example(), tmp_path / "annotations.json")

    content = json.loads((tmp_path / "annotations.json").read_text())
    square, ring = content["annotations"]
    assert square["area"] == 16 and square["bbox"] == [2, 1, 4, 4]
    assert ring["area"] == ring_mask().sum()
    runs = coco_mask.frPyObjects(ring["segmentation"], *ring["segmentation"]["size"])
    assert (coco_mask.decode(runs).astype(bool) == ring_mask()).all()


@AS_COCO
def test_compressed_run_lengths_are_read(tmp_path: Path) -> None:
    write_coco(example(), tmp_path / "annotations.json")
    content = json.loads((tmp_path / "annotations.json").read_text())
    packed = coco_mask.encode(np.asfortranarray(ring_mask().astype(np.uint8)))
    content["annotations"][1]["segmentation"] = {"size": packed["size"], "counts": packed["counts"].decode()}
    (tmp_path / "annotations.json").write_text(json.dumps(content))

    assert read_coco(tmp_path / "annotations.json") == example()


def test_a_mask_file_is_written_as_run_lengths(tmp_path: Path) -> None:
    Image.fromarray(ring_mask().astype(np.uint8) * 255).save(tmp_path / "mask.png")
    region = Region("spot", (7.0, 6.0, 12.0, 9.0), MaskFile(tmp_path / "mask.png"))
    annotations = AnnotationSet(("spot",), (AnnotatedImage("a.png", SIZE, (region,)),))

    write_coco(annotations, tmp_path / "annotations.json")

    assert read_coco(tmp_path / "annotations.json").images[0].regions[0].shape == encode_runs(ring_mask())
    unknown = AnnotationSet(("spot",), (AnnotatedImage("a.png", None, (region,)),))
    with pytest.raises(InputError, match=r"a\.png: its size is not known"):
        write_coco(unknown, tmp_path / "annotations.json")


def test_kitti_gives_back_boxes_and_empty_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    write_kitti(example(), tmp_path)

    found = read_kitti(tmp_path)

    assert found.classes == ("mass", "spot")
    assert [(image.path, image.size) for image in found.images] == [("images/a.png", SIZE), ("images/b.png", SIZE)]
    assert [(r.label, r.box) for r in found.images[0].regions] == [
        (r.label, r.box) for r in example().images[0].regions
    ]
    assert found.images[1].regions == ()
    assert all(len(line.split()) == 15 for line in (tmp_path / "labels" / "a.txt").read_text().splitlines())


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("mass 0 0 0 1 2 3 4\n", "line 1 has 8 columns, not 15"),
        ("mass 0 0 0 1 2 x 4 0 0 0 0 0 0 0\n", "line 1: columns 5 to 8 are no numbers"),
    ],
)
def test_wrong_labels_of_kitti_are_named(tmp_path: Path, line: str, complaint: str) -> None:
    write_pictures(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(line)
    with pytest.raises(InputError, match=complaint):
        read_kitti(tmp_path)


def test_regions_that_kitti_ignores_are_left_out_and_a_score_is_passed_over(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "labels").mkdir()
    rest = "1 2 3 4 0 0 0 0 0 0 0"
    (tmp_path / "labels" / "a.txt").write_text(f"DontCare -1 -1 -10 {rest}\nmass 0 0 0 {rest} 0.9\n")

    assert read_kitti(tmp_path).images[0].regions == (Region("mass", (1.0, 2.0, 3.0, 4.0)),)


def test_a_class_with_a_blank_does_not_fit_kitti(tmp_path: Path) -> None:
    annotations = AnnotationSet(
        ("a mass",), (AnnotatedImage("a.png", SIZE, (Region("a mass", (0.0, 0.0, 1.0, 1.0)),)),)
    )
    with pytest.raises(InputError, match="separate columns by blanks"):
        write_kitti(annotations, tmp_path)


def test_labels_without_a_picture_are_named(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "c.txt").write_text("")
    with pytest.raises(InputError, match="has no picture images/c"):
        read_kitti(tmp_path)


def test_class_masks_give_back_the_masks_of_regions(tmp_path: Path) -> None:
    write_class_masks(example(), tmp_path)

    found = read_class_masks(tmp_path)

    assert found.classes == ("mass", "spot") and [image.path for image in found.images] == [
        "images/a.png",
        "images/b.png",
    ]
    mass, spot = found.images[0].regions
    assert (mass.label, mass.box) == ("mass", (2.0, 1.0, 6.0, 5.0))
    assert spot.shape == encode_runs(ring_mask())
    write_class_masks(found, tmp_path / "again")
    for name in "ab":
        first, second = (read_grey(place / "masks" / f"{name}.png") for place in (tmp_path, tmp_path / "again"))
        assert (first == second).all()


def test_a_value_without_a_class_is_named(tmp_path: Path) -> None:
    write_class_masks(example(), tmp_path)
    (tmp_path / "classes.csv").write_text("value,name\n1,mass\n")
    with pytest.raises(InputError, match=r"a\.png: value 2 is no class"):
        read_class_masks(tmp_path)


def test_parts_touch_at_corners_too() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]], np.bool_)

    parts = list(connected_parts(mask))

    assert [int(part.sum()) for part in parts] == [2, 2, 2]
    assert (np.add.reduce(parts) == mask).all()
    assert list(connected_parts(np.zeros((3, 3), np.bool_))) == []


@AS_COCO
@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_hold_any_mask(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random(random.integers(1, 9, 2)) > random.random()

    runs = encode_runs(mask)

    assert (decode_runs(runs) == mask).all()
    packed = coco_mask.frPyObjects({"size": [runs.height, runs.width], "counts": list(runs.counts)}, *mask.shape)
    assert (coco_mask.decode(packed).astype(bool) == mask).all()


@AS_COCO
@pytest.mark.parametrize("seed", range(5))
def test_compressed_runs_of_any_mask_are_read(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((40, 90)) > random.random()
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    annotation = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}
    annotation["segmentation"] = {"size": packed["size"], "counts": packed["counts"].decode()}
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "a"}]}
    (tmp_path / "a.json").write_text(json.dumps(content | {"annotations": [annotation]}))

    assert read_coco(tmp_path / "a.json").images[0].regions[0].shape == encode_runs(mask)


def test_a_line_that_crosses_itself_is_filled_by_the_even_odd_rule() -> None:
    bow = Outline((((0.0, 0.0), (6.0, 6.0), (6.0, 0.0), (0.0, 6.0)),))
    rows, columns = np.mgrid[:6, :6] + 0.5
    left = columns < np.minimum(rows, 6 - rows)
    right = columns > np.maximum(rows, 6 - rows)
    on_the_line = (columns == rows) | (columns == 6 - rows)

    assert (shape_mask(bow, 6, 6) | on_the_line == left | right | on_the_line).all()
    outside = Outline((((-5.0, -5.0), (50.0, -5.0), (50.0, 50.0), (-5.0, 50.0)),))
    assert shape_mask(outside, 4, 6).all()


def test_run_lengths_that_do_not_fill_a_mask_are_refused() -> None:
    with pytest.raises(InputError, match="add up to 7, not 2 x 4"):
        shape_mask(RunLengths(2, 4, (3, 4)), 2, 4)


def test_a_mask_of_another_size_is_fitted_by_its_nearest_pixels() -> None:
    mask = np.array([[0, 1], [0, 0]], np.bool_)

    assert mask_box(fitted(mask, 4, 6)) == (3, 0, 6, 2)
    assert (fitted(fitted(mask, 4, 6), 2, 2) == mask).all()
    assert mask_box(np.zeros((2, 2), np.bool_)) is None


def test_kitti_is_a_layout_of_recipes(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write_pictures(tmp_path / split)
        write_kitti(example(), tmp_path / split)
    section = DataSection(layout="kitti", classes=("mass", "spot"))

    first, second, *_ = load_samples(section, tmp_path)

    assert (first.name, first.box_labels, first.boxes[0]) == ("train/images/a.png", (0, 1), (2.0, 1.0, 6.0, 5.0))
    assert second.boxes == () and second.label == -1
    (tmp_path / "valid" / "labels" / "a.txt").write_text("mass\n")
    with pytest.raises(RecipeError, match="line 1 has 1 columns"):
        load_samples(section, tmp_path)


def test_shapes_of_coco_reach_the_samples(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    for split in ("train", "valid"):
        write_coco(example(), tmp_path / f"annotations_{split}.json")

    sample = load_samples(DataSection(layout="coco", classes=("mass", "spot")), tmp_path)[0]

    square, ring = (shape_mask(shape, 10, 12) for shape in sample.shapes if shape is not None)
    assert mask_box(square) == sample.boxes[0] and int(square.sum()) == 16
    assert (ring == ring_mask()).all()


def test_a_coco_table_keeps_who_a_picture_is_of(tmp_path: Path) -> None:
    annotations = AnnotationSet(("spot",), (AnnotatedImage("a.png", None, (), "P7"), AnnotatedImage("b.png", None, ())))
    write_coco(annotations, tmp_path / "table.json")
    assert [image.patient for image in read_coco(tmp_path / "table.json").images] == ["P7", ""]
