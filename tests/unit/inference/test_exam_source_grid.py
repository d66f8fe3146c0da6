"""Maps and patches of a prepared view lie where they belong on the source, however the view was turned."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dicomnode.findings import HeatMap
from dicomnode.inference.mammography.saliency import salient_regions
from dicomnode.inference.mammography.source_grid import attention_on_source, map_on_source
from dicomnode.study import SourceReference

IMAGE = SourceReference("1.2.840.10008.5.1.4.1.1.1.2", "1.2.3", "1.2")
SOURCE, PREPARED = (120, 90), (100, 80)


class Placed:
    """A prepared view that was transposed, mirrored and shifted from its source."""

    def __init__(self, transposed: bool, columns: bool, rows: bool, shift: tuple[float, float]) -> None:
        self.turn = transposed, columns, rows
        self.shift = np.array(shift)

    def to_source(self, points):
        transposed, columns, rows = self.turn
        moved = np.asarray(points, dtype=np.float64) + self.shift
        upright = (SOURCE[1], SOURCE[0]) if transposed else SOURCE
        if columns:
            moved[:, 0] = upright[1] - moved[:, 0]
        if rows:
            moved[:, 1] = upright[0] - moved[:, 1]
        return moved[:, ::-1] if transposed else moved


TURNS = [Placed(*turn, shift=(3.0, -4.0)) for turn in product((False, True), repeat=3)]


@pytest.mark.parametrize("placement", TURNS, ids=lambda item: str(item.turn))
def test_each_element_of_a_map_lies_where_it_was_seen(placement):
    rows, columns = 10, 16
    scores = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns) / 1000
    found = map_on_source(IMAGE, scores, PREPARED, placement)
    assert min(found.step) > 0
    for row, column in ((0, 0), (3, 5), (9, 15), (9, 0)):
        centre = np.array([[(column + 0.5) * PREPARED[1] / columns, (row + 0.5) * PREPARED[0] / rows]])
        x, y = placement.to_source(centre)[0]
        place = int((y - found.origin[1]) // found.step[1]), int((x - found.origin[0]) // found.step[0])
        assert found.scores[place] == scores[row, column]


@pytest.mark.parametrize("placement", TURNS, ids=lambda item: str(item.turn))
def test_patches_become_boxes_of_the_source_the_heaviest_first(placement):
    patches = np.array([[10.0, 20.0, 30.0, 50.0], [40.0, 40.0, 60.0, 60.0]])
    first, second = attention_on_source(IMAGE, SOURCE, patches, np.array([0.3, 0.7]), placement)
    assert (first.weight, second.weight, first.box.is_box, first.box.image) == (0.7, 0.3, True, IMAGE)
    corners = placement.to_source(np.array([[10.0, 20.0], [30.0, 50.0]]))
    np.testing.assert_allclose(second.box.points.min(axis=0), corners.min(axis=0))
    np.testing.assert_allclose(second.box.points.max(axis=0), corners.max(axis=0))


def test_patches_are_cut_to_the_image_and_those_on_padding_are_left_out():
    placement = Placed(False, False, False, (-20.0, 0.0))
    patches = np.array([[0.0, 0.0, 15.0, 15.0], [10.0, 0.0, 30.0, 15.0]])
    [found] = attention_on_source(IMAGE, SOURCE, patches, np.array([0.5, 0.5]), placement)
    assert found.box.points.tolist() == [[0.0, 0.0], [10.0, 0.0], [10.0, 15.0], [0.0, 15.0]]


def heat_map(scores, origin=(0.0, 0.0), step=(10.0, 10.0)):
    return HeatMap(IMAGE, np.asarray(scores, dtype=np.float32), origin, step)


def test_regions_are_where_the_map_reaches_the_threshold_strongest_first():
    scores = np.zeros((12, 9))
    scores[2:4, 1:3], scores[8, 6] = 0.6, 0.9
    (strong, peak), (weak, other) = salient_regions(heat_map(scores), SOURCE, 0.5)
    assert (peak, other) == (pytest.approx(0.9), pytest.approx(0.6))
    assert strong.on(SOURCE)[85, 65] and not strong.on(SOURCE)[72, 65]
    covered = weak.on(SOURCE)
    assert covered[25:35, 15:25].all() and not covered[:19].any() and not covered[50:].any()
    assert strong.outline[:, 0].mean() == pytest.approx(65, abs=1)
    assert strong.outline[:, 1].mean() == pytest.approx(85, abs=1)


@pytest.mark.parametrize("step", [1.0, 2.0, 7.0])
def test_a_spot_at_the_very_threshold_is_a_region(step):
    scores = np.zeros((10, 8))
    scores[4, 3] = 0.5
    [(region, _)] = salient_regions(heat_map(scores, step=(step, step)), SOURCE, 0.5)
    place = int(4.5 * step), int(3.5 * step)
    assert region.on(SOURCE)[place]
    assert region.pixels.sum() <= step * step + 4


def test_regions_beyond_the_image_and_maps_below_the_threshold_give_none():
    scores = np.full((3, 3), 0.9)
    assert salient_regions(heat_map(scores, origin=(-60.0, 0.0)), SOURCE, 0.5) == ()
    assert salient_regions(heat_map(scores), SOURCE, 0.95) == ()
    [(region, _)] = salient_regions(heat_map(scores, origin=(-15.0, 0.0)), SOURCE, 0.5)
    assert region.left == 0


def test_only_the_five_strongest_regions_are_kept():
    scores = np.zeros((12, 9))
    scores[::2, ::3] = np.linspace(0.6, 0.9, 18).reshape(6, 3)
    peaks = [peak for _, peak in salient_regions(heat_map(scores), SOURCE, 0.5)]
    assert len(peaks) == 5
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[0] == pytest.approx(0.9)
