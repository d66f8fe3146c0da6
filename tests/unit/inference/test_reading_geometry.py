"""Our affine against SimpleITK's, and our pixels against SimpleITK's."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from dicomnode.inference.reading import read_series
from dicomnode.inference.source_image import SourceImage
from tests.factories import AXIAL, CORONAL, SAGITTAL, as_series, make_series

_OBLIQUE = (
    *(0.9396926207859084, 0.29619813272602386, 0.17101007166283436),
    *(-0.3420201433256687, 0.8137976813493738, 0.46984631039295416),
)


def _simpleitk(paths: list[Path], image: SourceImage) -> tuple[np.ndarray, np.ndarray]:
    """SimpleITK's affine from (row, column, slice, 1) to RAS mm, and its array (Slices, Rows, Columns)."""
    by_uid = {as_series([path]).instances[0].sop_instance_uid: str(path) for path in paths}
    reference = sitk.ReadImage([by_uid[item.sop_instance_uid] for item in image.slices])
    lps = np.eye(4)
    lps[:3, :3] = np.array(reference.GetDirection()).reshape(3, 3) * np.array(reference.GetSpacing())
    lps[:3, 3] = reference.GetOrigin()
    rows_first = lps[:, [1, 0, 2, 3]]
    return np.diag([-1, -1, 1, 1]) @ rows_first, sitk.GetArrayFromImage(reference)


def _check(paths: list[Path]) -> None:
    (image,) = read_series(as_series(paths))
    affine, array = _simpleitk(paths, image)
    assert np.allclose(image.data.affine, affine, rtol=0, atol=1e-5)
    assert np.array_equal(np.moveaxis(image.data.numpy()[0], -1, 0), array.astype(np.float32))


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL, _OBLIQUE], ids=str)
@pytest.mark.parametrize("descending", [False, True])
def test_generated_series(tmp_path: Path, orientation: tuple[float, ...], descending: bool) -> None:
    paths = make_series(
        tmp_path,
        5,
        spacing=(0.5, 0.75, 2.5),
        orientation=orientation,
        origin=(-100.25, 30.5, 12.75),
        shape=(16, 24),
        descending=descending,
    )
    _check(paths)


@pytest.mark.data
@pytest.mark.parametrize("name", ["ct_chest_Lung_Dx-A0002_B40f", "mr_head_t1w_every32nd"])
def test_real_series(name: str) -> None:
    folder = Path(os.environ["DICOMNODE_TEST_DATA"])
    _check(sorted((folder / "dicom_samples" / "series" / name).glob("*.dcm")))


@pytest.mark.data
@pytest.mark.parametrize("name", ["23x38x3", "24x38x3"])
def test_a_real_multi_frame_image_equals_its_single_slices(name: str) -> None:
    folder = Path(os.environ["DICOMNODE_TEST_DATA"]) / "dicom_samples" / "dcmqi" / "segmentations" / name
    (single,) = read_series(as_series(sorted((folder / "image").glob("*.dcm"))))
    (multiple,) = read_series(as_series([folder / "multiframe" / "mf.dcm"]))
    assert np.allclose(single.data.affine, multiple.data.affine)
    assert np.array_equal(single.data.numpy(), multiple.data.numpy())
