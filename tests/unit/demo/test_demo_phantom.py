"""The drawn head: repeatable, plausible, with a mass where it says."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicomnode.demo.ct import make_ct
from dicomnode.demo.drawing import Lattice, ellipsoid, inside, tube
from dicomnode.demo.phantom import LATTICE, Phantom, draw_phantom
from dicomnode.demo.study import make_study, write_study

CREATED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return draw_phantom()


def test_same_seed_draws_the_same_head(phantom: Phantom) -> None:
    again = draw_phantom()
    assert np.array_equal(again.pixels, phantom.pixels)
    assert np.array_equal(again.lesion, phantom.lesion)


def test_mass_is_bright_and_of_the_stated_size(phantom: Phantom) -> None:
    assert phantom.pixels.shape == phantom.lesion.shape == LATTICE.shape
    assert phantom.pixels.max() < 4096
    slices = np.flatnonzero(phantom.lesion.any(axis=(1, 2)))
    assert 4 <= len(slices) <= 7
    _, rows, columns = np.nonzero(phantom.lesion)
    assert 24 <= np.ptp(rows) * 0.9 <= 34
    assert 24 <= np.ptp(columns) * 0.9 <= 34
    surrounding = phantom.pixels[slices][:, 90:160, 90:160]
    assert np.median(phantom.pixels[phantom.lesion]) > 1.6 * np.median(surrounding)


def test_air_is_dark_and_fat_is_bright(phantom: Phantom) -> None:
    assert np.median(phantom.pixels[:, :10, :10]) < 60
    assert phantom.pixels.max() > 900


def test_study_has_even_geometry_and_lasting_uids(phantom: Phantom) -> None:
    datasets = make_study(phantom, CREATED)
    again = make_study(phantom, CREATED)
    assert [d.SOPInstanceUID for d in datasets] == [d.SOPInstanceUID for d in again]
    assert len({d.SOPInstanceUID for d in datasets}) == LATTICE.shape[0]
    assert len({d.SeriesInstanceUID for d in datasets}) == 1
    positions = np.array([d.ImagePositionPatient for d in datasets], float)
    assert np.allclose(np.diff(positions, axis=0), [0, 0, LATTICE.spacing[0]])
    assert make_study(phantom, CREATED.replace(minute=31))[0].StudyInstanceUID != datasets[0].StudyInstanceUID


def test_files_hold_the_drawn_pixels(phantom: Phantom, tmp_path: Path) -> None:
    paths = write_study(make_study(phantom, CREATED), tmp_path)
    assert np.array_equal(dcmread(paths[11]).pixel_array, phantom.pixels[11])


@pytest.mark.dciodvfy
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(phantom: Phantom, tmp_path: Path) -> None:
    images = make_study(phantom, CREATED)
    for path in (*write_study(images[:1], tmp_path), *write_study(make_ct(images, CREATED)[:1], tmp_path)):
        judged = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in judged.stdout + judged.stderr
        assert "Warning" not in judged.stdout + judged.stderr


def test_distances_are_in_millimetres() -> None:
    lattice = Lattice(shape=(1, 5, 41), spacing=(1.0, 1.0, 1.0), origin=(-20.0, -2.0, 0.0))
    grid = lattice.grid()
    row = ellipsoid(grid, (0, 0, 0), (10, 10, 10))[0, 2]
    assert row[[10, 30, 35]] == pytest.approx([0, 0, 5], abs=1e-3)
    around = tube(grid, ((-10, 0, 0), (10, 0, 0)), (2.0, 2.0))[0, 2]
    assert around[[20, 33]] == pytest.approx([-2, 1], abs=1e-3)
    assert inside(np.array([-5, 0, 5], np.float32)).tolist() == [1.0, 0.5, 0.0]


def test_noise_is_standardised() -> None:
    field = Lattice((8, 32, 32), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0)).noise(np.random.default_rng(1), 3.0)
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(field, axis=2)).mean() < 0.5
