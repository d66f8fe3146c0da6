"""Views prepared for a network, and the way back to stored pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomnode.dicom.mammography import STANDARD_VIEWS, MammogramView, view_of
from dicomnode.dicom.pixels import read_frame
from dicomnode.dicom.turn import Turn
from dicomnode.errors import PixelError
from dicomnode.inference.mammography.breast import find_breast, measure_levels
from dicomnode.inference.mammography.placement import Placement
from dicomnode.inference.mammography.preparation import prepare
from tests.mammograms import Mammogram, draw, make_mammogram

TURNS = [Turn(bool(number & 1), bool(number & 2), bool(number & 4)) for number in range(8)]
LEFT = MammogramView("L", "CC")


def _pixels(mammogram: Mammogram) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return read_frame(mammogram.dataset, 0).values[0]


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    """Any turn, cut, window and padding; whole-number scales of 1, and others."""
    source = (draw(st.integers(20, 60)), draw(st.integers(20, 60)))
    turn = draw(st.sampled_from(TURNS))
    turned = source[::-1] if turn.transposed else source
    size = (draw(st.integers(10, 80)), draw(st.integers(10, 80)))
    corner = [draw(st.integers(0, length - 8)) for length in turned]
    cut = [draw(st.integers(8, length - start)) for length, start in zip(turned, corner, strict=True)]
    factor = draw(st.sampled_from([1.0, 1.0, 0.5, 0.37, 2.0]))
    scaled = [max(1, round(length * factor)) for length in cut]
    scale = [now / before for now, before in zip(scaled, cut, strict=True)]
    window = [
        draw(st.integers(min(0, inner - outer), max(0, inner - outer)))
        for inner, outer in zip(scaled, size, strict=True)
    ]
    shown = (
        *(max(0, -start) for start in window),
        *(min(outer, inner - start) for inner, outer, start in zip(scaled, size, window, strict=True)),
    )
    origin = [start + place / share for start, place, share in zip(corner, window, scale, strict=True)]
    return Placement(source, turn, (origin[0], origin[1]), (scale[0], scale[1]), size, shown)


@settings(max_examples=150, deadline=None)
@given(placements(), st.integers(0, 2**32 - 1))
def test_points_and_boxes_come_back(placement: Placement, seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.uniform(-5, 90, (40, 2))
    assert np.allclose(placement.to_prepared(placement.to_source(points)), points, atol=1e-9)
    boxes = np.concatenate([points, points + random.uniform(0, 20, points.shape)], axis=1)
    assert np.allclose(placement.boxes_to_prepared(placement.boxes_to_source(boxes)), boxes, atol=1e-9)
    back = placement.boxes_to_source(boxes)
    assert (back[:, 2:] >= back[:, :2]).all()


@settings(max_examples=150, deadline=None)
@given(placements(), st.integers(0, 2**32 - 1))
def test_masks_come_back(placement: Placement, seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = np.zeros(placement.size, bool)
    top, left, bottom, right = placement.shown
    mask[top:bottom, left:right] = random.random((bottom - top, right - left)) < 0.5
    source = placement.mask_to_source(mask)
    assert source.shape == placement.source
    if placement.scale == (1.0, 1.0):
        assert np.array_equal(placement.mask_to_prepared(source), mask)
        assert source.sum() == mask.sum()
    _agrees(placement, mask.astype(np.float32), source.astype(np.float32), outside=0.0)


@settings(max_examples=150, deadline=None)
@given(placements(), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(0, 2**32 - 1))
def test_saliency_comes_back(placement: Placement, grid: tuple[int, int], seed: int) -> None:
    scores = np.random.default_rng(seed).random(grid, dtype=np.float32)
    source = placement.map_to_source(scores)
    assert source.shape == placement.source
    _agrees(placement, scores, source, outside=np.nan)


def _agrees(placement: Placement, grid: np.ndarray, source: np.ndarray, outside: float) -> None:
    """Every source pixel has the value that the map of its centre, by `to_prepared`, lies in."""
    rows, columns = np.indices(placement.source)
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)
    places = placement.to_prepared(centres)
    top, left, bottom, right = placement.shown
    low, high = np.array([left, top]), np.array([right, bottom])
    # What lies on the border within rounding may fall to either side.
    far = np.abs(places[:, :, None] - np.stack([low, high], axis=1)).min(axis=(1, 2)) > 1e-6
    inside = ((places > low) & (places < high)).all(axis=1)
    share = places / np.array(placement.size[::-1]) * np.array(grid.shape[::-1])
    far &= (np.abs(share - np.round(share)) > 1e-6).all(axis=1) | ~inside
    cells = np.clip(share, 0, np.array(grid.shape[::-1]) - 1e-9).astype(int)
    wanted = np.where(inside, grid[cells[:, 1], cells[:, 0]], outside)
    assert np.array_equal(source.ravel()[far], wanted[far].astype(np.float32), equal_nan=True)


# A craniocaudal view turned by half is stored as the other breast's is, and refused.
HALF_TURN = Turn(columns_reversed=True, rows_reversed=True)


@pytest.mark.parametrize(
    ("view", "turn"),
    [(view, turn) for view in STANDARD_VIEWS for turn in TURNS if view.endswith("MLO") or turn != HALF_TURN],
)
def test_planted_lesions(view: str, turn: Turn) -> None:
    side, position = view.split("-")
    mammogram = make_mammogram(side, position, turn=turn, size=(256, 208), seed=3, lesions=("malignant",))
    pixels = _pixels(mammogram)
    (lesion,) = mammogram.lesions
    prepared = prepare(pixels, view_of(mammogram.dataset), (240, 160))
    assert prepared.pixels.shape == (1, 240, 160)
    mask = prepared.placement.mask_to_prepared(lesion.mask)
    assert mask.sum() == lesion.mask.sum()
    assert np.array_equal(prepared.placement.mask_to_source(mask), lesion.mask)
    box = prepared.placement.boxes_to_prepared(np.array([lesion.box]))[0]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert np.allclose(box, (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    # The values are those of the file, up to brightness and contrast, and the breast comes from the left edge.
    slope = np.polyfit(pixels[lesion.mask], _on_source(prepared.placement, prepared.pixels[0])[lesion.mask], 1)
    assert slope[0] > 0
    assert prepared.pixels[0, 60:180, :10].mean() > prepared.pixels[0, 60:180, -10:].mean()


def _on_source(placement: Placement, values: np.ndarray) -> np.ndarray:
    return placement.map_to_source(np.ascontiguousarray(values))


@pytest.mark.parametrize("turn", TURNS)
def test_all_turns_give_the_same_picture(turn: Turn) -> None:
    stored = make_mammogram("R", "MLO", turn=turn, size=(256, 208))
    upright = make_mammogram("R", "MLO", size=(256, 208))
    one, other = (prepare(_pixels(item), view_of(item.dataset), (230, 150)).pixels for item in (stored, upright))
    assert np.array_equal(one, other)


def test_standardised_and_padded() -> None:
    drawing = draw("L", "CC", size=(256, 208))
    prepared = prepare(drawing.pixels.astype(np.float32), LEFT, (400, 300))
    assert prepared.pixels.dtype == np.float32
    assert abs(float(prepared.pixels.mean())) < 1e-5
    assert float(prepared.pixels.std()) == pytest.approx(1, abs=1e-4)
    top, left, bottom, right = prepared.placement.shown
    assert (left, right < 300, top > 0, bottom < 400) == (0, True, True, True)
    assert abs((400 - bottom) - top) <= 1
    assert np.unique(prepared.pixels[0, :, right:]).size == 1
    assert prepared.pixels[0, 0, 0] == prepared.pixels[0, -1, -1] == prepared.pixels.min()


def test_sixteen_bits_are_kept() -> None:
    pixels = draw("L", "CC", size=(256, 208), lesions=()).pixels.astype(np.float32) * 16
    pixels[128, 20:30] = np.arange(30000, 30010)
    prepared = prepare(pixels, LEFT, (256, 208))
    row = prepared.placement.map_to_source(prepared.pixels[0])[128, 20:30]
    assert (np.diff(row) > 0).all()


def test_the_window_holds_as_much_breast_as_it_can() -> None:
    pixels = np.zeros((300, 200), np.float32)
    pixels[40:260, :60] = 1000 + np.arange(60)
    pixels[180:260, 60:150] = 1500
    prepared = prepare(pixels, LEFT, (100, 90))
    assert prepared.placement.origin[1] == 0
    row = int(prepared.placement.origin[0])
    counts = [int((pixels[top : top + 100, :90] > 0).sum()) for top in range(201)]
    assert counts[row] == max(counts)


def test_scaled_before_the_window() -> None:
    mammogram = make_mammogram("R", "CC", size=(256, 208))
    prepared = prepare(_pixels(mammogram), view_of(mammogram.dataset), (128, 104), scale=0.5)
    (lesion,) = mammogram.lesions
    box = prepared.placement.boxes_to_prepared(np.array([lesion.box]))
    assert np.allclose(prepared.placement.boxes_to_source(box), [lesion.box])
    mask = prepared.placement.mask_to_source(prepared.placement.mask_to_prepared(lesion.mask))
    assert (mask & lesion.mask).sum() > 0.9 * (mask | lesion.mask).sum()
    inside = prepared.placement.mask_to_prepared(lesion.mask)
    assert prepared.pixels[0][inside].mean() > prepared.pixels[0][~inside].mean() + 1


def test_the_breast_without_marker_and_lines() -> None:
    with_marker, without = (draw("L", "MLO", marker=marker).pixels.astype(np.float32) for marker in (True, False))
    with_marker[300, :] = 900  # a line across the image
    assert find_breast(with_marker).box == find_breast(without).box
    rows, columns = np.nonzero(without)
    box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert np.abs(np.subtract(find_breast(without).box, box)).max() <= 2


@pytest.mark.parametrize("offset", [0, 500])
def test_noisy_background(offset: float) -> None:
    pixels = draw("L", "CC").pixels.astype(np.float32)
    noisy = pixels + offset + np.abs(np.random.default_rng(1).normal(0, 15, pixels.shape)).astype(np.float32)
    levels = measure_levels(noisy)
    assert offset <= levels.background < offset + 40
    assert np.abs(np.subtract(find_breast(noisy).box, find_breast(pixels).box)).max() <= 8


def test_no_breast() -> None:
    with pytest.raises(PixelError, match="all pixels are alike"):
        prepare(np.full((64, 48), 7, np.float32), LEFT, (32, 32))
