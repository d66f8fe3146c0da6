from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from pydicom import dcmread
from pydicom.uid import RLELossless

from dicomnode.errors import GeometryError, IdentityError, PixelError
from dicomnode.inference.reading import read_series
from tests.factories import (
    CORONAL,
    ENHANCED_CT,
    SAGITTAL,
    as_series,
    make_enhanced,
    make_instance,
    make_series,
    ramp,
    write_instance,
)


def _write(folder: Path, *instances: Any) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [write_instance(dataset, folder) for dataset in instances]


def _slice(name: str, height: float, **attributes: Any) -> Any:
    return make_instance(name=name, position=(0, 0, height), **({"SliceThickness": 2} | attributes))


@pytest.mark.parametrize("descending", [False, True])
def test_slices_are_ordered_by_position_not_by_number(tmp_path: Path, descending: bool) -> None:
    series = as_series(make_series(tmp_path, 4, spacing=(0.5, 0.75, 2), shape=(8, 12), descending=descending))
    (image,) = read_series(series)

    assert isinstance(image.data, MetaTensor)
    assert image.data.dtype == torch.float32
    assert (image.kind, tuple(image.data.shape), image.spacing) == ("volume", (1, 8, 12, 4), (0.5, 0.75, 2.0))
    assert (image.rows, image.columns, image.number_of_slices) == (8, 12, 4)
    assert image.pixel_spacing == (0.5, 0.75)
    for k in range(4):
        assert np.array_equal(image.slice_array(k), ramp(8, 12)[np.newaxis] + 1000.0 * k)
    numbers = [series.instances[n].sop_instance_uid for n in (range(3, -1, -1) if descending else range(4))]
    assert [reference.sop_instance_uid for reference in image.slices] == numbers
    assert {reference.frame_number for reference in image.slices} == {None}
    assert {reference.series_instance_uid for reference in image.slices} == {series.series_instance_uid}


def test_a_slice_is_a_view(tmp_path: Path) -> None:
    (image,) = read_series(as_series(make_series(tmp_path, 3)))
    image.slice_array(1)[0, 0, 0] = -5
    assert float(image.data[0, 0, 0, 1]) == -5
    with pytest.raises(IndexError):
        image.slice_array(3)


def test_order_follows_the_normal_of_any_orientation(tmp_path: Path) -> None:
    for name, orientation in (("sagittal", SAGITTAL), ("coronal", CORONAL)):
        (image,) = read_series(as_series(make_series(tmp_path / name, 3, orientation=orientation, series=name)))
        assert [float(image.slice_array(k)[0, 0, 0]) for k in range(3)] == [0, 1000, 2000]


@pytest.mark.parametrize("sop_class_uid", [ENHANCED_CT, None])
def test_enhanced_multi_frame(tmp_path: Path, sop_class_uid: str | None) -> None:
    given = {"SOPClassUID": sop_class_uid} if sop_class_uid else {}
    dataset = make_enhanced(4, spacing=(0.5, 0.75, 3), shape=(8, 12), order=(2, 0, 3, 1), **given)
    (image,) = read_series(as_series(_write(tmp_path / "enhanced", dataset)))

    assert (tuple(image.data.shape), image.spacing) == ((1, 8, 12, 4), (0.5, 0.75, 3.0))
    assert [reference.frame_number for reference in image.slices] == [2, 4, 1, 3]
    assert [float(image.slice_array(k)[0, 0, 0]) for k in range(4)] == [0, 1000, 2000, 3000]


def test_a_compressed_enhanced_image(tmp_path: Path) -> None:
    dataset = make_enhanced(3)
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    (image,) = read_series(as_series(_write(tmp_path / "rle", dataset)))
    assert np.array_equal(image.slice_array(2)[0], ramp(16, 16) + 2000.0)


def test_rescale_reaches_the_volume(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2, modality="CT", RescaleSlope=1, RescaleIntercept=-1024)
    (image,) = read_series(as_series(paths))
    assert image.slice_array(0).min() == -1024


def test_a_single_slice_is_a_thin_volume(tmp_path: Path) -> None:
    (image,) = read_series(as_series(make_series(tmp_path, 1, spacing=(0.5, 0.5, 4))))
    assert (image.kind, tuple(image.data.shape), image.spacing) == ("volume", (1, 16, 16, 1), (0.5, 0.5, 4.0))


def test_a_single_slice_without_thickness_is_a_picture_with_spacing(tmp_path: Path) -> None:
    (image,) = read_series(as_series(_write(tmp_path, make_instance(pixel_spacing=(0.5, 0.75)))))
    assert (image.kind, tuple(image.data.shape), image.spacing) == ("planar", (1, 16, 16), (0.5, 0.75))


@pytest.mark.parametrize("count", [1, 3])
def test_slices_without_a_place_are_pictures_without_spacing(tmp_path: Path, count: int) -> None:
    instances = [make_instance(name=str(k), position=None, orientation=None) for k in range(count)]
    images = read_series(as_series(_write(tmp_path, *instances)))
    assert len(images) == count
    assert {(image.kind, image.spacing) for image in images} == {("planar", None)}


@pytest.mark.parametrize("modality", ["MG", "DX", "CR", "OT", "XC", "GM", "US"])
def test_flat_kinds_are_pictures(tmp_path: Path, modality: str) -> None:
    first = make_instance(name="1", modality=modality, InstanceNumber=1, pixels=ramp(8, 10))
    second = make_instance(name="2", modality=modality, InstanceNumber=2, pixels=ramp(9, 12, np.uint8))
    images = read_series(as_series(_write(tmp_path, first, second)))
    assert [tuple(image.data.shape) for image in images] == [(1, 8, 10), (1, 9, 12)]
    assert [image.slices[0].sop_instance_uid for image in images] == [first.SOPInstanceUID, second.SOPInstanceUID]
    assert [image.spacing for image in images] == [None, None]
    assert np.array_equal(images[0].data.affine, np.eye(4))


def test_a_colour_photograph(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    (image,) = read_series(as_series(_write(tmp_path, make_instance(modality="XC", pixels=pixels))))
    assert np.array_equal(image.slice_array(0), np.moveaxis(pixels, -1, 0))


def test_frames_of_a_flat_kind_are_pictures(tmp_path: Path) -> None:
    pixels = np.stack([ramp(4, 4), ramp(4, 4) + np.uint16(7)])
    images = read_series(as_series(_write(tmp_path, make_instance(modality="SM", pixels=pixels))))
    assert [image.slices[0].frame_number for image in images] == [1, 2]
    assert np.array_equal(images[1].slice_array(0)[0], pixels[1])


def test_calibrated_spacing_of_a_picture_is_in_its_affine(tmp_path: Path) -> None:
    dataset = make_instance(modality="DX", pixel_spacing=(0.1, 0.2), PixelSpacingCalibrationType="GEOMETRY")
    (image,) = read_series(as_series(_write(tmp_path, dataset)))
    assert image.spacing == (0.1, 0.2)
    assert np.array_equal(np.diag(image.data.affine), (0.1, 0.2, 1, 1))


def test_monochrome1_is_bright_where_much_is(tmp_path: Path) -> None:
    dataset = make_instance(modality="DX", PhotometricInterpretation="MONOCHROME1")
    (image,) = read_series(as_series(_write(tmp_path, dataset)))
    assert np.array_equal(image.slice_array(0)[0], 65535.0 - ramp(16, 16))


def test_different_grey_scales_in_one_volume_are_refused(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 3)
    odd = dcmread(paths[1])
    odd.PhotometricInterpretation = "MONOCHROME1"
    odd.save_as(paths[1])
    with pytest.raises(PixelError, match="different grey scales"):
        read_series(as_series(paths))


def test_a_series_larger_than_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    tiles = make_instance(modality="SM", pixels=np.zeros((1, 8, 8), np.uint8), NumberOfFrames=100_000)
    tiles.Rows = tiles.Columns = 256
    with pytest.raises(PixelError, match="needs 24 GiB of memory"):
        read_series(as_series(_write(tmp_path, tiles)))


def test_a_missing_pixel_spacing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="no Pixel Spacing"):
        read_series(as_series(make_series(tmp_path, 3, PixelSpacing=None)))


def test_another_patient_in_the_series_is_refused_without_naming_anybody(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2)
    other = write_instance(_slice("other", 4, PatientID="SECRET-2"), tmp_path)
    with pytest.raises(IdentityError, match="2 different Patient IDs") as caught:
        read_series(as_series([*paths, other]))
    assert "SECRET" not in str(caught.value)
    assert "TEST-1" not in str(caught.value)


def test_a_file_of_another_study_is_refused(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2)
    series = as_series(paths)
    changed = dcmread(paths[0])
    changed.StudyInstanceUID = "1.2.3"
    changed.save_as(paths[0])
    with pytest.raises(IdentityError, match="another study or series"):
        read_series(series)


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 3)
    series = as_series(paths)
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    with pytest.raises(PixelError, match=f"{series.instances[1].sop_instance_uid}.*truncated"):
        read_series(series)


@pytest.mark.filterwarnings("ignore:End of file reached:UserWarning")
def test_a_truncated_compressed_file_is_refused_by_name(tmp_path: Path) -> None:
    dataset = make_instance()
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    path = write_instance(dataset, tmp_path)
    series = as_series([path])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(PixelError, match=f"{dataset.SOPInstanceUID}: its file is truncated or damaged"):
        read_series(series)


def test_a_lost_file_is_refused_by_name(tmp_path: Path) -> None:
    paths = make_series(tmp_path, 2)
    series = as_series(paths)
    paths[0].unlink()
    with pytest.raises(PixelError, match="cannot be read from the archive"):
        read_series(series)


def test_a_value_beyond_the_bits_stored_is_refused(tmp_path: Path) -> None:
    pixels = np.full((4, 4), 4096, np.uint16)
    path = write_instance(make_instance(modality="MG", pixels=pixels, BitsStored=12, HighBit=11), tmp_path)
    with pytest.raises(PixelError, match="16 pixel values do not fit the 12 bits stored"):
        read_series(as_series([path]))
